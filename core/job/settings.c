/* core/job/settings.c - the start frame, validated, as a struct job: variables, timeouts, and what
 * the log must hide (job-execution.md 3, hardening.md V3 to V9, M1). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/host.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/git_settings.h"
#include "core/job/helper.h"
#include "core/job/job.h"
#include "core/job/packer.h"
#include "core/job/trace/spool.h"
#include "core/job/vm.h"

#define DEFAULT_TIMEOUT_S 7200
#define MAX_TIMEOUT_S (365 * 24 * 3600)

/* Not inlined: gcc 12 then takes the borrowed text for a pointer to the local variable. */
__attribute__((noinline)) const char *text_of(json_t *obj, const char *key, const char *fallback)
{
    const char *text = fallback;

    if (obj)
        (void) json_opt_str(obj, key, &text, NULL);
    return text;
}

static json_t *object_of(json_t *obj, const char *key)
{
    json_t *value = NULL;

    if (obj)
        (void) json_opt_object(obj, key, &value, NULL);
    return value;
}

static int64_t number_of(json_t *obj, const char *key, int64_t fallback)
{
    int64_t number = fallback;

    if (obj)
        (void) json_opt_i64(obj, key, INT64_MIN, INT64_MAX, &number, NULL);
    return number;
}

struct pair {
    const char *key, *value; /* NULL = left out */
};

static int add_pairs(struct job *job, const struct pair *pairs, size_t n)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        if (pairs[i].value)
            r = variables_add(&job->variables, pairs[i].key, pairs[i].value);
    return r;
}

/* [[runners]] environment; what is no NAME=VALUE is left out. */
static int add_environment(struct job *job)
{
    json_t *environment = NULL;
    int r = 0;

    (void) json_opt_array(job->runner, "environment", &environment, NULL);
    for (size_t i = 0; r == 0 && environment && i < json_object_array_length(environment); i++) {
        const char *entry = json_object_get_string(json_object_array_get_idx(environment, i));
        const char *equals = entry ? strchr(entry, '=') : NULL;
        autofree char *key = equals ? mem_strndup(entry, (size_t) (equals - entry)) : NULL;

        if (key && variable_name_valid(key))
            r = variables_add(&job->variables, key, equals + 1);
    }
    return r;
}

/* The manager's own certificates for GitLab, as files: what runs on the instance may need them. */
static int add_certificates(struct job *job)
{
    static const struct pair files[] = {
        { "CI_SERVER_TLS_CA_FILE", "tls_ca" },
        { "CI_SERVER_TLS_CERT_FILE", "tls_cert" },
        { "CI_SERVER_TLS_KEY_FILE", "tls_key" },
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(files); i++) {
        const char *content = text_of(job->runner, files[i].value, "");

        if (*content)
            r = variables_add_file(&job->variables, files[i].key, content,
                                   str_eq(files[i].value, "tls_key"));
    }
    return r;
}

/* Before the payload's, so that GitLab's values win (job-execution.md 3.2). The directories are not
 * known yet, only their places in the order. */
static int add_first(struct job *job)
{
    const char *image = text_of(object_of(job->payload, "image"), "name", NULL);
    autofree char *id = mem_printf("%" PRId64, number_of(job->slot, "concurrent_id", 0));
    autofree char *project_id =
        mem_printf("%" PRId64, number_of(job->slot, "concurrent_project_id", 0));
    autofree char *timeout = mem_printf("%" PRId64, job->timeout_ms / 1000);
    const struct pair before[] = {
        { "CI_JOB_IMAGE", str_empty(image) ? NULL : image },
        { "CI_RUNNER_SHORT_TOKEN", text_of(job->runner, "short_token", "") },
    };
    const struct pair after[] = {
        { "CI_BUILDS_DIR", "" },       { "CI_PROJECT_DIR", "" },
        { "CI_CONCURRENT_ID", id },    { "CI_CONCURRENT_PROJECT_ID", project_id },
        { "CI_SERVER", "yes" },        { "CI_JOB_STATUS", "running" },
        { "CI_JOB_TIMEOUT", timeout },
    };
    int r = id && project_id && timeout ? flags_add(job) : -ENOMEM;

    if (r == 0)
        r = add_pairs(job, before, ARRAY_LEN(before));
    if (r == 0)
        r = add_environment(job);
    if (r == 0)
        r = add_pairs(job, after, ARRAY_LEN(after));
    return r == 0 ? add_certificates(job) : r;
}

