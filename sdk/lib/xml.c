/* sdk/lib/xml.c - see xml.h. */
#include "sdk/lib/xml.h"

#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/SAX2.h>
#include <stdlib.h>
#include <string.h>

#define TAG_MAX ((size_t) 16 << 10)
#define ATTRIBUTES_MAX 32 /* and declarations of namespaces: both are looked up one by one */

static int starts_with(const char *text, size_t len, const char *start)
{
    size_t start_len = strlen(start);

    return len >= start_len && memcmp(text, start, start_len) == 0;
}

/* The length of what begins with '<' up to the '>' that ends it, which may not stand in quotes; `len` when none does. */
static size_t tag_length(const char *text, size_t len)
{
    char quote = '\0';

    for (size_t i = 0; i < len; i++) {
        if (quote)
            quote = text[i] == quote ? '\0' : quote;
        else if (text[i] == '>')
            return i + 1;
        else if (text[i] == '"' || text[i] == '\'')
            quote = text[i];
    }
    return len;
}

/* The length of a comment and the like, in which quotes mean nothing; 0 when it is none. */
static size_t opaque_length(const char *text, size_t len)
{
    static const struct {
        const char *start, *end;
    } kinds[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t skip = strlen(kinds[i].start), end_len = strlen(kinds[i].end);
        const char *end;

        if (!starts_with(text, len, kinds[i].start))
            continue;
        end = memmem(text + skip, len - skip, kinds[i].end, end_len);
        return end ? (size_t) (end - text) + end_len : len;
    }
    return 0;
}

/* libxml2 compares each attribute of a tag with all before it: a million of them would take it hours. */
static int has_long_tag(const char *text, size_t len)
{
    const char *end = text + len;

    for (const char *at = memchr(text, '<', len); at; at = memchr(at, '<', (size_t) (end - at))) {
        size_t left = (size_t) (end - at), opaque = opaque_length(at, left), tag = 0;

        if (opaque == 0)
            tag = tag_length(at, left < TAG_MAX + 1 ? left : TAG_MAX + 1);
        if (tag > TAG_MAX)
            return 1;
        at += opaque + tag;
        if (at == end)
            break;
    }
    return 0;
}

/* libxml2 itself would go 256 deep. */
static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int n_namespaces, const xmlChar **namespaces, int n_attributes,
                     int n_defaulted, const xmlChar **attributes)
{
    xmlParserCtxtPtr parser = arg;

    if (parser->nodeNr >= FLT_XML_DEPTH_MAX)
        parser->_private = "is more than 64 elements deep";
    else if (n_namespaces > ATTRIBUTES_MAX || n_attributes > ATTRIBUTES_MAX)
        parser->_private = "has an element with more than 32 attributes";
    if (parser->_private) {
        xmlStopParser(parser);
        return;
    }
    xmlSAX2StartElementNs(arg, name, prefix, uri, n_namespaces, namespaces, n_attributes,
                          n_defaulted, attributes);
}

/* Called at "<!DOCTYPE", before anything of it has an effect. */
static void on_document_type(void *arg, const xmlChar *name, const xmlChar *public_id,
                             const xmlChar *system_id)
{
    xmlParserCtxtPtr parser = arg;

    parser->_private = "has a document type, which no service sends";
    xmlStopParser(parser);
}

static const char *why_broken(xmlParserCtxtPtr parser)
{
    if (parser->_private)
        return parser->_private;
    return parser->lastError.message ? parser->lastError.message : "is empty";
}

