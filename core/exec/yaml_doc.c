/* core/exec/yaml_doc.c - the tree's memory, its findings, the types of plain scalars and merging.
 * Files become values in yaml_load.c. */
#include "core/exec/yaml_doc.h"

#include <stdarg.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/yaml_doc_internal.h"

#define VISITS_MAX 60000
#define SHOWN_MAX 1000 /* of one finding */
#define ERRORS_MAX 100 /* nobody reads more at once */

/* Memory. */

struct yaml_block {
    struct yaml_block *next;
    max_align_t data[];
};

static void *allocate(struct yaml_doc *doc, size_t size)
{
    struct yaml_block *block = mem_zero(sizeof(*block) + size);

    if (!block) {
        doc->out_of_memory = doc->exhausted = true;
        return NULL;
    }
    block->next = doc->blocks;
    doc->blocks = block;
    return block->data;
}

const char *yaml_keep_text(struct yaml_doc *doc, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = allocate(doc, size);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}

/* Arrays double when full: their capacity is the power of two that holds `count`. */
static void *grow(struct yaml_doc *doc, void *old, size_t count, size_t size)
{
    void *grown;

    if (old && (count & (count - 1)) != 0)
        return old;
    grown = allocate(doc, (count ? 2 * count : 1) * size);
    if (grown && old)
        memcpy(grown, old, count * size);
    return grown;
}

void yaml_doc_init(struct yaml_doc *doc, const char *file, struct config_findings *findings)
{
    *doc = (struct yaml_doc) { .file = file, .findings = findings, .once_from = SIZE_MAX };
}

void yaml_doc_done(struct yaml_doc *doc)
{
    while (doc->blocks) {
        struct yaml_block *next = doc->blocks->next;

        free(doc->blocks);
        doc->blocks = next;
    }
}

/* Findings. */

static bool was_told(const struct yaml_doc *doc, enum config_severity severity, const char *place)
{
    for (size_t i = doc->once_from; i < doc->findings->count; i++)
        if (doc->findings->items[i].severity == severity &&
            str_starts(doc->findings->items[i].text, place))
            return true;
    return false;
}

static void add_finding(struct yaml_doc *doc, enum config_severity severity,
                        const struct yaml_value *place, const char *sentence)
{
    struct config_findings *findings = doc->findings;
    struct config_finding *items =
        mem_resize(findings->items, findings->count + 1, sizeof(*findings->items));
    autobuf struct buf shown = BUF_INIT;
    char *text;

    if (items)
        findings->items = items;
    buf_addf(&shown, "%s:%d:%d: ", place->file, place->line, place->column);
    if (doc->muted || was_told(doc, severity, buf_str(&shown)))
        return;
    doc->n_errors += severity == CONFIG_ERROR;
    if (doc->n_errors > ERRORS_MAX)
        return;
    if (doc->n_errors == ERRORS_MAX) {
        doc->exhausted = true;
        sentence = "from here on errors are no longer told: mend those above first";
    }
    /* Sentences quote keys and values, which may hold what drives a terminal (hardening.md V18). */
    str_display(&shown, sentence, strlen(sentence), SHOWN_MAX);
    text = buf_take(&shown);
    if (!items || !text) {
        doc->out_of_memory = true;
        free(text);
        return;
    }
    items[findings->count++] = (struct config_finding) {
        .severity = severity, .line = place->line, .column = place->column, .text = text
    };
}

void yaml_vfinding(struct yaml_doc *doc, enum config_severity severity,
                   const struct yaml_value *place, const char *fmt, va_list args)
{
    autobuf struct buf sentence = BUF_INIT;

    buf_vaddf(&sentence, fmt, args);
    doc->out_of_memory |= buf_error(&sentence) != 0;
    add_finding(doc, severity, place, buf_str(&sentence));
}

void yaml_finding(struct yaml_doc *doc, enum config_severity severity,
                  const struct yaml_value *value, const char *fmt, ...)
{
    const struct yaml_value first = { .file = doc->file, .line = 1, .column = 1 };
    va_list args;

    va_start(args, fmt);
    yaml_vfinding(doc, severity, value ? value : &first, fmt, args);
    va_end(args);
}

/* Types. */

static bool one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(text, words[i]))
            return true;
    return false;
}

static const char *const true_words[] = { "true", "True", "TRUE", "yes", "Yes",
                                          "YES",  "on",   "On",   "ON" };
static const char *const false_words[] = { "false", "False", "FALSE", "no", "No",
                                           "NO",    "off",   "Off",   "OFF" };
static const char *const null_words[] = { "", "~", "null", "Null", "NULL" };

/* Decimal and hexadecimal integers, and decimal fractions with an exponent; underscores count as
 * digits. */
static bool looks_like_number(const char *text)
{
    const char *at = text + (*text == '-' || *text == '+');
    size_t digits = 0, dots = 0;

    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'o' || at[1] == 'b'))
        return at[2] && strspn(at + 2, "0123456789abcdefABCDEF_") == strlen(at + 2);
    for (; *at; at++) {
        if (*at >= '0' && *at <= '9')
            digits++;
        else if (*at == '.')
            dots++;
        else if ((*at == 'e' || *at == 'E') && digits > 0 && at[1])
            return dots <= 1 && strspn(at + 1, "+-0123456789") == strlen(at + 1);
        else if (*at != '_' || digits == 0)
            return false;
    }
    return digits > 0 && dots <= 1;
}

