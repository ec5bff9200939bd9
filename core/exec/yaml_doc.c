/* core/exec/yaml_doc.c - parsing with limits, merged mappings, the types of plain scalars.
 *
 * The file is read twice: once as events, which costs nothing but time and enforces the limits, and
 * only then as a document. libyaml looks anchors up one after the other, so their number is limited
 * as well. */
#include "core/exec/yaml_doc.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define SIZE_MAX_BYTES ((size_t) 1 << 20)
#define NODES_MAX 20000
#define ANCHORS_MAX 1000
#define VISITS_MAX 60000
#define SHOWN_MAX 1000 /* of one finding */

static void add_finding(struct yaml_doc *doc, enum config_severity severity, int line, int column,
                        const char *sentence)
{
    struct config_findings *findings = doc->findings;
    struct config_finding *items =
        mem_resize(findings->items, findings->count + 1, sizeof(*findings->items));
    autobuf struct buf shown = BUF_INIT;
    char *text;

    if (items)
        findings->items = items;
    if (doc->muted)
        return;
    doc->n_errors += severity == CONFIG_ERROR;
    /* Sentences quote keys and values, which may hold what drives a terminal (hardening.md V18). */
    buf_addf(&shown, "%s:%d:%d: ", doc->file, line, column);
    str_display(&shown, sentence, strlen(sentence), SHOWN_MAX);
    text = buf_take(&shown);
    if (!items || !text) {
        doc->out_of_memory = true;
        free(text);
        return;
    }
    items[findings->count++] = (struct config_finding) {
        .severity = severity, .line = line, .column = column, .text = text
    };
}

static void finding_at(struct yaml_doc *doc, const yaml_mark_t *mark, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static void finding_at(struct yaml_doc *doc, const yaml_mark_t *mark, const char *fmt, ...)
{
    autobuf struct buf sentence = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vaddf(&sentence, fmt, args);
    va_end(args);
    add_finding(doc, CONFIG_ERROR, (int) mark->line + 1, (int) mark->column + 1,
                buf_str(&sentence));
}

void yaml_finding(struct yaml_doc *doc, enum config_severity severity, const yaml_node_t *node,
                  const char *fmt, ...)
{
    autobuf struct buf sentence = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vaddf(&sentence, fmt, args);
    va_end(args);
    add_finding(doc, severity, node ? (int) node->start_mark.line + 1 : 1,
                node ? (int) node->start_mark.column + 1 : 1, buf_str(&sentence));
}

/* The parser counts only characters that it could decode; this one it could not. */
static yaml_mark_t mark_of_byte(const char *text, size_t offset)
{
    yaml_mark_t mark = { 0 };

    for (size_t i = 0; i < offset; i++) {
        mark.line += text[i] == '\n';
        mark.column = text[i] == '\n' ? 0 : mark.column + 1;
    }
    return mark;
}

/* What the parser says, at the place where it stopped. */
static void parser_finding(struct yaml_doc *doc, const yaml_parser_t *parser, const char *text,
                           size_t len)
{
    yaml_mark_t mark = parser->problem_mark;

    if (parser->error == YAML_MEMORY_ERROR) {
        doc->out_of_memory = true;
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        mark = mark_of_byte(text, MIN(parser->problem_offset, len));
        finding_at(doc, &mark, "this is no UTF-8 text: %s", parser->problem);
        return;
    }
    finding_at(doc, &mark, "this is no valid YAML: %s%s%s",
               parser->problem ? parser->problem : "it can't be read", parser->context ? " " : "",
               parser->context ? parser->context : "");
}

struct limits {
    size_t nodes, anchors, documents;
    int depth;
};

/* One event against the limits; false after a finding. */
static bool within_limits(struct yaml_doc *doc, struct limits *limits, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++limits->documents > 1) {
            finding_at(doc, &event->start_mark,
                       "a second YAML document begins here; 'spec' headers are not supported, one "
                       "document is");
            return false;
        }
        return true;
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        limits->depth++;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        limits->depth++;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        limits->depth--;
        return true;
    default:
        break;
    }
    limits->anchors += anchor != NULL;
    limits->nodes++;
    if (limits->depth > YAML_DEPTH_MAX)
        finding_at(doc, &event->start_mark, "lists and mappings are nested deeper than %d levels",
                   YAML_DEPTH_MAX);
    else if (limits->nodes > NODES_MAX)
        finding_at(doc, &event->start_mark, "the file has more than %d values", NODES_MAX);
    else if (limits->anchors > ANCHORS_MAX)
        finding_at(doc, &event->start_mark, "the file has more than %d anchors", ANCHORS_MAX);
    else
        return true;
    return false;
}

