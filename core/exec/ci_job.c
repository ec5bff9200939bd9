/* core/exec/ci_job.c - what the keywords of a job say. The order matters: variables and inheritance
 * come before the rules, which look at them, and rules come before `when`. */
#include "core/exec/ci_job.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_artifacts.h"
#include "core/exec/ci_cache.h"
#include "core/exec/ci_duration.h"
#include "core/exec/ci_matrix.h"
#include "core/exec/ci_only.h"
#include "core/exec/ci_rules.h"
#include "core/exec/ci_variables.h"
#include "core/exec/predefined.h"

#define NAME_MAX_BYTES 255
#define JOBS_MAX 2000 /* of a pipeline */
#define STAGE_DEFAULT "test"
#define RETRIES_MAX 2 /* as GitLab's */

/* Keywords that jobs take over from `default`, and whether they may stand at the top as well. */
static const struct {
    const char *name;
    bool top;
} shared[] = {
    { "before_script", true }, { "after_script", true }, { "hooks", false }, { "retry", false },
    { "timeout", false },      { "artifacts", false },   { "cache", true },
};

static void read_allow_failure(struct ci_reading *reading, const struct yaml_value *value,
                               struct ci_job *job)
{
    const struct yaml_value *codes = yaml_get(value, "exit_codes");

    free(job->allow_exit_codes.items);
    job->allow_exit_codes = (struct ci_codes) { 0 };
    job->allow_failure = yaml_truth(value);
    if (codes && value->map.count == 1)
        ci_read_codes(reading, job->name, "exit_codes", codes, &job->allow_exit_codes);
    else if (value->kind != YAML_KIND_BOOL)
        ci_wrong_kind(reading, job->name, "allow_failure", value,
                      "true, false or a mapping with 'exit_codes' alone");
}

static void read_retries(struct ci_reading *reading, const char *name,
                         const struct yaml_value *value, struct ci_retry *ret)
{
    int64_t max = 0;

    if (value->kind == YAML_KIND_NUMBER && parse_i64(value->text, 0, RETRIES_MAX, &max) == 0)
        ret->max = (unsigned) max;
    else
        ci_wrong_kind(reading, name, "retry", value,
                      "a number from 0 to 2, or a mapping with 'max', 'when' and 'exit_codes'");
}

static void check_reasons(struct ci_reading *reading, const char *name,
                          const struct yaml_value *value, const struct ci_lines *reasons)
{
    static const char *const known[] = {
        "always",
        "unknown_failure",
        "script_failure",
        "api_failure",
        "stuck_or_timeout_failure",
        "runner_system_failure",
        "runner_unsupported",
        "stale_schedule",
        "job_execution_timeout",
        "archived_failure",
        "unmet_prerequisites",
        "scheduler_failure",
        "data_integrity_failure",
    };

    for (size_t i = 0; i < reasons->count; i++) {
        bool found = false;

        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            found = found || str_eq(reasons->items[i], known[k]);
        if (!found)
            yaml_finding(&reading->doc, CONFIG_ERROR, value,
                         "%s%s%s'retry' knows no failure '%s'; there are always, script_failure, "
                         "runner_system_failure, job_execution_timeout and others",
                         name ? "job '" : "", name ? name : "", name ? "': " : "",
                         reasons->items[i]);
    }
}

static void read_retry(struct ci_reading *reading, const char *name, const struct yaml_value *value,
                       struct ci_retry *ret)
{
    if (value->kind != YAML_KIND_MAPPING) {
        read_retries(reading, name, value, ret);
        return;
    }
    for (size_t i = 0; i < value->map.count; i++) {
        const struct yaml_pair *pair = &value->map.items[i];

        if (str_eq(pair->key, "max")) {
            read_retries(reading, name, pair->value, ret);
        } else if (str_eq(pair->key, "when")) {
            ci_read_lines(reading, name, "when", pair->value, &ret->reasons);
            check_reasons(reading, name, pair->value, &ret->reasons);
        } else if (str_eq(pair->key, "exit_codes")) {
            ci_read_codes(reading, name, "exit_codes", pair->value, &ret->exit_codes);
        } else {
            yaml_finding(&reading->doc, CONFIG_ERROR, pair->place,
                         "'retry' has no '%s'; there are max, when and exit_codes", pair->key);
        }
    }
}

static void read_timeout(struct ci_reading *reading, const char *name,
                         const struct yaml_value *value, struct ci_job *job)
{
    const char *text = yaml_scalar(value);

    if (!text || ci_duration_parse(text, &job->timeout_s) < 0)
        ci_wrong_kind(reading, name, "timeout", value, "a duration such as '1h 30m'");
}

