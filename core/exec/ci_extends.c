/* core/exec/ci_extends.c - a job over the jobs that it extends: mappings are merged key by key, later
 * bases win over earlier ones and the job over all (GitLab's reverse deep merge). */
#include "core/exec/ci_extends.h"

#include "core/base/str.h"
#include "core/exec/ci_yaml.h"

#define LEVELS_MAX 10 /* as GitLab's */

struct resolving {
    struct ci_reading *reading;
    struct yaml_value *top;
};

static const struct yaml_value *resolve(struct resolving *resolving, const struct yaml_pair *pair,
                                        int level);

/* `name` of the `extends` at `place`, resolved; NULL after a finding. */
static const struct yaml_value *base_of(struct resolving *resolving, const struct yaml_pair *pair,
                                        const struct yaml_value *place, int level)
{
    struct yaml_doc *doc = &resolving->reading->doc;
    const struct yaml_pair *base = NULL;

    if (place->kind != YAML_KIND_STRING)
        ci_wrong_kind(resolving->reading, pair->key, "extends", place,
                      "the name of a job or a list of them");
    else if (!(base = yaml_map_find(&resolving->top->map, place->text)))
        yaml_finding(doc, CONFIG_ERROR, place, "job '%s' extends '%s', and there is no such job",
                     pair->key, place->text);
    else if (base->value->kind != YAML_KIND_MAPPING)
        yaml_finding(doc, CONFIG_ERROR, place, "job '%s' extends '%s', which is %s and no job",
                     pair->key, place->text, yaml_kind_name(base->value->kind));
    else if (level >= LEVELS_MAX)
        yaml_finding(doc, CONFIG_ERROR, place,
                     "'extends' goes over more than %d levels, or in a circle: '%s' extends '%s'",
                     LEVELS_MAX, pair->key, place->text);
    else
        return resolve(resolving, base, level + 1);
    return NULL;
}

static struct yaml_value *without_extends(struct yaml_doc *doc, const struct yaml_value *job)
{
    struct yaml_value *copy = yaml_new(doc, job, YAML_KIND_MAPPING);

    for (size_t i = 0; copy && i < job->map.count && yaml_visit(doc, job); i++)
        if (!str_eq(job->map.items[i].key, "extends"))
            yaml_put(doc, copy, &job->map.items[i]);
    return copy;
}

static const struct yaml_value *resolve(struct resolving *resolving, const struct yaml_pair *pair,
                                        int level)
{
    struct yaml_doc *doc = &resolving->reading->doc;
    const struct yaml_value *extends = yaml_get(pair->value, "extends"), *merged = NULL, *own;
    bool list = extends && extends->kind == YAML_KIND_SEQUENCE;
    size_t count = list ? extends->n_items : 1;
    struct yaml_pair resolved = *pair;

    if (!extends || !yaml_visit(doc, pair->value))
        return pair->value;
    for (size_t i = 0; i < count && !doc->exhausted; i++) {
        const struct yaml_value *base =
            base_of(resolving, pair, list ? extends->items[i] : extends, level);

        if (!base)
            break;
        merged = merged ? yaml_merge(doc, merged, base) : base;
    }
    own = without_extends(doc, pair->value);
    if (!own)
        return pair->value;
    resolved.value = merged ? yaml_merge(doc, merged, own) : own;
    yaml_put(doc, resolving->top, &resolved);
    return resolved.value;
}

void ci_extends_resolve(struct ci_reading *reading)
{
    struct yaml_doc *doc = &reading->doc;
    struct resolving resolving = { reading, yaml_new(doc, reading->top, YAML_KIND_MAPPING) };

    if (!resolving.top)
        return;
    for (size_t i = 0; i < reading->top->map.count; i++)
        yaml_put(doc, resolving.top, &reading->top->map.items[i]);
    /* What is merged once stays merged, so those that are heard are first. */
    for (int heard = 1; heard >= 0; heard--)
        for (size_t i = 0; i < reading->top->map.count && !doc->exhausted; i++) {
            const struct yaml_pair *pair =
                yaml_map_find(&resolving.top->map, reading->top->map.items[i].key);

            doc->muted = !ci_yaml_heard(reading, pair->key);
            if (doc->muted != heard)
                (void) resolve(&resolving,
                               &(struct yaml_pair) { pair->key, pair->place, pair->value }, 0);
        }
    doc->muted = false;
    reading->top = resolving.top;
}
