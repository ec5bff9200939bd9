/* core/exec/yaml_load.c - from a file's text to values of the tree, within limits (yaml_doc.h).
 *
 * A file is read twice: once as events, which costs nothing but time and enforces the limits, and
 * only then as a document. libyaml looks anchors up one after the other, so their number is limited
 * as well. Then each of libyaml's nodes becomes one value of the tree, however often it is named. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/yaml_doc_internal.h"

#define SIZE_MAX_BYTES ((size_t) 1 << 20)
#define YAML_DEPTH_MAX 64 /* as it is written */
#define NODES_MAX 20000   /* of a file */
#define ALL_NODES_MAX 100000
#define ANCHORS_MAX 1000

/* Of a file that is being read: what is known is a mark of libyaml's. */
struct file {
    struct yaml_doc *doc;
    const char *name;
    yaml_document_t document;
    struct yaml_value **made; /* of each node, once it is there */
    int depth;
};

static void finding_at(struct file *file, const yaml_mark_t *mark, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static void finding_at(struct file *file, const yaml_mark_t *mark, const char *fmt, ...)
{
    const struct yaml_value place = { .file = file->name,
                                      .line = (int) mark->line + 1,
                                      .column = (int) mark->column + 1 };
    va_list args;

    va_start(args, fmt);
    yaml_vfinding(file->doc, CONFIG_ERROR, &place, fmt, args);
    va_end(args);
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

/* The parser stopped at a tab with nothing before it in its line but blanks: the most usual mistake, which it calls a
 * character that cannot start any token. */
static bool is_tab_indent(const char *text, size_t len, const yaml_mark_t *mark)
{
    size_t start = 0, line = 0;

    while (start < len && line < mark->line)
        line += text[start++] == '\n';
    for (size_t i = start; i < len && i <= start + mark->column; i++)
        if (text[i] != ' ' && text[i] != '\t')
            return false;
    return line == mark->line && start + mark->column < len && text[start + mark->column] == '\t';
}

/* What the parser says, at the place where it stopped. */
static void parser_finding(struct file *file, const yaml_parser_t *parser, const char *text,
                           size_t len)
{
    yaml_mark_t mark = parser->problem_mark;

    if (parser->error == YAML_MEMORY_ERROR) {
        file->doc->out_of_memory = true;
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        mark = mark_of_byte(text, MIN(parser->problem_offset, len));
        finding_at(file, &mark, "this is no UTF-8 text: %s", parser->problem);
        return;
    }
    if (is_tab_indent(text, len, &mark)) {
        finding_at(file, &mark, "a tab indents this line, and YAML allows spaces alone there");
        return;
    }
    finding_at(file, &mark, "this is no valid YAML: %s%s%s",
               parser->problem ? parser->problem : "it can't be read", parser->context ? " " : "",
               parser->context ? parser->context : "");
}

struct limits {
    size_t nodes, anchors, documents;
    int depth;
};

/* One event against the limits; false after a finding. */
static bool within_limits(struct file *file, struct limits *limits, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++limits->documents > 1) {
            finding_at(file, &event->start_mark,
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
        finding_at(file, &event->start_mark, "lists and mappings are nested deeper than %d levels",
                   YAML_DEPTH_MAX);
    else if (limits->nodes > NODES_MAX)
        finding_at(file, &event->start_mark, "the file has more than %d values", NODES_MAX);
    else if (limits->anchors > ANCHORS_MAX)
        finding_at(file, &event->start_mark, "the file has more than %d anchors", ANCHORS_MAX);
    else if (++file->doc->nodes > ALL_NODES_MAX)
        finding_at(file, &event->start_mark, "the files have more than %d values", ALL_NODES_MAX);
    else
        return true;
    return false;
}

static int check_events(struct file *file, const char *text, size_t len)
{
    struct limits limits = { 0 };
    yaml_parser_t parser;
    bool good = true, more = true;

    if (!yaml_parser_initialize(&parser)) {
        file->doc->out_of_memory = true;
        return -ENOMEM;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, len);
    while (good && more) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            parser_finding(file, &parser, text, len);
            good = false;
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        good = within_limits(file, &limits, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return good ? 0 : -EINVAL;
}

/* From libyaml's nodes to values. */

static const struct yaml_value *make(struct file *file, int id);

static bool is_merge_key(const struct yaml_value *key)
{
    return key->plain && str_eq(key->text, "<<");
}

/* The pairs of a merged mapping that are not there yet: own keys win over merged ones, and of those
 * the first. */
static void take_pairs(struct yaml_doc *doc, struct yaml_value *mapping,
                       const struct yaml_value *from)
{
    for (size_t i = 0; i < from->map.count && yaml_visit(doc, from); i++)
        if (!yaml_map_find(&mapping->map, from->map.items[i].key))
            yaml_put(doc, mapping, &from->map.items[i]);
}

/* The value of `<<`: a mapping, or a list of them of which earlier ones win. */
static void merge(struct yaml_doc *doc, struct yaml_value *mapping, const struct yaml_value *from)
{
    if (from->kind == YAML_KIND_MAPPING)
        take_pairs(doc, mapping, from);
    else if (from->kind == YAML_KIND_SEQUENCE)
        for (size_t i = 0; i < from->n_items && yaml_visit(doc, from); i++)
            merge(doc, mapping, from->items[i]);
    else
        yaml_finding(doc, CONFIG_ERROR, from, "'<<' takes a mapping or a list of mappings, not %s",
                     yaml_kind_name(from->kind));
}

static void make_pairs(struct file *file, const yaml_node_t *node, struct yaml_value *mapping)
{
    const yaml_node_pair_t *first = node->data.mapping.pairs.start;
    const yaml_node_pair_t *end = node->data.mapping.pairs.top;
    struct yaml_doc *doc = file->doc;

    for (const yaml_node_pair_t *at = first; at < end && !doc->exhausted; at++) {
        const struct yaml_value *key = make(file, at->key);
        const struct yaml_pair *old;
        struct yaml_pair pair;

        if (!key)
            return;
        if (!key->text) {
            yaml_finding(doc, CONFIG_ERROR, key, "a key must be a word, not %s",
                         yaml_kind_name(key->kind));
            continue;
        }
        pair = (struct yaml_pair) { key->text, key, make(file, at->value) };
        if (!pair.value)
            return;
        if (is_merge_key(key))
            continue;
        old = yaml_map_find(&mapping->map, pair.key);
        if (old)
            yaml_finding(doc, CONFIG_WARNING, key,
                         "'%s' is there twice (first in line %d); the last one counts", pair.key,
                         old->place->line);
        yaml_put(doc, mapping, &pair);
    }
    for (const yaml_node_pair_t *at = first; at < end && !doc->exhausted; at++) {
        const struct yaml_value *key = make(file, at->key);
        const struct yaml_value *from =
            key && key->text && is_merge_key(key) ? make(file, at->value) : NULL;

        if (from)
            merge(doc, mapping, from);
    }
}

static void make_items(struct file *file, const yaml_node_t *node, struct yaml_value *list)
{
    const yaml_node_item_t *end = node->data.sequence.items.top;

    for (const yaml_node_item_t *at = node->data.sequence.items.start;
         at < end && !file->doc->exhausted; at++) {
        const struct yaml_value *item = make(file, *at);

        if (!item)
            return;
        yaml_add_item(file->doc, list, item);
    }
}

static void make_contents(struct file *file, const yaml_node_t *node, struct yaml_value *value)
{
    const char *tag = (const char *) node->tag;

    switch (node->type) {
    case YAML_SEQUENCE_NODE:
        value->kind = YAML_KIND_SEQUENCE;
        make_items(file, node, value);
        break;
    case YAML_MAPPING_NODE:
        value->kind = YAML_KIND_MAPPING;
        make_pairs(file, node, value);
        break;
    default:
        value->text = yaml_keep_text(file->doc, (const char *) node->data.scalar.value);
        value->plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        value->kind =
            value->plain && value->text ? yaml_kind_of_plain(value->text) : YAML_KIND_STRING;
    }
    /* libyaml gives untagged nodes the tag of their structure. */
    if (tag && !str_starts(tag, "tag:yaml.org,2002:")) {
        value->kind = YAML_KIND_TAGGED;
        value->tag = yaml_keep_text(file->doc, tag);
        value->has_tags = true;
    }
}

/* A node that is asked for while it is being made contains itself. */
static const struct yaml_value *make(struct file *file, int id)
{
    static const struct yaml_value place = { 0 };
    const yaml_node_t *node = yaml_document_get_node(&file->document, id);
    struct yaml_doc *doc = file->doc;
    struct yaml_value *value = file->made[id];

    if (value && value->depth >= 0)
        return value;
    if (value || file->depth > TREE_DEPTH_MAX) {
        yaml_exhaust(doc);
        finding_at(file, &node->start_mark,
                   value ? "this value contains itself, by an alias or by '<<'"
                         : "aliases in this value are nested too deep");
        return NULL;
    }
    value = yaml_new(doc, &place, YAML_KIND_NULL);
    if (!value)
        return NULL;
    value->file = file->name;
    value->line = (int) node->start_mark.line + 1;
    value->column = (int) node->start_mark.column + 1;
    value->depth = -1;
    file->made[id] = value;
    file->depth++;
    make_contents(file, node, value);
    file->depth--;
    value->depth = MAX(value->depth, 0);
    return doc->exhausted || doc->out_of_memory ? NULL : value;
}

static const struct yaml_value *make_root(struct file *file)
{
    static const struct yaml_value nothing = { .kind = YAML_KIND_NULL, .line = 1, .column = 1 };
    size_t count = (size_t) (file->document.nodes.top - file->document.nodes.start);
    struct yaml_value *empty;

    if (count == 0) {
        empty = yaml_new(file->doc, &nothing, YAML_KIND_NULL);
        if (empty)
            empty->file = file->name;
        return empty;
    }
    file->made = mem_array(count + 1, sizeof(struct yaml_value *));
    if (!file->made) {
        file->doc->out_of_memory = true;
        return NULL;
    }
    return make(file, 1);
}

const struct yaml_value *yaml_doc_load(struct yaml_doc *doc, const char *file_name,
                                       const char *text, size_t len)
{
    struct file file = { .doc = doc, .name = yaml_keep_text(doc, file_name) };
    const struct yaml_value *root = NULL;
    yaml_parser_t parser;

    if (!file.name)
        return NULL;
    if (len > SIZE_MAX_BYTES) {
        finding_at(&file, &(yaml_mark_t) { 0 }, "the file is larger than 1 MiB");
        return NULL;
    }
    if (check_events(&file, text, len) < 0)
        return NULL;
    if (!yaml_parser_initialize(&parser)) {
        doc->out_of_memory = true;
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, len);
    if (yaml_parser_load(&parser, &file.document)) {
        root = make_root(&file);
        yaml_document_delete(&file.document);
    } else {
        /* Unknown and repeated anchors are found only here. */
        parser_finding(&file, &parser, text, len);
    }
    yaml_parser_delete(&parser);
    free(file.made);
    return root;
}
