/* core/exec/ci_yaml.c - a file as a whole: what it includes, refers to and extends is put together,
 * then stages, variables, defaults and jobs are read (ci_job.c).
 *
 * One reading names everything that is wrong: a finding never ends the walk. Circles of needs are
 * pipeline.c's. */
#include "core/exec/ci_yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_extends.h"
#include "core/exec/ci_include.h"
#include "core/exec/ci_job.h"
#include "core/exec/ci_needs.h"
#include "core/exec/ci_reading.h"
#include "core/exec/ci_reference.h"
#include "core/exec/ci_rules.h"
#include "core/exec/ci_variables.h"

void ci_context_done(struct ci_context *context)
{
    ci_variables_done(&context->variables);
    ci_lines_done(&context->files);
}

static bool is_job(const char *key)
{
    return !str_starts(key, ".") && !ci_keyword_find(CI_PLACE_TOP, key);
}

/* "test", or "test 1/3" and "test: [a]", which are jobs of a parallel "test". */
static bool is_named(const char *name, const char *key)
{
    size_t len = strlen(key);

    return strncmp(name, key, len) == 0 &&
           (!name[len] || name[len] == ' ' || str_starts(name + len, ": "));
}

bool ci_yaml_heard(const struct ci_reading *reading, const char *key)
{
    for (size_t i = 0; reading->named && i < reading->selection->count; i++)
        if (is_named(reading->selection->names[i], key))
            return true;
    return !reading->named;
}

/* Whoever mistypes a name wants to hear that, not what is wrong with all the other jobs. */
static int check_names(const struct ci_reading *reading, struct error *err)
{
    for (size_t i = 0; reading->named && i < reading->selection->count; i++) {
        const char *name = reading->selection->names[i];
        bool found = false;

        for (size_t k = 0; k < reading->top->map.count; k++)
            found = found || (is_job(reading->top->map.items[k].key) &&
                              is_named(name, reading->top->map.items[k].key));
        if (!found)
            return error_set(err, -EINVAL, "%s: there is no job '%s' in the file",
                             reading->doc.file, name);
    }
    return 0;
}

/* The same for "test 9/3". */
static int check_selection(const struct ci_reading *reading, struct error *err)
{
    for (size_t i = 0; reading->named && i < reading->selection->count; i++) {
        const struct ci_selection one = { &reading->selection->names[i], 1 };
        bool found = false;

        for (size_t k = 0; k < reading->config->n_jobs; k++)
            found = found || ci_selects(&one, &reading->config->jobs[k]);
        if (!found)
            return error_set(err, -EINVAL, "%s: there is no job '%s' in the file",
                             reading->doc.file, one.names[0]);
    }
    return 0;
}

static void add_stage(struct ci_reading *reading, const char *name)
{
    struct ci_lines stages = { reading->config->stages, reading->config->n_stages };

    ci_append(reading, &stages, name);
    reading->config->stages = stages.items;
    reading->config->n_stages = stages.count;
}

static void read_stages(struct ci_reading *reading)
{
    static const char *const defaults[] = { "build", "test", "deploy" };
    const struct yaml_value *value = yaml_get(reading->top, "stages");
    struct ci_lines named = { 0 };

    if (value && value->kind != YAML_KIND_SEQUENCE)
        ci_wrong_kind(reading, NULL, "stages", value, "a list of names");
    else if (value)
        ci_read_lines(reading, NULL, "stages", value, &named);
    add_stage(reading, ".pre");
    for (size_t i = 0; named.count == 0 && i < ARRAY_LEN(defaults); i++)
        add_stage(reading, defaults[i]);
    for (size_t i = 0; i < named.count; i++)
        if (!str_eq(named.items[i], ".pre") && !str_eq(named.items[i], ".post"))
            add_stage(reading, named.items[i]);
    add_stage(reading, ".post");
    ci_lines_done(&named);
}

/* Only to be told of what is wrong with them: jobs take them from the tree. */
static void check_defaults(struct ci_reading *reading)
{
    const struct yaml_value *value = yaml_get(reading->top, "default");
    struct ci_job unused = { 0 };

    if (value && value->kind != YAML_KIND_MAPPING)
        ci_wrong_kind(reading, NULL, "default", value, "a mapping");
    for (size_t i = 0; value && i < value->map.count; i++) {
        const struct yaml_pair *pair = &value->map.items[i];

        if (ci_keyword_known(reading, CI_PLACE_DEFAULT, NULL, pair) &&
            pair->value->kind != YAML_KIND_NULL)
            ci_job_read_shared(reading, NULL, pair->key, pair->value, &unused);
    }
    for (size_t i = 0; i < reading->top->map.count; i++) {
        const struct yaml_pair *pair = &reading->top->map.items[i];

        if (!is_job(pair->key) && !str_starts(pair->key, ".") &&
            ci_keyword_known(reading, CI_PLACE_TOP, NULL, pair) &&
            pair->value->kind != YAML_KIND_NULL)
            ci_job_read_shared(reading, NULL, pair->key, pair->value, &unused);
    }
    ci_job_done(&unused);
}

