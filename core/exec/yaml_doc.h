/* core/exec/yaml_doc.h - a YAML file as a bounded document, and the findings about it.
 *
 * What a hostile or broken file can cost is fixed here: size, number of nodes, depth, and how often
 * aliases may be walked (hardening_40). Used by ci_yaml.c only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "core/base/error.h"
#include "core/config/config.h"

#define YAML_DEPTH_MAX 64

struct yaml_doc {
    const char *file; /* the name in findings */
    yaml_document_t document;
    bool loaded;
    size_t visits; /* nodes walked so far; aliases are walked each time */
    bool exhausted;
    bool out_of_memory;
    bool muted; /* no findings: what is being read will not be used */
    unsigned n_errors;
    struct config_findings *findings;
};

/* Parses `text` (one document). 0, or -EINVAL with a finding that says where. */
int yaml_doc_load(struct yaml_doc *doc, const char *file, const char *text, size_t len,
                  struct config_findings *findings);
void yaml_doc_done(struct yaml_doc *doc);

/* One finding FILE:LINE:COLUMN: sentence; `node` is where it points, NULL = the file's beginning. */
void yaml_finding(struct yaml_doc *doc, enum config_severity severity, const yaml_node_t *node,
                  const char *fmt, ...) PRINTF_LIKE(4, 5);

yaml_node_t *yaml_doc_root(struct yaml_doc *doc); /* NULL when the document is empty */
yaml_node_t *yaml_item(struct yaml_doc *doc, const yaml_node_t *sequence, size_t i);
size_t yaml_item_count(const yaml_node_t *sequence);

struct yaml_pair {
    const char *key; /* the scalar's text */
    yaml_node_t *key_node, *value;
};
struct yaml_map {
    struct yaml_pair *items;
    size_t count;
};
/* The pairs of a mapping with its `<<` merged in; own keys win over merged ones, and of equal keys
 * the last counts (with a warning). Keys that are no scalars are findings. */
int yaml_map_read(struct yaml_doc *doc, const yaml_node_t *mapping, struct yaml_map *ret);
void yaml_map_done(struct yaml_map *map);
const struct yaml_pair *yaml_map_find(const struct yaml_map *map, const char *key);
static inline void cleanup_yaml_map(struct yaml_map *map)
{
    yaml_map_done(map);
}
#define auto_yaml_map __attribute__((cleanup(cleanup_yaml_map)))

/* Counts one walked node; false, with one finding, once the file's budget is used up. */
bool yaml_visit(struct yaml_doc *doc, const yaml_node_t *node);

enum yaml_kind {
    YAML_KIND_STRING,
    YAML_KIND_NULL,
    YAML_KIND_BOOL,
    YAML_KIND_NUMBER,
    YAML_KIND_SEQUENCE,
    YAML_KIND_MAPPING,
    YAML_KIND_TAGGED, /* !reference and other tags that change the meaning */
};
/* What GitLab's reader (YAML 1.1) takes the node for. */
enum yaml_kind yaml_kind_of(const yaml_node_t *node);
const char *yaml_kind_name(enum yaml_kind kind); /* "a string", "a list", … */
const char *yaml_text(const yaml_node_t *node);  /* of a scalar */
bool yaml_truth(const yaml_node_t *node);        /* of YAML_KIND_BOOL */
