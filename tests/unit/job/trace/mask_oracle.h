/* tests/unit/job/trace/mask_oracle.h - the definition of masking, searched naively.
 *
 * "Find all occurrences of all patterns in a stream's bytes. Merge those that overlap. Replace each
 * merged run by one [MASKED]. Everything else is unchanged and in order." (hardening.md §2.) Used
 * by the unit tests and the fuzz target; shares nothing with the masker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/job/trace/patterns.h"

struct oracle_occurrence {
    size_t start, end;
};

static inline int oracle_compare(const void *left, const void *right)
{
    const struct oracle_occurrence *a = left, *b = right;

    return (a->start > b->start) - (a->start < b->start);
}

/* With `cut`, what a stream that we stopped ends with counts as an occurrence too if it is the
 * beginning of a secret and has 8 bytes or more than half of it (M4). */
static inline bool oracle_begins_secret(const struct pattern *pattern, const char *data, size_t len)
{
    return len > 0 && len < pattern->len && (len >= 8 || 2 * len > pattern->len) &&
           memcmp(pattern->data, data, len) == 0;
}

static inline void oracle_mask(const struct patterns *patterns, const char *data, size_t len,
                               bool cut, struct buf *out)
{
    struct oracle_occurrence *found = calloc((len + 1) * (patterns->count + 1) * 2, sizeof(*found));
    size_t n = 0, at = 0;

    if (!found)
        abort();
    for (size_t i = 0; i < patterns->count; i++) {
        const struct pattern *pattern = &patterns->items[i];

        for (size_t start = 0; start < len; start++) {
            if (len - start >= pattern->len &&
                memcmp(pattern->data, data + start, pattern->len) == 0)
                found[n++] = (struct oracle_occurrence) { start, start + pattern->len };
            if (cut && oracle_begins_secret(pattern, data + start, len - start))
                found[n++] = (struct oracle_occurrence) { start, len };
        }
    }
    if (n > 0)
        qsort(found, n, sizeof(*found), oracle_compare);
    for (size_t i = 0; i < n;) {
        size_t start = found[i].start, end = found[i].end;

        for (i++; i < n && found[i].start < end; i++)
            if (found[i].end > end)
                end = found[i].end;
        buf_add(out, data + at, start - at);
        buf_add_str(out, "[MASKED]");
        at = end;
    }
    buf_add(out, data + at, len - at);
    free(found);
}