/* The group of processes in which the job may put what it starts; `slot` is all that its name can
 * refer to (job-execution.md 9.5). */
static int add_slot_cgroup(struct job *job)
{
    const char *template = text_of(job->runner, "slot_cgroup_template", "");
    autofree char *number = mem_printf("%" PRId64, number_of(job->slot, "slot", 0));
    struct variables slot = { 0 };
    autobuf struct buf path = BUF_INIT;
    int r = number ? variables_add(&slot, "slot", number) : -ENOMEM;

    if (r == 0)
        variables_expand_text(&slot, template, "", &path);
    if (r == 0)
        r = buf_error(&path);
    variables_done(&slot);
    return r == 0 && *template
               ? variables_add(&job->variables, "GITLAB_RUNNER_SLOT_CGROUP", buf_str(&path))
               : r;
}

/* After the payload's: facts that nobody else knows. */
static int add_last(struct job *job)
{
    autofree char *arch = mem_printf("linux/%s", host_architecture());
    const struct pair last[] = {
        { "CI_SHARED_ENVIRONMENT", "true" },
        { "CI_RUNNER_VERSION", FLOTILLA_VERSION },
        { "CI_RUNNER_REVISION", "flotilla" },
        { "CI_RUNNER_EXECUTABLE_ARCH", arch },
    };

    int r = arch ? add_slot_cgroup(job) : -ENOMEM;

    return r == 0 ? add_pairs(job, last, ARRAY_LEN(last)) : r;
}

/* Settings of the job that are true or false; each use has the same default. */
static int check_booleans(struct job *job)
{
    static const struct {
        const char *name;
        bool initial;
    } rows[] = {
        { "CI_DEBUG_SERVICES", false },         { "GIT_CHECKOUT", true },
        { "GIT_LFS_SKIP_SMUDGE", false },       { "GIT_SUBMODULE_FORCE_HTTPS", false },
        { "AFTER_SCRIPT_IGNORE_ERRORS", true },
    };
    bool denied = false;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        (void) setting_bool(job, rows[i].name, rows[i].initial);
    job->trace_script = setting_bool(job, "CI_DEBUG_TRACE", false);
    (void) json_opt_bool(job->runner, "debug_trace_disabled", &denied, NULL);
    if (!denied || !job->trace_script)
        return 0;
    job_warn(job, "CI_DEBUG_TRACE: usage is disabled on this Runner");
    job->trace_script = false;
    return variables_settle(&job->variables, "CI_DEBUG_TRACE", "false");
}

/* What the job's settings rule out ends it with a sentence in its log, not before there is one. */
static int refuse_later(struct job *job, int r, const struct error *err)
{
    if (r != -EPERM)
        return r;
    job->refused = end_make(END_CONFIG, err->message);
    return 0;
}

/* The image's name is in a variable by now. */
static int replace_inputs(struct job *job, struct error *err)
{
    int r = refuse_later(job, inputs_replace(job, err), err);
    const char *image = text_of(object_of(job->payload, "image"), "name", "");

    return r == 0 && *image ? variables_fill(&job->variables, "CI_JOB_IMAGE", image) : r;
}