/* Whether there is a pipeline; a person who names jobs wants one. */
static void read_workflow(struct ci_reading *reading)
{
    const struct yaml_value *workflow = yaml_get(reading->top, "workflow"), *rule, *when;
    const struct yaml_value *rules = yaml_get(workflow, "rules");
    const struct ci_scope scope = {
        .lists = { reading->context ? &reading->context->variables : NULL,
                   &reading->config->variables },
    };

    if (workflow && workflow->kind != YAML_KIND_MAPPING)
        ci_wrong_kind(reading, NULL, "workflow", workflow, "a mapping");
    for (size_t i = 0; workflow && i < workflow->map.count; i++)
        (void) ci_keyword_known(reading, CI_PLACE_WORKFLOW, NULL, &workflow->map.items[i]);
    if (!rules)
        return;
    rule = ci_rules_match(reading, CI_PLACE_WORKFLOW_RULE, NULL, rules, &scope);
    when = yaml_get(rule, "when");
    if (when && !str_eq(when->text, "always") && !str_eq(when->text, "never"))
        ci_wrong_kind(reading, NULL, "when", when, "always or never in 'workflow'");
    if (yaml_get(rule, "variables"))
        ci_read_variables(reading, NULL, yaml_get(rule, "variables"), &reading->config->variables);
    reading->config->never = !reading->named && (!rule || (when && str_eq(when->text, "never")));
}

static void read_jobs(struct ci_reading *reading)
{
    const struct yaml_map *top = &reading->top->map;
    bool any = false;

    for (size_t i = 0; i < top->count && !reading->doc.exhausted; i++) {
        if (!is_job(top->items[i].key))
            continue;
        any = true;
        reading->doc.muted = !ci_yaml_heard(reading, top->items[i].key);
        ci_job_read(reading, &top->items[i]);
        reading->doc.muted = false;
    }
    if (!any && !reading->doc.exhausted)
        yaml_finding(&reading->doc, CONFIG_ERROR, reading->top, "there is no job in this file");
    ci_needs_resolve(reading);
}

static int read_file(struct ci_reading *reading, struct error *err)
{
    const struct yaml_value *variables;
    int r = check_names(reading, err);

    if (r < 0)
        return r;
    ci_reference_resolve(reading);
    if (!reading->doc.exhausted)
        ci_extends_resolve(reading);
    read_stages(reading);
    variables = yaml_get(reading->top, "variables");
    if (variables)
        ci_read_variables(reading, NULL, variables, &reading->config->variables);
    check_defaults(reading);
    read_workflow(reading);
    read_jobs(reading);
    return reading->doc.n_errors > 0 ? 0 : check_selection(reading, err);
}

static int parse(struct ci_reading *reading, const char *text, size_t len, struct error *err)
{
    struct yaml_doc *doc = &reading->doc;
    const struct yaml_value *root = yaml_doc_load(doc, doc->file, text, len);
    int r = 0;

    if (root && root->kind != YAML_KIND_MAPPING)
        yaml_finding(doc, CONFIG_ERROR, root, "the file must be a mapping of jobs");
    else if (root)
        reading->top = ci_include_resolve(reading, root);
    if (reading->top && !doc->exhausted)
        r = read_file(reading, err);
    if (doc->out_of_memory)
        return error_set(err, -ENOMEM, "%s: out of memory", doc->file);
    if (r == 0 && doc->n_errors > 0)
        return error_set(err, -EINVAL, "%s has %u error%s", doc->file, doc->n_errors,
                         str_plural(doc->n_errors));
    return r;
}

int ci_config_parse(const char *file, const char *text, size_t len,
                    const struct ci_selection *selection, const struct ci_context *context,
                    struct ci_config **ret, struct config_findings *findings, struct error *err)
{
    auto_ptr(ci_config_free) struct ci_config *config = mem_zero(sizeof(*config));
    struct ci_reading reading = { .config = config,
                                  .selection = selection,
                                  .context = context,
                                  .named = selection && selection->count > 0 };
    int r;

    if (!config)
        return error_set(err, -ENOMEM, "%s: out of memory", file);
    yaml_doc_init(&reading.doc, file, findings);
    r = parse(&reading, text, len, err);
    free(reading.links);
    ci_lines_done(&reading.ids);
    ci_variables_done(&reading.commits);
    yaml_doc_done(&reading.doc);
    if (r == 0)
        *ret = take_ptr(config);
    return r;
}