static void read_hooks(struct ci_reading *reading, const char *name, const struct yaml_value *value,
                       struct ci_job *job)
{
    if (value->kind != YAML_KIND_MAPPING)
        ci_wrong_kind(reading, name, "hooks", value, "a mapping with 'pre_get_sources_script'");
    for (size_t i = 0; i < value->map.count; i++) {
        const struct yaml_pair *pair = &value->map.items[i];

        if (str_eq(pair->key, "pre_get_sources_script"))
            ci_read_lines(reading, name, pair->key, pair->value, &job->pre_get_sources);
        else
            yaml_finding(&reading->doc, CONFIG_ERROR, pair->place,
                         "'hooks' has no '%s'; there is pre_get_sources_script", pair->key);
    }
}

void ci_job_read_shared(struct ci_reading *reading, const char *name, const char *keyword,
                        const struct yaml_value *value, struct ci_job *job)
{
    if (str_eq(keyword, "before_script"))
        ci_read_lines(reading, name, keyword, value, &job->before_script);
    else if (str_eq(keyword, "after_script"))
        ci_read_lines(reading, name, keyword, value, &job->after_script);
    else if (str_eq(keyword, "hooks"))
        read_hooks(reading, name, value, job);
    else if (str_eq(keyword, "retry"))
        read_retry(reading, name, value, &job->retry);
    else if (str_eq(keyword, "timeout"))
        read_timeout(reading, name, value, job);
    else if (str_eq(keyword, "artifacts"))
        ci_artifacts_read(reading, name, value, &job->artifacts);
    else if (str_eq(keyword, "cache"))
        ci_caches_read(reading, name, value, &job->caches);
}

/* inherit: {default: …, variables: …}, each true, false or a list of names. */

static bool inherits(const struct yaml_value *part, const char *name)
{
    if (!part || part->kind == YAML_KIND_BOOL)
        return !part || yaml_truth(part);
    for (size_t i = 0; i < part->n_items; i++)
        if (str_eq(part->items[i]->text, name))
            return true;
    return false;
}

static void read_inherit(struct ci_reading *reading, const struct yaml_value *value,
                         struct ci_job *job)
{
    const struct yaml_value *variables = yaml_get(value, "variables");

    job->inherits_all = inherits(variables, NULL);
    if (value && value->kind != YAML_KIND_MAPPING) {
        ci_wrong_kind(reading, job->name, "inherit", value,
                      "a mapping with 'default' and 'variables'");
        return;
    }
    for (size_t i = 0; value && i < value->map.count; i++) {
        const struct yaml_pair *pair = &value->map.items[i];

        if (!str_eq(pair->key, "default") && !str_eq(pair->key, "variables"))
            yaml_finding(&reading->doc, CONFIG_ERROR, pair->place,
                         "job '%s': 'inherit' has no '%s'; there are default and variables",
                         job->name, pair->key);
        else if (pair->value->kind != YAML_KIND_BOOL && pair->value->kind != YAML_KIND_SEQUENCE)
            ci_wrong_kind(reading, job->name, pair->key, pair->value,
                          "true, false or a list of names");
    }
    if (variables && variables->kind == YAML_KIND_SEQUENCE)
        ci_read_lines(reading, job->name, "variables", variables, &job->inherits);
}

/* What is wrong with defaults is told where they are read. */
static void take_shared(struct ci_reading *reading, const struct yaml_value *value,
                        struct ci_job *job)
{
    const struct yaml_value *inherit = yaml_get(yaml_get(value, "inherit"), "default");
    bool muted = reading->doc.muted;

    for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
        const char *name = shared[i].name;
        const struct yaml_value *own = yaml_get(value, name), *taken = NULL;

        if (own) {
            ci_job_read_shared(reading, job->name, name, own, job);
            continue;
        }
        if (inherits(inherit, name))
            taken = yaml_get(yaml_get(reading->top, "default"), name);
        if (!taken && shared[i].top && inherits(inherit, name))
            taken = yaml_get(reading->top, name);
        reading->doc.muted = !reading->doc.exhausted;
        if (taken)
            ci_job_read_shared(reading, job->name, name, taken, job);
        reading->doc.muted = muted && !reading->doc.exhausted;
    }
}

static void read_stage(struct ci_reading *reading, const struct yaml_value *value,
                       const struct yaml_value *place, struct ci_job *job)
{
    const struct ci_config *config = reading->config;
    const char *stage = value ? yaml_scalar(value) : STAGE_DEFAULT;

    if (!stage) {
        ci_wrong_kind(reading, job->name, "stage", value, "a string");
        return;
    }
    for (size_t i = 0; i < config->n_stages; i++)
        if (str_eq(config->stages[i], stage)) {
            job->stage = i;
            return;
        }
    yaml_finding(&reading->doc, CONFIG_ERROR, value ? value : place,
                 "job '%s': there is no stage '%s'", job->name, stage);
}

/* When it runs. */