static int set_variables(struct job *job, struct error *err)
{
    json_t *array = NULL;
    size_t skipped = 0;
    int r = add_first(job);

    (void) json_opt_array(job->payload, "variables", &array, NULL);
    if (r == 0)
        r = variables_add_payload(&job->variables, array, &skipped, err);
    if (skipped > 0)
        job_warn(job, "%zu variables have names that no shell takes and are not set", skipped);
    if (r == 0)
        r = add_last(job);
    if (r == -ENOMEM)
        return error_set(err, r, "job: out of memory");
    /* About 1 KB each, and nobody reads them there any more. */
    json_object_object_del(job->payload, "variables");
    /* What settings there are is known from here on, directories once the instance has been asked. */
    if (r == 0)
        r = variables_expand(&job->variables, "", err);
    if (r == 0)
        r = flags_resolve(job);
    if (r == 0)
        r = check_booleans(job);
    if (r == 0)
        r = replace_inputs(job, err);
    if (r == 0)
        r = variables_expand(&job->variables, "", err);
    return r == 0 ? refuse_later(job, directories_plan(job, err), err) : r;
}

/* A shell takes no NUL; cut there, a line would do something else than it says. */
static int check_texts(json_t *payload, const char *list, const char *key, struct error *err)
{
    json_t *items = NULL;

    (void) json_opt_array(payload, list, &items, NULL);
    for (size_t i = 0; items && i < json_object_array_length(items); i++) {
        json_t *lines = NULL;

        (void) json_opt_array(json_object_array_get_idx(items, i), key, &lines, NULL);
        for (size_t k = 0; lines && k < json_object_array_length(lines); k++) {
            json_t *line = json_object_array_get_idx(lines, k);

            if (!json_object_is_type(line, json_type_string) ||
                strlen(json_object_get_string(line)) != (size_t) json_object_get_string_len(line))
                return error_set(err, -EINVAL, "%s[%zu].%s[%zu]: must be text without NUL bytes",
                                 list, i, key, k);
        }
    }
    return 0;
}

static int check_all_texts(json_t *payload, struct error *err)
{
    static const struct {
        const char *list, *key;
    } all[] = {
        { "steps", "script" },      { "hooks", "script" }, { "artifacts", "paths" },
        { "artifacts", "exclude" }, { "cache", "paths" },  { "cache", "fallback_keys" },
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(all); i++)
        r = check_texts(payload, all[i].list, all[i].key, err);
    return r;
}

int job_settings(struct job *job, json_t *start, struct error *err)
{
    json_t *runner_info, *features;
    int64_t timeout_s;
    int r;

    job->start = start;
    job->payload = object_of(start, "payload");
    job->runner = object_of(start, "runner");
    job->slot = object_of(start, "slot");
    job->connect = object_of(start, "connect");
    job->isolation_settings = object_of(start, "isolation");
    job->seq = number_of(start, "seq", 0);
    job->session_timeout_ms = number_of(start, "session_timeout_ms", 0);
    if (terminal_prepare(job) < 0)
        return error_set(err, -ENOMEM, "job: out of memory");
    if (!job->payload || !job->runner || !job->slot || !job->connect)
        return error_set(err, -EPROTO, "worker: the start frame lacks a part");
    job->instance = text_of(job->slot, "instance", "");
    job->shell = shell_by_name(text_of(job->runner, "shell", "bash"));
    if (!job->shell)
        return error_set(err, -EPROTO, "worker: the start frame names no shell that there is");
    runner_info = object_of(job->payload, "runner_info");
    timeout_s = number_of(runner_info, "timeout", 0);
    if (timeout_s <= 0)
        timeout_s = DEFAULT_TIMEOUT_S;
    job->timeout_ms = MIN(timeout_s, (int64_t) MAX_TIMEOUT_S) * 1000;
    job->deadline_ms = clock_mono_ms(&clock_system) + job->timeout_ms;
    job->cancel_stops = true;
    features = object_of(job->payload, "features");
    if (features)
        (void) json_opt_bool(features, "trace_sections", &job->sections, NULL);
    r = check_all_texts(job->payload, err);
    if (r == 0)
        r = set_variables(job, err);
    return r == 0 ? refuse_later(job, git_settings_check(job, err), err) : r;
}

