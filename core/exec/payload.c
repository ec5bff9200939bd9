/* core/exec/payload.c - the job object and its predefined variables.
 *
 * Only memory can fail here, and any single addition that fails fails the whole, so additions are
 * collected in one result. */
#include "core/exec/payload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/str.h"

#define AFTER_SCRIPT_TIMEOUT_S 300

void payload_token(const struct rng *rng, char token[PAYLOAD_TOKEN_SIZE])
{
    char random[2 * 20 + 1];

    rng_hex(rng, random, 20);
    (void) snprintf(token, PAYLOAD_TOKEN_SIZE, "glcbt-%s", random);
}

enum variable_flags { VARIABLE_MASKED = 1, VARIABLE_RAW = 2 };

static int add_variable(json_t *list, const char *key, const char *value, unsigned flags)
{
    json_t *variable = json_object_new_object();
    int r = 0;

    if (!value) {
        json_object_put(variable);
        return 0;
    }
    r |= json_add_str(variable, "key", key);
    r |= json_add_str(variable, "value", value);
    r |= json_add_bool(variable, "public", !(flags & VARIABLE_MASKED));
    r |= json_add_bool(variable, "masked", flags & VARIABLE_MASKED);
    r |= json_add_bool(variable, "raw", flags & VARIABLE_RAW);
    if (r != 0 || json_object_array_add(list, variable) < 0) {
        json_object_put(variable);
        return -1;
    }
    return 0;
}

/* GitLab's slug: lower case, what is no letter or digit becomes '-', 63 bytes, no '-' at the ends.
 */
static void add_slug(struct buf *out, const char *text)
{
    for (const char *c = text; *c && out->len < 63; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        bool upper = *c >= 'A' && *c <= 'Z';
        char slug = '-';

        if (letter)
            slug = *c;
        else if (upper)
            slug = (char) (*c - 'A' + 'a');
        if (slug != '-' || out->len > 0)
            buf_add_char(out, slug);
    }
    while (out->len > 0 && out->data[out->len - 1] == '-')
        out->data[--out->len] = '\0';
}

static int add_predefined(json_t *list, const struct payload_pipeline *pipeline, const char *stage,
                          const struct ci_job *job, int64_t job_id, const char *token)
{
    char short_sha[9], job_text[24], pipeline_text[24], project_text[24];
    autobuf struct buf slug = BUF_INIT, job_slug = BUF_INIT, title = BUF_INIT;
    int r = 0;

    (void) snprintf(short_sha, sizeof(short_sha), "%.8s", pipeline->sha);
    (void) snprintf(job_text, sizeof(job_text), "%" PRId64, job_id);
    (void) snprintf(pipeline_text, sizeof(pipeline_text), "%" PRId64, pipeline->id);
    (void) snprintf(project_text, sizeof(project_text), "%" PRId64, pipeline->project_id);
    add_slug(&slug, pipeline->ref);
    add_slug(&job_slug, job->name);
    if (pipeline->message)
        buf_add(&title, pipeline->message, strcspn(pipeline->message, "\n"));
    const struct {
        const char *key, *value;
    } variables[] = {
        { "CI", "true" },
        { "GITLAB_CI", "true" },
        { "CI_SERVER_NAME", "flotilla exec" },
        { "CI_PIPELINE_ID", pipeline_text },
        { "CI_PIPELINE_IID", pipeline_text },
        { "CI_PIPELINE_SOURCE", "push" },
        { "CI_PROJECT_ID", project_text },
        { "CI_PROJECT_NAME", pipeline->project_name },
        { "CI_PROJECT_PATH", pipeline->project_path },
        { "CI_PROJECT_NAMESPACE", pipeline->project_namespace },
        { "CI_DEFAULT_BRANCH", pipeline->default_branch },
        { "CI_COMMIT_SHA", pipeline->sha },
        { "CI_COMMIT_SHORT_SHA", short_sha },
        { "CI_COMMIT_BEFORE_SHA", pipeline->before_sha },
        { "CI_COMMIT_REF_NAME", pipeline->ref },
        { "CI_COMMIT_REF_SLUG", buf_str(&slug) },
        { "CI_COMMIT_BRANCH", pipeline->branch },
        { "CI_COMMIT_MESSAGE", pipeline->message },
        { "CI_COMMIT_TITLE", pipeline->message ? buf_str(&title) : NULL },
        { "CI_REPOSITORY_URL", pipeline->repo_url },
        { "CI_JOB_ID", job_text },
        { "CI_JOB_NAME", job->name },
        { "CI_JOB_NAME_SLUG", buf_str(&job_slug) },
        { "CI_JOB_STAGE", stage },
        /* A person reads along; the file may switch it on again. */
        { "FF_TIMESTAMPS", "false" },
    };

    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        r |= add_variable(list, variables[i].key, variables[i].value, VARIABLE_RAW);
    r |= add_variable(list, "CI_JOB_TOKEN", token, VARIABLE_MASKED | VARIABLE_RAW);
    return r | buf_error(&slug) | buf_error(&job_slug) | buf_error(&title);
}

static int add_own(json_t *list, const struct ci_variables *variables)
{
    int r = 0;

    for (size_t i = 0; i < variables->count; i++)
        r |= add_variable(list, variables->items[i].key, variables->items[i].value,
                          variables->items[i].raw ? VARIABLE_RAW : 0);
    return r;
}

static int add_lines(json_t *list, const struct ci_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        json_t *line = json_object_new_string(lines->items[i]);

        if (!line || json_object_array_add(list, line) < 0) {
            json_object_put(line);
            return -1;
        }
    }
    return 0;
}

