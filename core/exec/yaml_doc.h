/* core/exec/yaml_doc.h - YAML files as one bounded tree of values, and the findings about them.
 *
 * What a hostile or broken file can cost is fixed here: size, number of values, depth, and how often
 * values may be walked (hardening_40). Aliases are shared and `<<` is merged while a file is read,
 * so whoever walks the tree sees neither. Used by the readers of .gitlab-ci.yml only (ci_*.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "core/config/config.h"

enum yaml_kind {
    YAML_KIND_STRING,
    YAML_KIND_NULL,
    YAML_KIND_BOOL,
    YAML_KIND_NUMBER,
    YAML_KIND_SEQUENCE,
    YAML_KIND_MAPPING,
    YAML_KIND_TAGGED, /* !reference and other tags that change the meaning */
};

struct yaml_value;
struct yaml_pair {
    const char *key;                /* the scalar's text */
    const struct yaml_value *place; /* of the key */
    const struct yaml_value *value;
};
struct yaml_map {
    struct yaml_pair *items;
    size_t count;
};

/* Lives as long as its document. Which members are set depends on the kind; a tagged list has its
 * items. */
struct yaml_value {
    enum yaml_kind kind; /* what GitLab's reader (YAML 1.1) takes it for */
    bool plain;          /* a scalar without quotes */
    bool has_tags;       /* here or below */
    int depth;           /* of what is below */
    const char *file;    /* the name in findings */
    int line, column;
    const char *tag;  /* of YAML_KIND_TAGGED */
    const char *text; /* of a scalar, as written */
    const struct yaml_value **items;
    size_t n_items;
    struct yaml_map map;
};

struct yaml_doc {
    const char *file;          /* where a finding without a value points */
    struct yaml_block *blocks; /* all memory of the tree */
    size_t nodes, visits;
    bool exhausted; /* whoever reads ends: the budget is used up, or the tree lacks parts */
    bool out_of_memory;
    bool muted; /* no findings: what is being read will not be used */
    /* What is read is read again, for another job: of findings from this one on, none is added twice
     * for one place. SIZE_MAX = it is read for the first time. */
    size_t once_from;
    unsigned n_errors;
    struct config_findings *findings;
};

void yaml_doc_init(struct yaml_doc *doc, const char *file, struct config_findings *findings);
void yaml_doc_done(struct yaml_doc *doc);

/* Adds the values of one file (one YAML document) to the tree; `file` is its name in findings. An
 * empty file gives nothing (YAML_KIND_NULL). NULL after a finding or when memory is short. */
const struct yaml_value *yaml_doc_load(struct yaml_doc *doc, const char *file, const char *text,
                                       size_t len);

/* One finding FILE:LINE:COLUMN: sentence; `value` is where it points, NULL = the beginning of the
 * first file. */
void yaml_finding(struct yaml_doc *doc, enum config_severity severity,
                  const struct yaml_value *value, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Ends the reading; the caller says why, which concerns whoever muted it, too. */
void yaml_exhaust(struct yaml_doc *doc);

/* Counts one walked value; false, with one finding, once the budget is used up. */
bool yaml_visit(struct yaml_doc *doc, const struct yaml_value *value);

const struct yaml_pair *yaml_map_find(const struct yaml_map *map, const char *key);
/* The value of `key` in a mapping; NULL when it is not there, is nothing, or `value` is no mapping.
 */
const struct yaml_value *yaml_get(const struct yaml_value *value, const char *key);

const char *yaml_kind_name(enum yaml_kind kind); /* "a string", "a list", … */
bool yaml_truth(const struct yaml_value *value); /* it is true */
/* The text of a string, a number, true or false (by that name); else NULL. */
const char *yaml_scalar(const struct yaml_value *value);

/* New values, at the place of `like`; NULL when memory is short, which the document remembers. */
struct yaml_value *yaml_new(struct yaml_doc *doc, const struct yaml_value *like,
                            enum yaml_kind kind);
void yaml_add_item(struct yaml_doc *doc, struct yaml_value *list, const struct yaml_value *item);
/* Adds or replaces. */
void yaml_put(struct yaml_doc *doc, struct yaml_value *mapping, const struct yaml_pair *pair);
/* GitLab's deep merge: mappings are merged key by key, of all else `over` wins. */
const struct yaml_value *yaml_merge(struct yaml_doc *doc, const struct yaml_value *under,
                                    const struct yaml_value *over);