enum yaml_kind yaml_kind_of_plain(const char *text)
{
    if (one_of(text, null_words, ARRAY_LEN(null_words)))
        return YAML_KIND_NULL;
    if (one_of(text, true_words, ARRAY_LEN(true_words)) ||
        one_of(text, false_words, ARRAY_LEN(false_words)))
        return YAML_KIND_BOOL;
    return looks_like_number(text) ? YAML_KIND_NUMBER : YAML_KIND_STRING;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    static const char *const names[] = {
        [YAML_KIND_STRING] = "a string",           [YAML_KIND_NULL] = "nothing",
        [YAML_KIND_BOOL] = "true or false",        [YAML_KIND_NUMBER] = "a number",
        [YAML_KIND_SEQUENCE] = "a list",           [YAML_KIND_MAPPING] = "a mapping",
        [YAML_KIND_TAGGED] = "a value with a tag",
    };

    return names[kind];
}

bool yaml_truth(const struct yaml_value *value)
{
    return value->kind == YAML_KIND_BOOL && one_of(value->text, true_words, ARRAY_LEN(true_words));
}

const char *yaml_scalar(const struct yaml_value *value)
{
    switch (value->kind) {
    case YAML_KIND_BOOL:
        return yaml_truth(value) ? "true" : "false";
    case YAML_KIND_STRING:
    case YAML_KIND_NUMBER:
        return value->text;
    default:
        return NULL;
    }
}

/* The tree. */

void yaml_exhaust(struct yaml_doc *doc)
{
    doc->exhausted = true;
    doc->muted = false;
}

bool yaml_visit(struct yaml_doc *doc, const struct yaml_value *value)
{
    if (doc->exhausted)
        return false;
    if (++doc->visits <= VISITS_MAX)
        return true;
    yaml_exhaust(doc);
    yaml_finding(doc, CONFIG_ERROR, value, "aliases make this file larger than %d values",
                 VISITS_MAX);
    return false;
}

const struct yaml_pair *yaml_map_find(const struct yaml_map *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++)
        if (str_eq(map->items[i].key, key))
            return &map->items[i];
    return NULL;
}

const struct yaml_value *yaml_get(const struct yaml_value *value, const char *key)
{
    const struct yaml_pair *pair = value ? yaml_map_find(&value->map, key) : NULL;

    return pair && pair->value->kind != YAML_KIND_NULL ? pair->value : NULL;
}

struct yaml_value *yaml_new(struct yaml_doc *doc, const struct yaml_value *like,
                            enum yaml_kind kind)
{
    struct yaml_value *value = allocate(doc, sizeof(*value));

    if (value)
        *value = (struct yaml_value) {
            .kind = kind, .file = like->file, .line = like->line, .column = like->column
        };
    return value;
}

static void contain(struct yaml_doc *doc, struct yaml_value *value, const struct yaml_value *inner)
{
    value->has_tags = value->has_tags || inner->has_tags;
    value->depth = MAX(value->depth, inner->depth + 1);
    if (value->depth <= TREE_DEPTH_MAX || doc->exhausted)
        return;
    yaml_exhaust(doc);
    yaml_finding(doc, CONFIG_ERROR, value, "lists and mappings are nested deeper than %d levels",
                 TREE_DEPTH_MAX);
}

void yaml_add_item(struct yaml_doc *doc, struct yaml_value *list, const struct yaml_value *item)
{
    void *items;

    contain(doc, list, item);
    items = grow(doc, (void *) list->items, list->n_items, sizeof(*list->items));
    if (!items)
        return;
    list->items = items;
    list->items[list->n_items++] = item;
}

void yaml_put(struct yaml_doc *doc, struct yaml_value *mapping, const struct yaml_pair *pair)
{
    struct yaml_map *map = &mapping->map;
    struct yaml_pair *items;

    contain(doc, mapping, pair->value);
    for (size_t i = 0; i < map->count; i++)
        if (str_eq(map->items[i].key, pair->key)) {
            map->items[i] = *pair;
            return;
        }
    items = grow(doc, map->items, map->count, sizeof(*items));
    if (!items)
        return;
    map->items = items;
    map->items[map->count++] = *pair;
}

const struct yaml_value *yaml_merge(struct yaml_doc *doc, const struct yaml_value *under,
                                    const struct yaml_value *over)
{
    struct yaml_value *merged;

    if (!yaml_visit(doc, over) || under->kind != YAML_KIND_MAPPING ||
        over->kind != YAML_KIND_MAPPING)
        return over;
    merged = yaml_new(doc, over, YAML_KIND_MAPPING);
    if (!merged)
        return over;
    for (size_t i = 0; i < under->map.count && yaml_visit(doc, under); i++)
        yaml_put(doc, merged, &under->map.items[i]);
    for (size_t i = 0; i < over->map.count && yaml_visit(doc, over); i++) {
        struct yaml_pair pair = over->map.items[i];
        const struct yaml_pair *old = yaml_map_find(&under->map, pair.key);

        if (old)
            pair.value = yaml_merge(doc, old->value, pair.value);
        yaml_put(doc, merged, &pair);
    }
    return merged;
}