static int check_events(struct yaml_doc *doc, const char *text, size_t len)
{
    struct limits limits = { 0 };
    yaml_parser_t parser;
    bool good = true, more = true;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, len);
    while (good && more) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            parser_finding(doc, &parser, text, len);
            good = false;
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        good = within_limits(doc, &limits, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return good ? 0 : -EINVAL;
}

int yaml_doc_load(struct yaml_doc *doc, const char *file, const char *text, size_t len,
                  struct config_findings *findings)
{
    yaml_parser_t parser;
    int r;

    *doc = (struct yaml_doc) { .file = file, .findings = findings };
    if (len > SIZE_MAX_BYTES) {
        yaml_finding(doc, CONFIG_ERROR, NULL, "the file is larger than 1 MiB");
        return -EINVAL;
    }
    r = check_events(doc, text, len);
    if (r < 0)
        return r;
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, len);
    if (yaml_parser_load(&parser, &doc->document))
        doc->loaded = true;
    else
        parser_finding(doc, &parser, text,
                       len); /* unknown and repeated anchors are found only here */
    yaml_parser_delete(&parser);
    return doc->loaded ? 0 : -EINVAL;
}

void yaml_doc_done(struct yaml_doc *doc)
{
    if (doc->loaded)
        yaml_document_delete(&doc->document);
    doc->loaded = false;
}

yaml_node_t *yaml_doc_root(struct yaml_doc *doc)
{
    return yaml_document_get_root_node(&doc->document);
}

