/* core/job/variables.h - a job's variables: order, expansion, what is masked (job-execution.md 3.2
 * to 3.4). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "core/base/json.h"

struct variable {
    char *key, *value;
    bool file, raw, masked;
};

struct variables {
    struct variable *items;
    size_t n, cap;
};

void variables_done(struct variables *list); /* wipes the values */
int variables_add(struct variables *list, const char *key, const char *value);
/* The payload's array. -EINVAL with a sentence when a value can't be (hardening.md V5); names that
 * no shell takes are skipped and counted in *ret_skipped (V4). */
int variables_add_payload(struct variables *list, json_t *array, size_t *ret_skipped,
                          struct error *err);

/* Replaces every value that is not raw by its expansion, once, against the unexpanded list; a
 * reference to a file variable gives its path in `tmp_dir`. */
int variables_expand(struct variables *list, const char *tmp_dir);

/* The last definition's value; NULL when there is none. */
const char *variables_get(const struct variables *list, const char *key);
/* true/false in Go's forms, else the default. */
bool variables_flag(const struct variables *list, const char *key, bool fallback);
bool variable_name_valid(const char *name);
