/* core/job/settings.c - the start frame, validated, as a struct job: directories, variables,
 * timeouts, and what the log must hide (job-execution.md 3, hardening.md V3 to V9, M1). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/host.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/job.h"

#define DEFAULT_TIMEOUT_S 7200
#define MAX_TIMEOUT_S (365 * 24 * 3600)
#define OUTPUT_LIMIT_MAX ((int64_t) 1024 * 1024 * 1024)

/* Not inlined: gcc 12 then takes the borrowed text for a pointer to the local variable. */
__attribute__((noinline)) static const char *text_of(json_t *obj, const char *key,
                                                     const char *fallback)
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

/* A path component from outside: no way up, nothing that ends a line (hardening.md V9). */
static bool component_valid(const char *text, size_t len)
{
    if (len == 0 || (len == 1 && text[0] == '.') || (len == 2 && memcmp(text, "..", 2) == 0))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
            return false;
    return true;
}

/* "https://user@host/group/project.git" → "group/project"; "project-ID" when that says nothing
 * usable. */
static char *project_path(const char *url, int64_t project_id)
{
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    size_t len = 0;
    bool valid = path && path > host + 3;

    if (valid) {
        path += strspn(path, "/");
        len = strcspn(path, "?#");
        if (len > 4 && strncmp(path + len - 4, ".git", 4) == 0)
            len -= 4;
    }
    for (size_t at = 0; valid && at <= len;) {
        size_t part = MIN(strcspn(path + at, "/"), len - at);

        valid = component_valid(path + at, part);
        at += part + 1;
    }
    return valid && len < 2048 ? mem_strndup(path, len)
                               : mem_printf("project-%" PRId64, project_id);
}

static int set_directories(struct job *job, struct error *err)
{
    json_t *git = object_of(job->payload, "git_info"), *info = object_of(job->payload, "job_info");
    const char *root = text_of(job->runner, "builds_dir", NULL);
    const char *strategy = variables_get(&job->variables, "GIT_STRATEGY");
    autofree char *path =
        project_path(text_of(git, "repo_url", ""), number_of(info, "project_id", 0));

    if (str_empty(root))
        root = "builds";
    if (!path)
        return error_set(err, -ENOMEM, "job: out of memory");
    job->builds_root = mem_strdup(root);
    job->build_dir =
        mem_printf("%s/%s/%" PRId64 "/%s%s", root, text_of(job->runner, "short_token", "runner"),
                   number_of(job->slot, "concurrent_project_id", 0), path,
                   str_eq(strategy, "empty") ? "-empty" : "");
    job->tmp_dir = job->build_dir ? mem_printf("%s.tmp", job->build_dir) : NULL;
    return job->builds_root && job->tmp_dir ? 0 : error_set(err, -ENOMEM, "job: out of memory");
}

static int add_number(struct variables *list, const char *key, int64_t value)
{
    char text[32];

    (void) snprintf(text, sizeof(text), "%" PRId64, value);
    return variables_add(list, key, text);
}

/* Before the payload's, so that GitLab's values win (job-execution.md 3.2). */
static int add_first(struct job *job)
{
    json_t *image = object_of(job->payload, "image"), *environment = NULL;
    const char *name = text_of(image, "name", NULL);
    int r = 0;

    if (!str_empty(name))
        r = variables_add(&job->variables, "CI_JOB_IMAGE", name);
    if (r == 0)
        r = variables_add(&job->variables, "CI_RUNNER_SHORT_TOKEN",
                          text_of(job->runner, "short_token", ""));
    (void) json_opt_array(job->runner, "environment", &environment, NULL);
    for (size_t i = 0; r == 0 && environment && i < json_object_array_length(environment); i++) {
        const char *entry = json_object_get_string(json_object_array_get_idx(environment, i));
        const char *equals = entry ? strchr(entry, '=') : NULL;
        autofree char *key = equals ? mem_strndup(entry, (size_t) (equals - entry)) : NULL;

        if (key && variable_name_valid(key))
            r = variables_add(&job->variables, key, equals + 1);
    }
    if (r == 0)
        r = variables_add(&job->variables, "CI_SERVER", "yes");
    if (r == 0)
        r = variables_add(&job->variables, "CI_JOB_STATUS", "running");
    if (r == 0)
        r = add_number(&job->variables, "CI_JOB_TIMEOUT", job->timeout_ms / 1000);
    if (r == 0)
        r = add_number(&job->variables, "CI_CONCURRENT_ID",
                       number_of(job->slot, "concurrent_id", 0));
    return r == 0 ? add_number(&job->variables, "CI_CONCURRENT_PROJECT_ID",
                               number_of(job->slot, "concurrent_project_id", 0))
                  : r;
}

