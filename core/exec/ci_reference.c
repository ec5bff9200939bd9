/* core/exec/ci_reference.c - a walk over all values that have tags; what a reference names may have
 * references, too. Before `extends` is merged, as GitLab does it. */
#include "core/exec/ci_reference.h"

#include "core/base/str.h"
#include "core/exec/ci_yaml.h"

#define LEVELS_MAX 10 /* as GitLab's */

static const struct yaml_value *resolve(struct ci_reading *reading, const struct yaml_value *value,
                                        int level);

static void add_path(struct buf *out, const struct yaml_value *reference)
{
    buf_add_str(out, "!reference [");
    for (size_t i = 0; i < reference->n_items; i++)
        buf_addf(out, "%s%s", i > 0 ? ", " : "", reference->items[i]->text);
    buf_add_char(out, ']');
}

/* NULL after a finding. */
static const struct yaml_value *find(struct ci_reading *reading, const struct yaml_value *reference)
{
    const struct yaml_value *at = reading->top;
    autobuf struct buf path = BUF_INIT;

    for (size_t i = 0; i < reference->n_items; i++)
        if (!reference->items[i]->text)
            at = NULL;
    if (!at || reference->n_items == 0) {
        yaml_finding(&reading->doc, CONFIG_ERROR, reference,
                     "!reference takes a list of names: a job and a keyword of it");
        return NULL;
    }
    for (size_t i = 0; i < reference->n_items; i++) {
        const char *name = reference->items[i]->text;

        at = yaml_get(at, name);
        if (!at) {
            add_path(&path, reference);
            yaml_finding(&reading->doc, CONFIG_ERROR, reference,
                         "%s names nothing: there is no '%s'", buf_str(&path), name);
            return NULL;
        }
    }
    return at;
}

static const struct yaml_value *follow(struct ci_reading *reading,
                                       const struct yaml_value *reference, int level)
{
    const struct yaml_value *found = find(reading, reference);
    struct yaml_value *nothing = yaml_new(&reading->doc, reference, YAML_KIND_SEQUENCE);

    if (found && level >= LEVELS_MAX) {
        yaml_finding(&reading->doc, CONFIG_ERROR, reference,
                     "references go over more than %d levels, or in a circle", LEVELS_MAX);
        found = NULL;
    }
    if (found)
        return resolve(reading, found, level + 1);
    return nothing ? nothing : reference;
}

static const struct yaml_value *resolve(struct ci_reading *reading, const struct yaml_value *value,
                                        int level)
{
    struct yaml_doc *doc = &reading->doc;
    struct yaml_value *copy;

    if (!value->has_tags || !yaml_visit(doc, value))
        return value;
    if (value->kind == YAML_KIND_TAGGED)
        return str_eq(value->tag, "!reference") ? follow(reading, value, level) : value;
    copy = yaml_new(doc, value, value->kind);
    if (!copy)
        return value;
    for (size_t i = 0; i < value->n_items && !doc->exhausted; i++)
        yaml_add_item(doc, copy, resolve(reading, value->items[i], level));
    for (size_t i = 0; i < value->map.count && !doc->exhausted; i++) {
        struct yaml_pair pair = value->map.items[i];

        pair.value = resolve(reading, pair.value, level);
        yaml_put(doc, copy, &pair);
    }
    return copy;
}

void ci_reference_resolve(struct ci_reading *reading)
{
    struct yaml_doc *doc = &reading->doc;
    struct yaml_value *top;

    if (!reading->top->has_tags)
        return;
    top = yaml_new(doc, reading->top, YAML_KIND_MAPPING);
    for (size_t i = 0; top && i < reading->top->map.count && !doc->exhausted; i++) {
        struct yaml_pair pair = reading->top->map.items[i];

        doc->muted = !ci_yaml_heard(reading, pair.key);
        pair.value = resolve(reading, pair.value, 0);
        doc->muted = false;
        yaml_put(doc, top, &pair);
    }
    if (top)
        reading->top = top;
}
