/* core/job/variables.h - a job's variables: order, expansion, what is masked (job-execution.md 3.2
 * to 3.4). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/json.h"

struct variable {
    char *key, *text; /* as it was given: what references to others are looked up in */
    char *expanded;   /* NULL = nothing in it to expand */
    bool file, raw, masked;
};

struct variables {
    struct variable *items;
    size_t n, cap;
    bool masks_set; /* the log hides the masked values as they are now: they must not change */
};

void variables_done(struct variables *list); /* wipes the values */
int variables_add(struct variables *list, const char *key, const char *value);
/* One whose value becomes a file's content, as it is. */
int variables_add_file(struct variables *list, const char *key, const char *value, bool masked);
/* Gives the first definition another value; what comes behind it still wins. */
int variables_fill(struct variables *list, const char *key, const char *value);
/* From here on there is one definition, where the first one was. */
int variables_settle(struct variables *list, const char *key, const char *value);
/* The payload's array. Negative with a sentence when a value can't be: -EINVAL for its type or a NUL
 * byte, -EFBIG for its length, -E2BIG for their number (hardening.md V5); names that no shell takes
 * are skipped and counted in *ret_skipped (V4). */
int variables_add_payload(struct variables *list, json_t *array, size_t *ret_skipped,
                          struct error *err);

/* Expands every value that is not raw, once, against the values as they were given; a reference to
 * a file variable gives its path in `tmp_dir`. May be repeated when the list has grown. -EFBIG when
 * V5 does not hold afterwards, -EINVAL when a masked value would change under its mask. */
int variables_expand(struct variables *list, const char *tmp_dir, struct error *err);

/* Any other text, by the same rules. */
void variables_expand_text(const struct variables *list, const char *text, const char *tmp_dir,
                           struct buf *out);

static inline const char *variable_value(const struct variable *variable)
{
    return variable->expanded ? variable->expanded : variable->text;
}

/* The last definition's value; NULL when there is none. */
const char *variables_get(const struct variables *list, const char *key);
/* true/false in Go's forms; else -EINVAL and *ret untouched. */
int variable_parse_bool(const char *text, bool *ret);
/* The same of the last definition, else the default. */
bool variables_flag(const struct variables *list, const char *key, bool fallback);
bool variable_name_valid(const char *name);
