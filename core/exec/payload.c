/* core/exec/payload.c - the job object; the variables of the pipeline are predefined.c's.
 *
 * Only memory can fail here, and any single addition that fails fails the whole, so additions are
 * collected in one result. */
#include "core/exec/payload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/exec/ci_variables.h"
#include "core/exec/payload_artifacts.h"
#include "core/exec/predefined.h"

#define AFTER_SCRIPT_TIMEOUT_S 300

void payload_token(const struct rng *rng, char token[PAYLOAD_TOKEN_SIZE])
{
    char random[2 * 20 + 1];

    rng_hex(rng, random, 20);
    (void) snprintf(token, PAYLOAD_TOKEN_SIZE, "glcbt-%s", random);
}

enum variable_flags { VARIABLE_MASKED = 1, VARIABLE_RAW = 2, VARIABLE_FILE = 4 };

static int add_variable(json_t *list, const char *key, const char *value, unsigned flags)
{
    json_t *variable = json_object_new_object();
    int r = 0;

    r |= json_add_str(variable, "key", key);
    r |= json_add_str(variable, "value", value);
    r |= json_add_bool(variable, "public", !(flags & VARIABLE_MASKED));
    r |= json_add_bool(variable, "masked", flags & VARIABLE_MASKED);
    r |= json_add_bool(variable, "raw", flags & VARIABLE_RAW);
    if (flags & VARIABLE_FILE)
        r |= json_add_bool(variable, "file", true);
    if (r != 0 || json_object_array_add(list, variable) < 0) {
        json_object_put(variable);
        return -1;
    }
    return 0;
}

static int add_predefined(json_t *list, const struct payload_pipeline *pipeline, const char *stage,
                          const struct ci_job *job, int64_t job_id, const char *token)
{
    struct ci_variables variables = { 0 };
    int r = predefined_of_pipeline(pipeline, &variables);

    r |= predefined_of_job(stage, job, job_id, &variables);
    for (size_t i = 0; i < variables.count; i++)
        r |= add_variable(list, variables.items[i].key, variables.items[i].value, VARIABLE_RAW);
    ci_variables_done(&variables);
    return add_variable(list, "CI_JOB_TOKEN", token, VARIABLE_MASKED | VARIABLE_RAW) | r;
}

/* Those of the file that the job wants, then its own. */
static int add_own(json_t *list, const struct ci_variables *variables,
                   const struct ci_job *wanted_by)
{
    int r = 0;

    for (size_t i = 0; i < variables->count; i++) {
        const struct ci_variable *variable = &variables->items[i];

        if (!wanted_by || ci_job_inherits(wanted_by, variable->key))
            r |= add_variable(list, variable->key, variable->value,
                              (variable->raw ? VARIABLE_RAW : 0) |
                                  (variable->file ? VARIABLE_FILE : 0));
    }
    return r;
}

/* One step of `first` followed by `second`. */
static int add_step(json_t *steps, const char *name, const char *when, int64_t timeout_s,
                    const struct ci_lines *first, const struct ci_lines *second)
{
    json_t *step = json_object_new_object();
    json_t *script = json_object_new_array();
    int r = 0;

    r |= script ? payload_add_lines(script, first) : -1;
    r |= script && second ? payload_add_lines(script, second) : 0;
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

/* What GIT_DEPTH says: GitLab reads it, and tells runners the number alone. */
static int64_t depth_of(const struct payload_pipeline *pipeline, const struct ci_config *config,
                        const struct ci_job *job)
{
    const struct ci_scope scope = { .lists = { &config->variables, &job->variables },
                                    .job = job,
                                    .global = &config->variables };
    const struct ci_variable *variable = ci_scope_find(&scope, "GIT_DEPTH");
    int64_t depth = 0;

    return variable && !pipeline->whole_history &&
                   parse_i64(variable->value, 0, INT32_MAX, &depth) == 0
               ? depth
               : 0;
}

static int add_git_info(json_t *payload, const struct payload_pipeline *pipeline, int64_t depth)
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
    r |= json_add_i64(info, "depth", depth);
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

static int add_hooks(json_t *payload, const struct ci_job *job)
{
    json_t *hooks = json_object_new_array(), *hook = json_object_new_object();
    json_t *script = json_object_new_array();
    int r = hooks && script ? payload_add_lines(script, &job->pre_get_sources) : -1;

    r |= json_add_str(hook, "name", "pre_get_sources_script");
    r |= json_add(hook, "script", script);
    if (!hooks || json_object_array_add(hooks, hook) < 0) {
        json_object_put(hook);
        r = -1;
    }
    return json_add(payload, "hooks", hooks) | r;
}

static int64_t timeout_of(const struct payload_pipeline *pipeline, const struct ci_job *job)
{
    return job->timeout_s > 0 ? job->timeout_s : pipeline->timeout_s;
}

/* Those of the pipeline, of the file, of the job, and last, because GitLab has them win, those that
 * earlier jobs handed on. */
static int add_variables(json_t *list, const struct payload_pipeline *pipeline,
                         const struct ci_config *config, const struct payload_job *of)
{
    int r =
        add_predefined(list, pipeline, config->stages[of->job->stage], of->job, of->id, of->token);

    r |= add_own(list, &config->variables, of->job);
    r |= add_own(list, &of->job->variables, NULL);
    for (size_t i = 0; i < of->n_sources; i++)
        r |= add_own(list, &of->sources[i].set->variables, NULL);
    return r;
}

static int add_lists(json_t *payload, const struct payload_pipeline *pipeline,
                     const struct ci_config *config, const struct payload_job *of)
{
    const struct ci_job *job = of->job;
    json_t *variables = json_object_new_array();
    json_t *steps = json_object_new_array();
    int r = variables && steps ? 0 : -1;

    if (r == 0) {
        r |= add_variables(variables, pipeline, config, of);
        r |= add_step(steps, "script", "on_success", timeout_of(pipeline, job), &job->before_script,
                      &job->script);
        if (job->after_script.count > 0)
            r |= add_step(steps, "after_script", "always", AFTER_SCRIPT_TIMEOUT_S,
                          &job->after_script, NULL);
    }
    r |= json_add(payload, "variables", variables);
    r |= json_add(payload, "steps", steps);
    if (job->pre_get_sources.count > 0)
        r |= add_hooks(payload, job);
    return r;
}

int payload_new(const struct payload_pipeline *pipeline, const struct ci_config *config,
                const struct payload_job *of, json_t **ret, struct error *err)
{
    autojson json_t *payload = json_object_new_object();
    json_t *runner = json_object_new_object();
    const struct ci_job *job = of->job;
    int r = 0;

    r |= json_add_i64(payload, "id", of->id);
    r |= json_add_str(payload, "token", of->token);
    r |= json_add_bool(payload, "allow_git_fetch", false);
    r |= json_add_i64(runner, "timeout", timeout_of(pipeline, job));
    r |= json_add(payload, "runner_info", runner);
    r |= payload ? add_job_info(payload, pipeline, config->stages[job->stage], job, of->id) : -1;
    r |= payload ? add_git_info(payload, pipeline, depth_of(pipeline, config, job)) : -1;
    r |= payload ? add_lists(payload, pipeline, config, of) : -1;
    r |= payload ? payload_add_artifacts(payload, job) : -1;
    r |= payload ? payload_add_caches(payload, job) : -1;
    r |= payload ? payload_add_dependencies(payload, of) : -1;
    r |= payload ? add_features(payload) : -1;
    if (r != 0)
        return error_set(err, -ENOMEM, "job '%s': out of memory", job->name);
    *ret = take_ptr(payload);
    return 0;
}
