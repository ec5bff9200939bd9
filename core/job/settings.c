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
#include "core/job/job.h"
#include "core/job/trace/spool.h"

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
        { "CI_SHARED_ENVIRONMENT", "true" },
        { "CI_RUNNER_VERSION", FLOTILLA_VERSION },
        { "CI_RUNNER_REVISION", "flotilla" },
        { "CI_RUNNER_EXECUTABLE_ARCH", arch },
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
        r = add_last(job);
    if (r == -ENOMEM)
        return error_set(err, r, "job: out of memory");
    /* About 1 KB each, and nobody reads them there any more. */
    json_object_object_del(job->payload, "variables");
    /* What settings there are is known from here on, directories once the instance has been asked. */
    if (r == 0)
        r = variables_expand(&job->variables, "", err);
    if (r == 0)
        r = directories_plan(job, err);
    job->trace_script = variables_flag(&job->variables, "CI_DEBUG_TRACE", false);
    job->script_sections =
        job->sections && variables_flag(&job->variables, "FF_SCRIPT_SECTIONS", false);
    return r;
}

/* A shell takes no NUL; cut there, a line would do something else than it says. */
static int check_lines(json_t *payload, const char *list, struct error *err)
{
    json_t *items = NULL;

    (void) json_opt_array(payload, list, &items, NULL);
    for (size_t i = 0; items && i < json_object_array_length(items); i++) {
        json_t *lines = NULL;

        (void) json_opt_array(json_object_array_get_idx(items, i), "script", &lines, NULL);
        for (size_t k = 0; lines && k < json_object_array_length(lines); k++) {
            json_t *line = json_object_array_get_idx(lines, k);

            if (!json_object_is_type(line, json_type_string) ||
                strlen(json_object_get_string(line)) != (size_t) json_object_get_string_len(line))
                return error_set(err, -EINVAL,
                                 "%s[%zu].script[%zu]: must be text without NUL bytes", list, i, k);
        }
    }
    return 0;
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
    job->seq = number_of(start, "seq", 0);
    if (!job->payload || !job->runner || !job->slot || !job->connect)
        return error_set(err, -EPROTO, "worker: the start frame lacks a part");
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
    r = check_lines(job->payload, "steps", err);
    if (r == 0)
        r = check_lines(job->payload, "hooks", err);
    if (r == 0)
        r = set_variables(job, err);
    return r == 0 ? git_settings_check(job, err) : r;
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
    size_t n = 0, max = job->variables.n + 2;
    const char **patterns;

    max += credentials ? json_object_array_length(credentials) : 0;
    max += dependencies ? json_object_array_length(dependencies) : 0;
    patterns = mem_array(max, sizeof(*patterns));
    if (!patterns)
        return -ENOMEM;
    patterns[n++] = text_of(job->payload, "token", "");
    patterns[n++] = text_of(job->connect, "password", "");
    for (size_t i = 0; i < job->variables.n; i++)
        if (job->variables.items[i].masked)
            patterns[n++] = variable_value(&job->variables.items[i]);
    n += add_each(patterns + n, credentials, "password");
    n += add_each(patterns + n, dependencies, "token");
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
                                     .mask_all_default_tokens = variables_flag(
                                         &job->variables, "FF_MASK_ALL_DEFAULT_TOKENS", true),
                                     .mask_encodings = true,
                                     .timestamps =
                                         variables_flag(&job->variables, "FF_TIMESTAMPS", true),
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
    ssh_close(job->ssh);
    trace_free(job->trace);
    variables_done(&job->variables);
    free(job->project_dir);
    free(job->build_dir);
    free(job->tmp_dir);
    json_object_put(job->start);
}
