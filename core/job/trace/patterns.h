/* core/job/trace/patterns.h - which byte strings the masker looks for: the secrets as given and the
 * forms in which programs print them (hardening.md M1, M8 and §9).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

#define PATTERNS_MAX 1000
#define PATTERNS_MAX_BYTES (1024 * 1024)
#define PATTERN_MAX_BYTES (64 * 1024)
#define PATTERN_MIN_ENCODED                                                                        \
    8 /* shorter secrets have no encoded forms: they would hide plain text */

struct pattern {
    unsigned char *data;
    size_t len;
};

/* Owns its items and wipes them. Zeroed is empty. */
struct patterns {
    struct pattern *items;
    size_t count, capacity, bytes;
};

void patterns_done(struct patterns *patterns);

/* Trims `text` and appends it unless it is empty or there already; -E2BIG over the limits. */
int patterns_add(struct patterns *patterns, const char *text, struct error *err);

/* Appends a copy as it is, without limits or looking for duplicates; an empty one is dropped. */
int patterns_append(struct patterns *patterns, const void *data, size_t len);

/* Appends to `out` a copy of each given secret and, if `encodings`, its other forms. Call
 * patterns_sort() afterwards. */
int patterns_expand(const struct patterns *given, bool encodings, struct patterns *out);

/* Orders by bytes, a prefix before what it begins, and drops duplicates: what automaton_new()
 * wants.
 */
void patterns_sort(struct patterns *patterns);

/* The forms of one secret, without the secret (patterns_forms.c). */
int patterns_add_forms(struct patterns *out, const unsigned char *data, size_t len);
