/* core/exec/ci_rules.c - one rule after the other, each condition of it, until one holds.
 *
 * A condition that can't be decided is a finding and ends the search: what would run is unknown. */
#include "core/exec/ci_rules.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/glob.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define NESTING_MAX 10
#define PATTERNS_MAX 50 /* of one condition, as GitLab's */

/* rules:if */

struct names {
    const struct ci_scope *scope;
    struct ci_lines values; /* kept until the expression is decided */
    bool out_of_memory;
};

static const char *look_up(void *arg, const char *name)
{
    struct names *names = arg;
    autobuf struct buf value = BUF_INIT;

    if (!ci_scope_value(&value, names->scope, name))
        return NULL;
    if (buf_error(&value) || ci_lines_add(&names->values, buf_str(&value)) < 0) {
        names->out_of_memory = true;
        return NULL;
    }
    return names->values.items[names->values.count - 1];
}

int ci_rules_if(struct ci_reading *reading, const char *job, const struct yaml_value *condition,
                const struct ci_scope *scope)
{
    struct names names = { .scope = scope };
    autobuf struct buf subject = BUF_INIT;
    struct error why = { 0 };
    int r;

    if (condition->kind != YAML_KIND_STRING) {
        ci_wrong_kind(reading, job, "if", condition, "a string with an expression");
        return -EINVAL;
    }
    r = ci_expression_evaluate(condition->text, look_up, &names, &why);
    ci_lines_done(&names.values);
    if (names.out_of_memory || r == -ENOMEM)
        reading->doc.out_of_memory = true;
    else if (r < 0)
        yaml_finding(&reading->doc, CONFIG_ERROR, condition, "%s can't be evaluated: %s",
                     ci_subject(&subject, job, "if"), why.message);
    return r;
}

/* rules:changes and rules:exists */

static bool any_matches(const struct ci_lines *patterns, const struct ci_lines *paths)
{
    for (size_t i = 0; i < patterns->count; i++)
        for (size_t k = 0; k < paths->count; k++)
            if (glob_match(patterns->items[i], paths->items[k], GLOB_FOLDERS))
                return true;
    return false;
}

/* The patterns of a list, or those of `paths` in the long form; expanded, without a first slash. */
static int read_patterns(struct ci_reading *reading, const char *job, const char *keyword,
                         const struct yaml_value *value, const struct ci_scope *scope,
                         struct ci_lines *ret)
{
    bool mapping = value->kind == YAML_KIND_MAPPING;
    const struct yaml_value *paths = mapping ? yaml_get(value, "paths") : value;
    struct ci_lines written = { 0 };

    if (!paths) {
        ci_wrong_kind(reading, job, keyword, value, "a list of paths or a mapping with 'paths'");
        return -EINVAL;
    }
    ci_read_lines(reading, job, keyword, paths, &written);
    if (written.count > PATTERNS_MAX)
        yaml_finding(&reading->doc, CONFIG_ERROR, paths, "'%s' has more than %d paths", keyword,
                     PATTERNS_MAX);
    for (size_t i = 0; i < written.count; i++) {
        autobuf struct buf pattern = BUF_INIT;

        ci_expand(&pattern, scope, written.items[i]);
        reading->doc.out_of_memory |= buf_error(&pattern) != 0;
        ci_append(reading, ret, buf_str(&pattern) + (*buf_str(&pattern) == '/'));
    }
    ci_lines_done(&written);
    return ret->count > PATTERNS_MAX ? -EINVAL : 0;
}

static int find_changes(struct ci_reading *reading, const char *job,
                        const struct yaml_value *changes, const struct ci_scope *scope,
                        struct ci_lines *ret)
{
    const struct ci_context *context = reading->context;
    const struct yaml_value *since = yaml_get(changes, "compare_to");
    autobuf struct buf name = BUF_INIT, subject = BUF_INIT;
    struct error why = { 0 };
    int r;