static json_t *array_of(json_t *obj, const char *key)
{
    json_t *array = NULL;

    (void) json_opt_array(obj, key, &array, NULL);
    return array;
}

static size_t add_each(const char **patterns, json_t *array, const char *key)
{
    size_t n = array ? json_object_array_length(array) : 0;

    for (size_t i = 0; i < n; i++)
        patterns[i] = text_of(json_object_array_get_idx(array, i), key, "");
    return n;
}

/* Every secret that this process holds (hardening.md M1); the runner's token is none of them. */
static int collect_patterns(const struct job *job, const char ***ret, size_t *ret_n)
{
    json_t *credentials = array_of(job->payload, "credentials");
    json_t *dependencies = array_of(job->payload, "dependencies");
    size_t n = 0, n_inputs = 0, max = job->variables.n + 3;
    const char **patterns;

    max += credentials ? json_object_array_length(credentials) : 0;
    max += dependencies ? json_object_array_length(dependencies) : 0;
    while (inputs_secret(job, n_inputs))
        n_inputs++;
    max += n_inputs;
    patterns = mem_array(max, sizeof(*patterns));
    if (!patterns)
        return -ENOMEM;
    patterns[n++] = text_of(job->payload, "token", "");
    patterns[n++] = text_of(job->connect, "password", "");
    patterns[n++] = text_of(object_of(job->isolation_settings, "connect"), "password", "");
    for (size_t i = 0; i < job->variables.n; i++)
        if (job->variables.items[i].masked)
            patterns[n++] = variable_value(&job->variables.items[i]);
    n += add_each(patterns + n, credentials, "password");
    n += add_each(patterns + n, dependencies, "token");
    for (size_t i = 0; i < n_inputs; i++)
        patterns[n++] = inputs_secret(job, i);
    *ret = patterns;
    *ret_n = n;
    return 0;
}

static size_t collect_prefixes(const struct job *job, const char **prefixes, size_t max)
{
    json_t *features = object_of(job->payload, "features"), *list = NULL;
    size_t n = 0;

    if (features)
        (void) json_opt_array(features, "token_mask_prefixes", &list, NULL);
    for (size_t i = 0; list && i < json_object_array_length(list) && n < max; i++)
        prefixes[n++] = json_object_get_string(json_object_array_get_idx(list, i));
    return n;
}

int64_t job_output_limit(const struct job *job)
{
    int64_t limit = number_of(job->runner, "output_limit", 0);

    return limit > 0 ? limit : SPOOL_LIMIT_DEFAULT;
}

int job_open_trace(struct job *job, int spool_fd, struct error *err)
{
    autofree const char **patterns = NULL;
    const char *prefixes[16];
    struct trace_options options = { .token_prefixes = prefixes,
                                     .mask_all_default_tokens =
                                         job->flags[FF_MASK_ALL_DEFAULT_TOKENS],
                                     .mask_encodings = true,
                                     .timestamps = job->flags[FF_TIMESTAMPS],
                                     .sections = job->sections,
                                     .limit_bytes = job_output_limit(job),
                                     .clock = &clock_system };

    if (collect_patterns(job, &patterns, &options.n_patterns) < 0)
        return error_set(err, -ENOMEM, "job: out of memory");
    options.patterns = patterns;
    job->variables.masks_set = true;
    options.n_token_prefixes = collect_prefixes(job, prefixes, ARRAY_LEN(prefixes));
    return trace_new(spool_fd, &options, &job->trace, err);
}

void job_done(struct job *job)
{
    terminal_done(job);
    remote_close(job->remote);
    vm_done(job);
    helper_close_files(job);
    packer_done(job);
    trace_free(job->trace);
    variables_done(&job->variables);
    buf_done(&job->warnings);
    free(job->project_dir);
    free(job->build_dir);
    free(job->tmp_dir);
    free(job->cache_path);
    free(job->cache_dir);
    json_object_put(job->start);
}