xmlDocPtr flt_xml_parse(const char *text, size_t len, char *error)
{
    xmlParserCtxtPtr parser;
    xmlDocPtr doc;

    if (has_long_tag(text, len)) {
        (void) snprintf(error, FLT_ERROR_MAX, "XML has a tag of more than %zu bytes", TAG_MAX);
        return NULL;
    }
    parser = len <= INT32_MAX ? xmlNewParserCtxt() : NULL;
    if (!parser) {
        (void) snprintf(error, FLT_ERROR_MAX, "XML of %zu bytes: out of memory", len);
        return NULL;
    }
    parser->sax->startElementNs = on_start;
    parser->sax->internalSubset = on_document_type;
    parser->sax->comment = NULL; /* so that the text around them is one */
    parser->sax->processingInstruction = NULL;
    /* Whatever it says of itself, so that has_long_tag() has seen what is read. */
    doc = xmlCtxtReadMemory(parser, text, (int) len, NULL, "UTF-8",
                            XML_PARSE_IGNORE_ENC | XML_PARSE_NONET | XML_PARSE_NOCDATA |
                                XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (doc && (parser->_private || !xmlDocGetRootElement(doc))) {
        xmlFreeDoc(doc);
        doc = NULL;
    }
    if (!doc) {
        const char *why = why_broken(parser);

        (void) snprintf(error, FLT_ERROR_MAX, "XML %s%.*s in line %d",
                        parser->_private ? "" : "is broken: ", (int) strcspn(why, "\n"), why,
                        parser->input ? parser->input->line : 0);
    }
    xmlFreeParserCtxt(parser);
    return doc;
}

xmlNodePtr flt_xml_root(xmlDocPtr doc)
{
    return xmlDocGetRootElement(doc);
}

static int has_name(xmlNodePtr node, const char *name, size_t len)
{
    return node->type == XML_ELEMENT_NODE && strlen((const char *) node->name) == len &&
           memcmp(node->name, name, len) == 0;
}

xmlNodePtr flt_xml_find(xmlNodePtr node, const char *path)
{
    while (node && *path) {
        size_t len = strcspn(path, "/");

        node = node->children;
        while (node && !has_name(node, path, len))
            node = node->next;
        path += len + (path[len] == '/');
    }
    return node;
}

xmlNodePtr flt_xml_next(xmlNodePtr node, const char *name, xmlNodePtr after)
{
    if (!node)
        return NULL;
    for (node = after ? after->next : node->children; node; node = node->next)
        if (has_name(node, name, strlen(name)))
            return node;
    return NULL;
}

static const char *text_of(xmlNodePtr node)
{
    const xmlNode *child = node->children;

    if (!child)
        return "";
    return child->type == XML_TEXT_NODE && !child->next ? (const char *) child->content : NULL;
}

const char *flt_xml_text(xmlNodePtr node, const char *path)
{
    node = flt_xml_find(node, path);
    return node ? text_of(node) : NULL;
}

/* Which of its brothers of that name it is, from 1; 0 = the only one. */
static int number_of(xmlNodePtr node)
{
    size_t len = strlen((const char *) node->name);
    int before = 0, behind = 0;

    for (xmlNodePtr other = node->prev; other; other = other->prev)
        before += has_name(other, (const char *) node->name, len);
    for (xmlNodePtr other = node->next; other && !behind; other = other->next)
        behind = has_name(other, (const char *) node->name, len);
    return before || behind ? before + 1 : 0;
}

/* "root/list/item[2]"; as deep as a document may be. */
static void add_place(struct flt_text *text, xmlNodePtr node)
{
    int number = number_of(node);

    if (node->parent && node->parent->type == XML_ELEMENT_NODE) {
        add_place(text, node->parent);
        flt_text_add(text, "/");
    }
    flt_text_add(text, "%.64s", (const char *) node->name);
    if (number > 0)
        flt_text_add(text, "[%d]", number);
}

static int fail(xmlNodePtr node, const char *path, char *error, const char *what, const char *value)
{
    struct flt_text text;
    char *place;

    if (!error)
        return -1;
    flt_text_open(&text);
    if (node) {
        add_place(&text, node);
        flt_text_add(&text, *path ? "/" : "");
    }
    flt_text_add(&text, "%s", path);
    place = flt_text_take(&text);
    (void) snprintf(error, FLT_ERROR_MAX, "%.300s %s%.64s", place ? place : path, what, value);
    free(place);
    return -1;
}

int flt_xml_need_text(xmlNodePtr node, const char *path, const char **ret, char *error)
{
    xmlNodePtr found = flt_xml_find(node, path);
    const char *text = found ? text_of(found) : NULL;

    if (!found)
        return fail(node, path, error, "is missing", "");
    if (!text)
        return fail(node, path, error, "must be text, but holds more", "");
    *ret = text;
    return 0;
}

/* Digits, perhaps behind a minus. */
static int parse_i64(const char *text, int64_t *ret)
{
    int is_negative = *text == '-';
    size_t len = strlen(text += is_negative);
    int64_t value = 0;

    if (len == 0 || strspn(text, "0123456789") != len)
        return -1;
    for (; *text; text++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *text - '0', &value))
            return -1;
    if (!is_negative && value == INT64_MIN)
        return -1;
    *ret = is_negative ? value : -value;
    return 0;
}

int flt_xml_need_i64(xmlNodePtr node, const char *path, int64_t min, int64_t max, int64_t *ret,
                     char *error)
{
    const char *text = NULL;
    char what[96];
    int64_t value;

    if (flt_xml_need_text(node, path, &text, error) < 0)
        return -1;
    if (parse_i64(text, &value) < 0 || value < min || value > max) {
        (void) snprintf(what, sizeof(what),
                        "must be a number from %" PRId64 " to %" PRId64 ", not ", min, max);
        return fail(node, path, error, what, text);
    }
    *ret = value;
    return 0;
}

int flt_xml_need_bool(xmlNodePtr node, const char *path, int *ret, char *error)
{
    const char *text = NULL;

    if (flt_xml_need_text(node, path, &text, error) < 0)
        return -1;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return fail(node, path, error, "must be true or false, not ", text);
    *ret = *text == 't';
    return 0;
}

static int is_there(xmlNodePtr node, const char *path)
{
    xmlNodePtr found = flt_xml_find(node, path);

    return found && found->children;
}

int flt_xml_opt_text(xmlNodePtr node, const char *path, const char **ret, char *error)
{
    return is_there(node, path) ? flt_xml_need_text(node, path, ret, error) : 0;
}

int flt_xml_opt_i64(xmlNodePtr node, const char *path, int64_t min, int64_t max, int64_t *ret,
                    char *error)
{
    return is_there(node, path) ? flt_xml_need_i64(node, path, min, max, ret, error) : 0;
}

int flt_xml_opt_bool(xmlNodePtr node, const char *path, int *ret, char *error)
{
    return is_there(node, path) ? flt_xml_need_bool(node, path, ret, error) : 0;
}