enum { WHEN_NEVER = CI_WHEN_MANUAL + 1, WHEN_DELAYED };

/* A finding and on_success when it is no such word; `never` is one in rules only. */
static int when_of(struct ci_reading *reading, const struct ci_job *job,
                   const struct yaml_value *value, bool rule)
{
    static const char *const words[] = {
        [CI_WHEN_ON_SUCCESS] = "on_success",
        [CI_WHEN_ON_FAILURE] = "on_failure",
        [CI_WHEN_ALWAYS] = "always",
        [CI_WHEN_MANUAL] = "manual",
        [WHEN_NEVER] = "never",
        [WHEN_DELAYED] = "delayed",
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(value->text, words[i]) && (rule || i != WHEN_NEVER))
            return (int) i;
    ci_wrong_kind(reading, job->name, "when", value,
                  rule ? "on_success, on_failure, always, manual, delayed or never"
                       : "on_success, on_failure, always, manual or delayed");
    return CI_WHEN_ON_SUCCESS;
}

/* False when the job is not in the pipeline. A person who names a job decides when it runs. */
static bool settle_when(struct ci_reading *reading, const struct yaml_value *place, int when,
                        struct ci_job *job)
{
    if (reading->named) {
        job->when = when == CI_WHEN_ON_FAILURE || when == CI_WHEN_ALWAYS ? CI_WHEN_ALWAYS
                                                                         : CI_WHEN_ON_SUCCESS;
        return true;
    }
    if (when == WHEN_DELAYED)
        yaml_finding(&reading->doc, CONFIG_WARNING, place,
                     "job '%s': 'delayed' is not supported, ignoring: it starts without delay",
                     job->name);
    job->when = when <= CI_WHEN_MANUAL ? (enum ci_when) when : CI_WHEN_ON_SUCCESS;
    return when != WHEN_NEVER;
}

/* Applies the rule that holds; false when there is none. */
static bool apply_rules(struct ci_reading *reading, const struct yaml_value *value,
                        const struct yaml_value *rules, const struct ci_scope *scope,
                        struct ci_job *job, struct ci_links *links)
{
    const struct yaml_value *rule = ci_rules_match(reading, CI_PLACE_RULE, job->name, rules, scope);
    const struct yaml_value *when = yaml_get(rule, "when");

    if (!when)
        when = yaml_get(value, "when");
    if (yaml_get(rule, "allow_failure"))
        read_allow_failure(reading, yaml_get(rule, "allow_failure"), job);
    if (yaml_get(rule, "variables"))
        ci_read_variables(reading, job->name, yaml_get(rule, "variables"), &job->variables);
    if (yaml_get(rule, "needs"))
        links->needs = yaml_get(rule, "needs");
    if (!rule)
        return settle_when(reading, rules, WHEN_NEVER, job);
    return settle_when(reading, when,
                       when ? when_of(reading, job, when, when == yaml_get(rule, "when"))
                            : CI_WHEN_ON_SUCCESS,
                       job);
}

/* False when the job is not in the pipeline. */
static bool decide_within(struct ci_reading *reading, const struct yaml_value *value,
                          const struct ci_scope *scope, struct ci_job *job, struct ci_links *links)
{
    const struct yaml_value *rules = yaml_get(value, "rules"), *when = yaml_get(value, "when");
    const struct yaml_value *only = yaml_get(value, "only"), *except = yaml_get(value, "except");
    int word;

    if (rules && (only || except))
        yaml_finding(&reading->doc, CONFIG_ERROR, only ? only : except,
                     "job '%s' has 'rules', beside which 'only' and 'except' can't stand",
                     job->name);
    if (rules)
        return apply_rules(reading, value, rules, scope, job, links);
    word = when ? when_of(reading, job, when, false) : CI_WHEN_ON_SUCCESS;
    /* Outside of rules nobody waits for what a person may start. */
    if (word == CI_WHEN_MANUAL && !yaml_get(value, "allow_failure"))
        job->allow_failure = true;
    if ((only || except) && !ci_only_admits(reading, job->name, only, except, scope))
        word = WHEN_NEVER;
    return settle_when(reading, when, word, job);
}

static bool decide(struct ci_reading *reading, const struct yaml_value *value, struct ci_job *job,
                   struct ci_links *links)
{
    const struct ci_config *config = reading->config;
    struct ci_variables predefined = { 0 };
    const struct ci_scope scope = {
        .lists = { reading->context ? &reading->context->variables : NULL, &predefined,
                   &config->variables, &job->variables },
        .job = job,
        .global = &config->variables,
    };
    bool admitted;

    if (predefined_of_job(config->stages[job->stage], job, 0, &predefined) < 0)
        reading->doc.out_of_memory = true;
    admitted = decide_within(reading, value, &scope, job, links);
    ci_variables_done(&predefined);
    return admitted;
}

