/* core/supervisor/start_frame.c - what a job's worker is told at its start: the job, what its runner's
 * configuration says of it, where it runs (docs/design/processes.md). Called by worker_start.c. */
#include <fcntl.h>

#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "core/supervisor/internal.h"

#define CERTIFICATES_MAX ((size_t) 1024 * 1024)

static void add_flags(json_t *obj, const struct config_flags *flags)
{
#define NAME(name, initial, acted_on) #name,
    static const char *const names[] = { FEATURE_FLAGS(NAME) };
    json_t *set = json_object_new_object();

    for (size_t i = 0; set && i < ARRAY_LEN(names); i++)
        if (flags->set[i] >= 0)
            (void) json_add_bool(set, names[i], flags->set[i] == 1);
    (void) json_add(obj, "feature_flags", set);
}

/* What holds for each of the runner's jobs. */
static void add_runner_rules(json_t *obj, const struct config_runner *runner)
{
    (void) json_add_i64(obj, "prepare_timeout_ms", runner->prepare_timeout_ms);
    (void) json_add_i64(obj, "get_sources_timeout_ms", runner->get_sources_timeout_ms);
    (void) json_add_bool(obj, "debug_trace_disabled", runner->debug_trace_disabled);
    (void) json_add_bool(obj, "custom_build_dir", runner->custom_build_dir.enabled);
    (void) json_add_bool(obj, "common_build_dir", config_common_build_dir(runner));
    if (!str_eq(runner->hold.on_failure, "never"))
        (void) json_add_str(obj, "hold", runner->hold.on_failure);
    if (runner->use_slot_cgroups)
        (void) json_add_str(obj, "slot_cgroup_template", runner->slot_cgroup_template);
    add_flags(obj, &runner->autoscaler.flags);
}

/* Their content: a worker opens no files. One that cannot be read is left out; GitLab would not have
 * been reached with it either. */
static void add_certificates(json_t *obj, const struct job *job)
{
    const struct config_runner *runner = job->group->runner;
    const char *shown = coordinator_certificates(job->supervisor->coordinator, runner->url);
    const struct {
        const char *key, *file;
    } rows[] = {
        { "tls_ca", runner->tls_ca_file },
        { "tls_cert", runner->tls_cert_file },
        { "tls_key", runner->tls_key_file },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf struct buf content = BUF_SECRET;

        if (!str_empty(rows[i].file) &&
            fs_read_file(AT_FDCWD, rows[i].file, CERTIFICATES_MAX, &content, NULL) == 0)
            (void) json_add_str(obj, rows[i].key, buf_str(&content));
    }
    /* The instance may not know who signed for GitLab. */
    if (str_empty(runner->tls_ca_file) && *shown)
        (void) json_add_str(obj, "tls_ca", shown);
}

static void add_runner(json_t *start, const struct job *job)
{
    const struct group *group = job->group;
    const struct config_runner *runner = group->runner;
    json_t *obj = json_object_new_object(), *environment;

    if (!obj)
        return;
    (void) json_add_str(obj, "name", runner->name);
    (void) json_add_str(obj, "short_token", group->short_token);
    (void) json_add_str(obj, "url", runner->url);
    (void) json_add_str(obj, "system_id", job->supervisor->system_id);
    (void) json_add_str(obj, "shell", runner->shell);
    (void) json_add_str(obj, "builds_dir", runner->builds_dir);
    (void) json_add_str(obj, "cache_dir", runner->cache_dir);
    (void) json_add_str(obj, "helper", runner->helper);
    (void) json_add_i64(obj, "artifact_upload_timeout_ms", runner->artifact.upload_timeout_ms);
    (void) json_add_i64(obj, "artifact_response_timeout_ms",
                        runner->artifact.response_header_timeout_ms);
    (void) json_add_i64(obj, "cache_max_bytes", runner->cache.max_archive_bytes);
    (void) json_add_str(obj, "clone_url", runner->clone_url);
    (void) json_add_bool(obj, "safe_directory_checkout", runner->safe_directory_checkout);
    if (runner->clean_git_config >= 0)
        (void) json_add_bool(obj, "clean_git_config", runner->clean_git_config == 1);
    if (runner->output_limit_kib > 0)
        (void) json_add_i64(obj, "output_limit", runner->output_limit_kib * 1024);
    (void) json_add_str(obj, "pre_get_sources_script", runner->pre_get_sources_script);
    (void) json_add_str(obj, "post_get_sources_script", runner->post_get_sources_script);
    (void) json_add_str(obj, "pre_build_script", runner->pre_build_script);
    (void) json_add_str(obj, "post_build_script", runner->post_build_script);
    add_runner_rules(obj, runner);
    add_certificates(obj, job);
    environment = json_object_new_array();
    for (size_t i = 0; environment && i < runner->n_environment; i++)
        (void) json_object_array_add(environment, json_object_new_string(runner->environment[i]));
    (void) json_add(obj, "environment", environment);
    (void) json_add(start, "runner", obj);
}

static void add_slot(json_t *start, const struct job *job)
{
    json_t *obj = json_object_new_object();

    if (!obj)
        return;
    (void) json_add_str(obj, "instance", job->instance_id);
    (void) json_add_i64(obj, "slot", job->slot);
    (void) json_add_i64(obj, "concurrent_id", job->concurrent_id);
    (void) json_add_i64(obj, "concurrent_project_id", job->concurrent_project_id);
    (void) json_add(start, "slot", obj);
}

json_t *start_frame(const struct job *job, json_t *connect)
{
    char correlation[33];
    json_t *start = json_frame("start"), *payload = NULL;

    if (!start)
        return NULL;
    if (json_parse(secret_reveal(job->payload), secret_len(job->payload), &payload, NULL) < 0) {
        json_object_put(start);
        return NULL;
    }
    (void) json_add_i64(start, "seq", job->seq);
    (void) json_add_str(start, "key", job->worker_key);
    (void) json_add_str(start, "control_socket", job->supervisor->control_path);
    rng_hex(job->supervisor->rng, correlation, 16);
    (void) json_add_str(start, "correlation_id", correlation);
    (void) json_add(start, "payload", payload);
    if (job->terminal)
        (void) json_add_i64(start, "session_timeout_ms",
                            job->supervisor->config->session_server.timeout_ms);
    add_runner(start, job);
    add_slot(start, job);
    if (connect)
        (void) json_add(start, "connect", json_object_get(connect));
    if (group_is_isolated(job->group))
        (void) json_add(start, "isolation", group_isolation_for_job(job->group));
    return start;
}