    if (since && !yaml_scalar(since)) {
        ci_wrong_kind(reading, job, "compare_to", since, "a branch, a tag or a commit");
        return -EINVAL;
    }
    if (since)
        ci_expand(&name, scope, yaml_scalar(since));
    reading->doc.out_of_memory |= buf_error(&name) != 0;
    if (!context || !context->changes)
        return 1;
    r = context->changes(context->arg, since ? buf_str(&name) : NULL, ret, &why);
    if (r < 0)
        yaml_finding(&reading->doc, CONFIG_ERROR, since ? since : changes,
                     "%s can't be decided: %s", ci_subject(&subject, job, "changes"), why.message);
    return r;
}

int ci_rules_changes(struct ci_reading *reading, const char *job, const struct yaml_value *changes,
                     const struct ci_scope *scope)
{
    struct ci_lines patterns = { 0 }, paths = { 0 };
    int r = read_patterns(reading, job, "changes", changes, scope, &patterns);

    if (r == 0)
        r = find_changes(reading, job, changes, scope, &paths);
    if (r == 0)
        r = any_matches(&patterns, &paths);
    ci_lines_done(&patterns);
    ci_lines_done(&paths);
    return r;
}

static int exists(struct ci_reading *reading, const char *job, const struct yaml_value *value,
                  const struct ci_scope *scope)
{
    static const struct ci_lines none = { 0 };
    struct ci_lines patterns = { 0 };
    autobuf struct buf subject = BUF_INIT;
    int r;

    if (yaml_get(value, "project")) {
        yaml_finding(&reading->doc, CONFIG_ERROR, yaml_get(value, "project"),
                     "%s with 'project' is not supported: no other project is known here",
                     ci_subject(&subject, job, "exists"));
        return -EINVAL;
    }
    r = read_patterns(reading, job, "exists", value, scope, &patterns);
    if (r == 0)
        r = any_matches(&patterns, reading->context ? &reading->context->files : &none);
    ci_lines_done(&patterns);
    return r;
}

/* Rules. */

/* All conditions hold: 1, 0, or negative. */
static int holds(struct ci_reading *reading, const char *job, const struct yaml_value *rule,
                 const struct ci_scope *scope)
{
    static const struct {
        const char *keyword;
        int (*decide)(struct ci_reading *, const char *, const struct yaml_value *,
                      const struct ci_scope *);
    } conditions[] = {
        { "if", ci_rules_if },
        { "changes", ci_rules_changes },
        { "exists", exists },
    };
    int r = 1;

    for (size_t i = 0; i < ARRAY_LEN(conditions) && r > 0; i++) {
        const struct yaml_value *value = yaml_get(rule, conditions[i].keyword);

        if (value)
            r = conditions[i].decide(reading, job, value, scope);
    }
    return r;
}

/* Positive when *ret is found, negative when the search is over without one. */
static int search(struct ci_reading *reading, enum ci_place place, const char *job,
                  const struct yaml_value *rules, const struct ci_scope *scope, int depth,
                  const struct yaml_value **ret)
{
    int r = 0;

    if (!yaml_visit(&reading->doc, rules))
        return -EINVAL;
    if (rules->kind == YAML_KIND_SEQUENCE && depth < NESTING_MAX) {
        for (size_t i = 0; i < rules->n_items && r == 0; i++)
            r = search(reading, place, job, rules->items[i], scope, depth + 1, ret);
        return r;
    }
    if (rules->kind != YAML_KIND_MAPPING || depth == 0) {
        ci_wrong_kind(reading, job, "rules", rules, "a list of mappings");
        return -EINVAL;
    }
    for (size_t i = 0; i < rules->map.count; i++)
        (void) ci_keyword_known(reading, place, job, &rules->map.items[i]);
    r = holds(reading, job, rules, scope);
    if (r > 0)
        *ret = rules;
    return r;
}

const struct yaml_value *ci_rules_match(struct ci_reading *reading, enum ci_place place,
                                        const char *job, const struct yaml_value *rules,
                                        const struct ci_scope *scope)
{
    const struct yaml_value *found = NULL;

    (void) search(reading, place, job, rules, scope, 0, &found);
    return found;
}