size_t yaml_item_count(const yaml_node_t *sequence)
{
    return (size_t) (sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

yaml_node_t *yaml_item(struct yaml_doc *doc, const yaml_node_t *sequence, size_t i)
{
    return yaml_document_get_node(&doc->document, sequence->data.sequence.items.start[i]);
}

/* The rest of the file can't be read: that concerns whoever muted it, too. */
static void exhaust(struct yaml_doc *doc)
{
    doc->exhausted = true;
    doc->muted = false;
}

bool yaml_visit(struct yaml_doc *doc, const yaml_node_t *node)
{
    if (doc->exhausted)
        return false;
    if (++doc->visits <= VISITS_MAX)
        return true;
    exhaust(doc);
    yaml_finding(doc, CONFIG_ERROR, node, "aliases make this file larger than %d values",
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

static bool is_merge_key(const yaml_node_t *key)
{
    return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           str_eq(yaml_text(key), "<<");
}

/* Adds or, for an own key that was there before, replaces. */
static void put_pair(struct yaml_doc *doc, struct yaml_map *map, const struct yaml_pair *pair,
                     bool merged)
{
    struct yaml_pair *items;

    for (size_t i = 0; i < map->count; i++) {
        if (!str_eq(map->items[i].key, pair->key))
            continue;
        if (!merged) {
            yaml_finding(doc, CONFIG_WARNING, pair->key_node,
                         "'%s' is there twice (first in line %zu); the last one counts", pair->key,
                         map->items[i].key_node->start_mark.line + 1);
            map->items[i] = *pair;
        }
        return;
    }
    items = mem_resize(map->items, map->count + 1, sizeof(*items));
    if (!items) {
        doc->out_of_memory = true;
        return;
    }
    map->items = items;
    map->items[map->count++] = *pair;
}

static void read_pairs(struct yaml_doc *doc, const yaml_node_t *mapping, struct yaml_map *map,
                       bool merged, int depth);

/* The value of `<<`: a mapping, or a list of them of which earlier ones win. */
static void merge(struct yaml_doc *doc, const yaml_node_t *value, struct yaml_map *map, int depth)
{
    if (depth > YAML_DEPTH_MAX) {
        exhaust(doc);
        yaml_finding(doc, CONFIG_ERROR, value, "'<<' merges a mapping into itself");
        return;
    }
    if (value->type == YAML_MAPPING_NODE) {
        read_pairs(doc, value, map, true, depth);
    } else if (value->type == YAML_SEQUENCE_NODE) {
        for (size_t i = 0; i < yaml_item_count(value) && yaml_visit(doc, value); i++)
            merge(doc, yaml_item(doc, value, i), map, depth + 1);
    } else {
        yaml_finding(doc, CONFIG_ERROR, value, "'<<' takes a mapping or a list of mappings, not %s",
                     yaml_kind_name(yaml_kind_of(value)));
    }
}

static void read_pairs(struct yaml_doc *doc, const yaml_node_t *mapping, struct yaml_map *map,
                       bool merged, int depth)
{
    const yaml_node_pair_t *first = mapping->data.mapping.pairs.start;
    const yaml_node_pair_t *end = mapping->data.mapping.pairs.top;

    for (const yaml_node_pair_t *at = first; at < end && yaml_visit(doc, mapping); at++) {
        yaml_node_t *key = yaml_document_get_node(&doc->document, at->key);
        yaml_node_t *value = yaml_document_get_node(&doc->document, at->value);

        if (key->type != YAML_SCALAR_NODE)
            yaml_finding(doc, CONFIG_ERROR, key, "a key must be a word, not %s",
                         yaml_kind_name(yaml_kind_of(key)));
        else if (!is_merge_key(key))
            put_pair(doc, map, &(struct yaml_pair) { yaml_text(key), key, value }, merged);
    }
    for (const yaml_node_pair_t *at = first; at < end && !doc->exhausted; at++)
        if (is_merge_key(yaml_document_get_node(&doc->document, at->key)))
            merge(doc, yaml_document_get_node(&doc->document, at->value), map, depth + 1);
}

int yaml_map_read(struct yaml_doc *doc, const yaml_node_t *mapping, struct yaml_map *ret)
{
    *ret = (struct yaml_map) { 0 };
    read_pairs(doc, mapping, ret, false, 0);
    return doc->exhausted ? -EINVAL : doc->out_of_memory ? -ENOMEM : 0;
}

void yaml_map_done(struct yaml_map *map)
{
    free(map->items);
    *map = (struct yaml_map) { 0 };
}

const char *yaml_text(const yaml_node_t *node)
{
    return (const char *) node->data.scalar.value;
}

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

enum yaml_kind yaml_kind_of(const yaml_node_t *node)
{
    const char *tag = (const char *) node->tag;
    const char *text;

    /* libyaml gives untagged nodes the tag of their structure. */
    if (tag && !str_starts(tag, "tag:yaml.org,2002:"))
        return YAML_KIND_TAGGED;
    if (node->type == YAML_SEQUENCE_NODE)
        return YAML_KIND_SEQUENCE;
    if (node->type == YAML_MAPPING_NODE)
        return YAML_KIND_MAPPING;
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return YAML_KIND_STRING;
    text = yaml_text(node);
    if (one_of(text, null_words, ARRAY_LEN(null_words)))
        return YAML_KIND_NULL;
    if (yaml_truth(node) || one_of(text, false_words, ARRAY_LEN(false_words)))
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

bool yaml_truth(const yaml_node_t *node)
{
    return one_of(yaml_text(node), true_words, ARRAY_LEN(true_words));
}
