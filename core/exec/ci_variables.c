/* core/exec/ci_variables.c - variables as they are written, and their expansion within rules.
 *
 * What jobs see is expanded by the runner; here it matters only for what decides about jobs. */
#include "core/exec/ci_variables.h"

#include <string.h>

#include "core/base/str.h"

#define EXPANSION_DEPTH 10
#define EXPANSION_STEPS 1000
#define EXPANSION_MAX ((size_t) 64 << 10)
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define NAME_CHARACTERS LETTERS "0123456789"

static bool name_valid(const char *name)
{
    size_t first = strspn(name, LETTERS);

    return first > 0 && name[first + strspn(name + first, NAME_CHARACTERS)] == '\0';
}

/* {value: …, expand: …, description: …, options: …} */
static const char *read_long_form(struct ci_reading *reading, const struct yaml_pair *pair,
                                  struct ci_variable *ret)
{
    const struct yaml_map *map = &pair->value->map;
    const char *value = NULL;

    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_pair *part = &map->items[i];
        const char *text = yaml_scalar(part->value);

        if (str_eq(part->key, "value"))
            value = text;
        else if (str_eq(part->key, "expand") && part->value->kind == YAML_KIND_BOOL)
            ret->raw = !yaml_truth(part->value);
        else if (str_eq(part->key, "type") && (str_eq(text, "file") || str_eq(text, "env_var")))
            ret->file = str_eq(text, "file");
        else if (!str_eq(part->key, "description") && !str_eq(part->key, "options"))
            yaml_finding(&reading->doc, CONFIG_ERROR, part->place,
                         "variable '%s' has no setting '%s' of that form; there are value, expand, "
                         "description, options and type (file or env_var)",
                         pair->key, part->key);
    }
    if (yaml_map_find(map, "type"))
        yaml_finding(&reading->doc, CONFIG_WARNING, yaml_map_find(map, "type")->place,
                     "variable '%s': GitLab takes 'type' for variables of the project's settings "
                     "alone",
                     pair->key);
    return value;
}

static void add_variable(struct ci_reading *reading, const struct yaml_pair *pair,
                         struct ci_variables *ret)
{
    struct ci_variable variable = { 0 };
    const char *value;

    if (!name_valid(pair->key)) {
        yaml_finding(&reading->doc, CONFIG_ERROR, pair->place,
                     "'%s' can't be the name of a variable; letters, digits and '_' can",
                     pair->key);
        return;
    }
    value = pair->value->kind == YAML_KIND_MAPPING ? read_long_form(reading, pair, &variable)
                                                   : yaml_scalar(pair->value);
    if (!value) {
        yaml_finding(&reading->doc, CONFIG_ERROR, pair->value,
                     "variable '%s' must be a string, a number, true or false, or have a 'value' "
                     "that is one",
                     pair->key);
        return;
    }
    variable.key = (char *) (uintptr_t) pair->key;
    variable.value = (char *) (uintptr_t) value;
    if (ci_variables_set(ret, &variable) < 0)
        reading->doc.out_of_memory = true;
}

void ci_read_variables(struct ci_reading *reading, const char *job, const struct yaml_value *value,
                       struct ci_variables *ret)
{
    if (value->kind != YAML_KIND_MAPPING) {
        ci_wrong_kind(reading, job, "variables", value, "a mapping of names to values");
        return;
    }
    for (size_t i = 0; i < value->map.count && yaml_visit(&reading->doc, value); i++)
        add_variable(reading, &value->map.items[i], ret);
}

const struct ci_variable *ci_scope_find(const struct ci_scope *scope, const char *name)
{
    const struct ci_variable *found = NULL;

    for (size_t i = CI_SCOPE_MAX; i-- > 0 && !found;) {
        const struct ci_variables *list = scope->lists[i];

        if (list && (list != scope->global || !scope->job || ci_job_inherits(scope->job, name)))
            found = ci_variables_find(list, name);
    }
    return found;
}

/* One expansion; variables that name each other would go on for ever without the count. */
struct expansion {
    struct buf *out;
    const struct ci_scope *scope;
    unsigned steps;
};

static void expand(struct expansion *expansion, const char *text, int depth);

static bool add_value(struct expansion *expansion, const char *name, int depth)
{
    const struct ci_variable *variable = ci_scope_find(expansion->scope, name);

    if (!variable)
        return false;
    if (variable->raw || depth >= EXPANSION_DEPTH || ++expansion->steps > EXPANSION_STEPS)
        buf_add_str(expansion->out, variable->value);
    else
        expand(expansion, variable->value, depth + 1);
    return true;
}

static void expand(struct expansion *expansion, const char *text, int depth)
{
    while (*text && expansion->out->len < EXPANSION_MAX) {
        bool braces = text[0] == '$' && text[1] == '{';
        const char *begin = text + (braces ? 2 : 1);
        size_t len = text[0] == '$' ? strspn(begin, NAME_CHARACTERS) : 0;
        char name[256];

        if (text[0] == '$' && text[1] == '$') {
            buf_add_str(expansion->out, "$$");
            text += 2;
        } else if (len > 0 && len < sizeof(name) && (!braces || begin[len] == '}')) {
            memcpy(name, begin, len);
            name[len] = '\0';
            (void) add_value(expansion, name, depth);
            text = begin + len + braces;
        } else {
            buf_add_char(expansion->out, *text++);
        }
    }
}

void ci_expand(struct buf *out, const struct ci_scope *scope, const char *text)
{
    struct expansion expansion = { .out = out, .scope = scope };

    expand(&expansion, text, 0);
}

bool ci_scope_value(struct buf *out, const struct ci_scope *scope, const char *name)
{
    struct expansion expansion = { .out = out, .scope = scope };

    return add_value(&expansion, name, 0);
}