/* After the payload's: facts that nobody else knows. */
static int add_last(struct job *job)
{
    autofree char *arch = mem_printf("linux/%s", host_architecture());
    const struct {
        const char *key, *value;
    } last[] = {
        { "CI_BUILDS_DIR", job->builds_root },      { "CI_PROJECT_DIR", job->build_dir },
        { "CI_SHARED_ENVIRONMENT", "true" },        { "CI_RUNNER_VERSION", FLOTILLA_VERSION },
        { "CI_RUNNER_REVISION", "flotilla" },       { "CI_RUNNER_EXECUTABLE_ARCH", arch },
        { "RUNNER_TEMP_PROJECT_DIR", job->tmp_dir }
    };
    int r = arch ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(last); i++)
        r = variables_add(&job->variables, last[i].key, last[i].value);
    return r;
}

static int set_variables(struct job *job, struct error *err)
{
    json_t *array = NULL;
    int r = add_first(job);

    (void) json_opt_array(job->payload, "variables", &array, NULL);
    if (r == 0)
        r = variables_add_payload(&job->variables, array, &job->skipped_variables, err);
    if (r == 0)
        r = set_directories(job, err);
    if (r == 0)
        r = add_last(job);
    if (r == 0)
        r = variables_expand(&job->variables, job->tmp_dir, err);
    if (r == -ENOMEM)
        return error_set(err, r, "job: out of memory");
    job->trace_script = variables_flag(&job->variables, "CI_DEBUG_TRACE", false);
    return r;
}

int job_settings(struct job *job, json_t *start, struct error *err)
{
    json_t *runner_info, *features;
    int64_t timeout_s;

    job->start = start;
    job->payload = object_of(start, "payload");
    job->runner = object_of(start, "runner");
    job->slot = object_of(start, "slot");
    job->connect = object_of(start, "connect");
    job->seq = number_of(start, "seq", 0);
    if (!job->payload || !job->runner || !job->slot || !job->connect)
        return error_set(err, -EPROTO, "worker: the start frame lacks a part");
    job->job_id = number_of(job->payload, "id", 0);
    job->instance = text_of(job->slot, "instance", "");
    job->shell = text_of(job->runner, "shell", "bash");
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
    return set_variables(job, err);
}

/* Every secret that this process holds (hardening.md M1); the runner's token is none of them. */
static size_t collect_patterns(const struct job *job, const char **patterns, size_t max)
{
    json_t *lists[2] = { NULL, NULL };
    static const char *const list_names[] = { "credentials", "dependencies" };
    static const char *const secret_names[] = { "password", "token" };
    const char *fixed[] = { text_of(job->payload, "token", ""),
                            text_of(job->connect, "password", "") };
    size_t n = 0;

    for (size_t i = 0; i < job->variables.n && n < max; i++)
        if (job->variables.items[i].masked)
            patterns[n++] = variable_value(&job->variables.items[i]);
    for (size_t i = 0; i < ARRAY_LEN(fixed) && n < max; i++)
        patterns[n++] = fixed[i];
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        (void) json_opt_array(job->payload, list_names[k], &lists[k], NULL);
        for (size_t i = 0; lists[k] && i < json_object_array_length(lists[k]) && n < max; i++)
            patterns[n++] = text_of(json_object_array_get_idx(lists[k], i), secret_names[k], "");
    }
    return n;
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

int job_open_trace(struct job *job, int spool_fd, struct error *err)
{
    size_t max = job->variables.n + 4096;
    autofree const char **patterns = mem_array(max, sizeof(*patterns));
    const char *prefixes[16];
    struct trace_options options = { .patterns = patterns,
                                     .token_prefixes = prefixes,
                                     .mask_all_default_tokens = variables_flag(
                                         &job->variables, "FF_MASK_ALL_DEFAULT_TOKENS", true),
                                     .mask_encodings = true,
                                     .timestamps =
                                         variables_flag(&job->variables, "FF_TIMESTAMPS", true),
                                     .sections = job->sections,
                                     .limit_bytes = number_of(job->runner, "output_limit", 0),
                                     .clock = &clock_system };

    if (!patterns)
        return error_set(err, -ENOMEM, "job: out of memory");
    options.limit_bytes = MIN(MAX(options.limit_bytes, (int64_t) 0), OUTPUT_LIMIT_MAX);
    options.n_patterns = collect_patterns(job, patterns, max);
    options.n_token_prefixes = collect_prefixes(job, prefixes, ARRAY_LEN(prefixes));
    return trace_new(spool_fd, &options, &job->trace, err);
}

void job_done(struct job *job)
{
    ssh_close(job->ssh);
    trace_free(job->trace);
    variables_done(&job->variables);
    free(job->builds_root);
    free(job->build_dir);
    free(job->tmp_dir);
    json_object_put(job->start);
}
