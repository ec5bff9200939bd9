/* core/job/entry.h - what the entries of the payload's `artifacts` and `cache` have in common: when one is
 * kept, and what of the project directory it selects (job-execution.md 5.1, 6.1). For cache.c and
 * artifacts.c. */
#pragma once

#include <stdbool.h>

#include "core/base/json.h"

/* The list of that name; NULL when the payload has none. */
json_t *entries_of(json_t *payload, const char *name);
json_t *entry_array(json_t *entry, const char *key); /* NULL when it is missing or empty */
bool entry_untracked(json_t *entry);
/* Whether it is for jobs that end so. */
bool entry_applies(json_t *entry, bool success);
/* --path, --exclude and --untracked. */
void entry_add_selection(json_t *entry, json_t **words);