/* One job. */

static void check_script(struct ci_reading *reading, const struct yaml_pair *pair,
                         const struct ci_job *job, bool good)
{
    const struct yaml_value *script = yaml_get(pair->value, "script");
    const struct yaml_pair *written = yaml_map_find(&pair->value->map, "script");

    if (!script && written)
        ci_wrong_kind(reading, pair->key, "script", written->value,
                      "a string or a list of strings");
    else if (!script && !yaml_get(pair->value, "trigger") && !yaml_get(pair->value, "run"))
        yaml_finding(&reading->doc, CONFIG_ERROR, pair->place, "job '%s' has no 'script'",
                     pair->key);
    else if (script && job->script.count == 0 && good)
        yaml_finding(&reading->doc, CONFIG_ERROR, script, "job '%s': 'script' is empty", pair->key);
}

/* False when the job is not in the pipeline. */
static bool read_keywords(struct ci_reading *reading, const struct yaml_pair *pair,
                          const struct ci_instance *instance, struct ci_job *job,
                          struct ci_links *links)
{
    const struct yaml_value *value = pair->value;
    const struct yaml_value *script = yaml_get(value, "script");
    const struct yaml_value *variables = yaml_get(value, "variables");
    const struct yaml_value *allow_failure = yaml_get(value, "allow_failure");
    unsigned before = reading->doc.n_errors;

    read_stage(reading, yaml_get(value, "stage"), pair->place, job);
    take_shared(reading, value, job);
    if (script)
        ci_read_lines(reading, job->name, "script", script, &job->script);
    check_script(reading, pair, job, before == reading->doc.n_errors);
    read_inherit(reading, yaml_get(value, "inherit"), job);
    if (variables)
        ci_read_variables(reading, job->name, variables, &job->variables);
    ci_copy_variables(reading, &job->variables, &instance->variables);
    if (allow_failure)
        read_allow_failure(reading, allow_failure, job);
    *links = (struct ci_links) { yaml_get(value, "needs"), yaml_get(value, "dependencies") };
    return decide(reading, value, job, links);
}

static void add_job(struct ci_reading *reading, const struct yaml_pair *pair,
                    const struct ci_instance *instance)
{
    struct ci_config *config = reading->config;
    size_t count = config->n_jobs + 1;
    struct ci_job *jobs = mem_resize(config->jobs, count, sizeof(*jobs));
    struct ci_links *links = mem_resize(reading->links, count, sizeof(*links));
    struct ci_job job = { .name = mem_strdup(instance->name),
                          .base = mem_strdup(pair->key),
                          .place = mem_printf("%s:%d", pair->place->file, pair->place->line),
                          .node_index = instance->index,
                          .node_total = instance->total };

    if (config->n_jobs >= JOBS_MAX) {
        yaml_exhaust(&reading->doc);
        yaml_finding(&reading->doc, CONFIG_ERROR, pair->place, "there are more than %d jobs",
                     JOBS_MAX);
    }
    if (jobs)
        config->jobs = jobs;
    if (links)
        reading->links = links;
    if (!jobs || !links || !job.name || !job.base || !job.place)
        reading->doc.out_of_memory = true;
    else if (!reading->doc.exhausted &&
             read_keywords(reading, pair, instance, &job, &links[count - 1])) {
        jobs[config->n_jobs++] = job;
        return;
    }
    ci_job_done(&job);
}

void ci_job_read(struct ci_reading *reading, const struct yaml_pair *pair)
{
    struct yaml_doc *doc = &reading->doc;
    struct ci_instances instances;
    size_t first_finding;

    if (strlen(pair->key) > NAME_MAX_BYTES || !*pair->key) {
        yaml_finding(doc, CONFIG_ERROR, pair->place, "the name of a job has 1 to %d bytes",
                     NAME_MAX_BYTES);
        return;
    }
    if (pair->value->kind != YAML_KIND_MAPPING) {
        yaml_finding(doc, CONFIG_ERROR, pair->value,
                     "'%s' is no keyword, and as a job it must be a mapping with a 'script', not "
                     "%s",
                     pair->key, yaml_kind_name(pair->value->kind));
        return;
    }
    for (size_t i = 0; i < pair->value->map.count && yaml_visit(doc, pair->value); i++)
        (void) ci_keyword_known(reading, CI_PLACE_JOB, pair->key, &pair->value->map.items[i]);
    ci_matrix_read(reading, pair->key, yaml_get(pair->value, "parallel"), &instances);
    first_finding = doc->findings->count;
    for (size_t i = 0; i < instances.count && !doc->exhausted; i++) {
        add_job(reading, pair, &instances.items[i]);
        doc->once_from = first_finding; /* mostly the same is wrong with the others */
    }
    doc->once_from = SIZE_MAX;
    ci_instances_done(&instances);
}
