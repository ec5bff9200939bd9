/* core/exec/ci_only.c - refs, variables and changes: of `only` all that are written must hold, of
 * `except` one is enough. */
#include "core/exec/ci_only.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_regex.h"
#include "core/exec/ci_rules.h"

static const char *variable(const struct ci_scope *scope, const char *name)
{
    const struct ci_variable *found = ci_scope_find(scope, name);

    return found ? found->value : "";
}

/* A kind of pipeline; -1 when the word is none. */
static int is_kind(const struct ci_scope *scope, const char *word)
{
    static const struct {
        const char *word, *source;
    } sources[] = {
        { "pushes", "push" },
        { "web", "web" },
        { "api", "api" },
        { "chat", "chat" },
        { "external", "external" },
        { "external_pull_requests", "external_pull_request_event" },
        { "merge_requests", "merge_request_event" },
        { "pipelines", "pipeline" },
        { "schedules", "schedule" },
        { "triggers", "trigger" },
    };

    if (str_eq(word, "branches"))
        return !str_empty(variable(scope, "CI_COMMIT_BRANCH"));
    if (str_eq(word, "tags"))
        return !str_empty(variable(scope, "CI_COMMIT_TAG"));
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (str_eq(word, sources[i].word))
            return str_eq(sources[i].source, variable(scope, "CI_PIPELINE_SOURCE"));
    return -1;
}

/* A name or /re/, with the @project that GitLab allows behind both. */
static int ref_matches(const struct ci_scope *scope, const char *word, struct error *err)
{
    const char *slash = strrchr(word, '/');
    const char *at = strchr(*word == '/' && slash ? slash : word, '@');
    autofree char *name = at ? mem_strndup(word, (size_t) (at - word)) : mem_strdup(word);
    int kind = name ? is_kind(scope, name) : -1;

    if (!name)
        return error_set(err, -ENOMEM, "out of memory");
    if (at && !str_eq(at + 1, variable(scope, "CI_PROJECT_PATH")))
        return 0;
    if (kind >= 0)
        return kind;
    if (*name == '/')
        return ci_regex_match(name, variable(scope, "CI_COMMIT_REF_NAME"), err);
    return str_eq(name, variable(scope, "CI_COMMIT_REF_NAME"));
}

static int any_ref(struct ci_reading *reading, const char *job, const char *keyword,
                   const struct yaml_value *value, const struct ci_scope *scope)
{
    struct ci_lines words = { 0 };
    autobuf struct buf subject = BUF_INIT;
    struct error why = { 0 };
    int r = 0;

    ci_read_lines(reading, job, keyword, value, &words);
    for (size_t i = 0; i < words.count && r == 0; i++)
        r = ref_matches(scope, words.items[i], &why);
    reading->doc.out_of_memory |= r == -ENOMEM;
    if (r < 0)
        yaml_finding(&reading->doc, CONFIG_ERROR, value, "%s can't be decided: %s",
                     ci_subject(&subject, job, keyword), why.message);
    ci_lines_done(&words);
    return r > 0;
}

static int any_expression(struct ci_reading *reading, const char *job,
                          const struct yaml_value *value, const struct ci_scope *scope)
{
    int r = 0;

    if (value->kind != YAML_KIND_SEQUENCE)
        return ci_rules_if(reading, job, value, scope) > 0;
    for (size_t i = 0; i < value->n_items && r == 0; i++)
        r = ci_rules_if(reading, job, value->items[i], scope);
    return r > 0;
}

/* How many of the parts of `only` or `except` there are, and how many of them hold. */
static void count(struct ci_reading *reading, const char *job, const char *keyword,
                  const struct yaml_value *value, const struct ci_scope *scope, unsigned *ret_parts,
                  unsigned *ret_hold)
{
    *ret_parts = *ret_hold = 0;
    if (value->kind != YAML_KIND_MAPPING) {
        *ret_parts = 1;
        *ret_hold = (unsigned) any_ref(reading, job, keyword, value, scope);
        return;
    }
    for (size_t i = 0; i < value->map.count; i++) {
        const struct yaml_pair *part = &value->map.items[i];
        bool hold = false;

        if (str_eq(part->key, "refs"))
            hold = any_ref(reading, job, part->key, part->value, scope);
        else if (str_eq(part->key, "variables"))
            hold = any_expression(reading, job, part->value, scope);
        else if (str_eq(part->key, "changes"))
            hold = ci_rules_changes(reading, job, part->value, scope) > 0;
        else
            yaml_finding(&reading->doc, CONFIG_ERROR, part->place,
                         "job '%s': '%s' with '%s' is not supported, only refs, variables and "
                         "changes are",
                         job, keyword, part->key);
        ++*ret_parts;
        *ret_hold += hold;
    }
}

bool ci_only_admits(struct ci_reading *reading, const char *job, const struct yaml_value *only,
                    const struct yaml_value *except, const struct ci_scope *scope)
{
    unsigned parts = 0, hold = 0;
    bool admitted = true;

    if (only) {
        count(reading, job, "only", only, scope, &parts, &hold);
        admitted = hold == parts;
    }
    if (except) {
        count(reading, job, "except", except, scope, &parts, &hold);
        admitted = admitted && hold == 0;
    }
    return admitted;
}