/* One step of `first` followed by `second`. */
static int add_step(json_t *steps, const char *name, const char *when, int64_t timeout_s,
                    const struct ci_lines *first, const struct ci_lines *second)
{
    json_t *step = json_object_new_object();
    json_t *script = json_object_new_array();
    int r = 0;

    r |= script ? add_lines(script, first) : -1;
    r |= script && second ? add_lines(script, second) : 0;
    r |= json_add_str(step, "name", name);
    r |= json_add(step, "script", script);
    r |= json_add_i64(step, "timeout", timeout_s);
    r |= json_add_str(step, "when", when);
    r |= json_add_bool(step, "allow_failure", str_eq(when, "always"));
    if (r != 0 || json_object_array_add(steps, step) < 0) {
        json_object_put(step);
        return -1;
    }
    return 0;
}

static int add_texts(json_t *obj, const char *key, const char *const *texts, size_t count)
{
    json_t *list = json_object_new_array();
    int r = list ? 0 : -1;

    for (size_t i = 0; list && i < count; i++)
        r |= json_object_array_add(list, json_object_new_string(texts[i]));
    return json_add(obj, key, list) | r;
}

static int add_job_info(json_t *payload, const struct payload_pipeline *pipeline, const char *stage,
                        const struct ci_job *job, int64_t job_id)
{
    json_t *info = json_object_new_object();
    int r = 0;

    r |= json_add_i64(info, "id", job_id);
    r |= json_add_str(info, "name", job->name);
    r |= json_add_str(info, "stage", stage);
    r |= json_add_i64(info, "pipeline_id", pipeline->id);
    r |= json_add_i64(info, "project_id", pipeline->project_id);
    r |= json_add_str(info, "project_name", pipeline->project_name);
    r |= json_add_str(info, "project_full_path", pipeline->project_path);
    return json_add(payload, "job_info", info) | r;
}

static int add_git_info(json_t *payload, const struct payload_pipeline *pipeline)
{
    json_t *info = json_object_new_object();
    autobuf struct buf refspec = BUF_INIT;
    const char *refspecs[1];
    int r = 0;

    buf_addf(&refspec, "+refs/heads/%s:refs/remotes/origin/%s", pipeline->ref, pipeline->ref);
    refspecs[0] = buf_str(&refspec);
    r |= buf_error(&refspec);
    r |= json_add_str(info, "repo_url", pipeline->repo_url);
    r |= json_add_str(info, "repo_object_format", pipeline->object_format);
    r |= json_add_str(info, "ref", pipeline->ref);
    r |= json_add_str(info, "ref_type", "branch");
    r |= json_add_str(info, "sha", pipeline->sha);
    r |= json_add_str(info, "before_sha", pipeline->before_sha);
    r |= json_add_i64(info, "depth", 0);
    r |= info ? add_texts(info, "refspecs", refspecs, ARRAY_LEN(refspecs)) : -1;
    return json_add(payload, "git_info", info) | r;
}

static int add_features(json_t *payload)
{
    static const char *const reasons[] = {
        "unknown_failure",       "script_failure",
        "runner_system_failure", "job_execution_timeout",
        "image_pull_failure",    "runner_configuration_error",
        "runner_interrupted",    "runner_external_dependency_failure",
        "job_canceled",
    };
    json_t *features = json_object_new_object();
    int r = 0;

    r |= json_add_bool(features, "trace_sections", true);
    r |= features ? add_texts(features, "failure_reasons", reasons, ARRAY_LEN(reasons)) : -1;
    return json_add(payload, "features", features) | r;
}

static int add_lists(json_t *payload, const struct payload_pipeline *pipeline,
                     const struct ci_config *config, const struct ci_job *job, int64_t job_id,
                     const char *token)
{
    json_t *variables = json_object_new_array();
    json_t *steps = json_object_new_array();
    int r = variables && steps ? 0 : -1;

    if (r == 0) {
        r |= add_predefined(variables, pipeline, config->stages[job->stage], job, job_id, token);
        r |= add_own(variables, &config->variables);
        r |= add_own(variables, &job->variables);
        r |= add_step(steps, "script", "on_success", pipeline->timeout_s, &job->before_script,
                      &job->script);
        if (job->after_script.count > 0)
            r |= add_step(steps, "after_script", "always", AFTER_SCRIPT_TIMEOUT_S,
                          &job->after_script, NULL);
    }
    r |= json_add(payload, "variables", variables);
    r |= json_add(payload, "steps", steps);
    return r;
}

int payload_new(const struct payload_pipeline *pipeline, const struct ci_config *config,
                const struct ci_job *job, int64_t job_id, const char *token, json_t **ret,
                struct error *err)
{
    autojson json_t *payload = json_object_new_object();
    json_t *runner = json_object_new_object();
    int r = 0;

    r |= json_add_i64(payload, "id", job_id);
    r |= json_add_str(payload, "token", token);
    r |= json_add_bool(payload, "allow_git_fetch", false);
    r |= json_add_i64(runner, "timeout", pipeline->timeout_s);
    r |= json_add(payload, "runner_info", runner);
    r |= payload ? add_job_info(payload, pipeline, config->stages[job->stage], job, job_id) : -1;
    r |= payload ? add_git_info(payload, pipeline) : -1;
    r |= payload ? add_lists(payload, pipeline, config, job, job_id, token) : -1;
    r |= payload ? add_features(payload) : -1;
    if (r != 0)
        return error_set(err, -ENOMEM, "job '%s': out of memory", job->name);
    *ret = take_ptr(payload);
    return 0;
}
