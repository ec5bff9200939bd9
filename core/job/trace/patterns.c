/* core/job/trace/patterns.c - the list of secrets: trimming, duplicates, limits, order.
 *
 * Called by trace.c while a trace is set up, and with the encoded forms of patterns_forms.c when
 * the masker is built. Everything here is a secret, so memory is wiped before it is released.
 */
#include "core/job/trace/patterns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"

void patterns_done(struct patterns *patterns)
{
    for (size_t i = 0; i < patterns->count; i++) {
        secret_wipe(patterns->items[i].data, patterns->items[i].len);
        free(patterns->items[i].data);
    }
    free(patterns->items);
    *patterns = (struct patterns) { 0 };
}

int patterns_append(struct patterns *patterns, const void *data, size_t len)
{
    unsigned char *copy;

    if (len == 0)
        return 0;
    if (patterns->count == patterns->capacity) {
        size_t capacity = patterns->capacity ? 2 * patterns->capacity : 32;
        struct pattern *items = mem_resize(patterns->items, capacity, sizeof(*items));

        if (!items)
            return -ENOMEM;
        patterns->items = items;
        patterns->capacity = capacity;
    }
    copy = mem_dup(data, len);
    if (!copy)
        return -ENOMEM;
    patterns->items[patterns->count++] = (struct pattern) { .data = copy, .len = len };
    patterns->bytes += len;
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool contains(const struct patterns *patterns, const char *text, size_t len)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (patterns->items[i].len == len && memcmp(patterns->items[i].data, text, len) == 0)
            return true;
    return false;
}

int patterns_add(struct patterns *patterns, const char *text, struct error *err)
{
    size_t len = text ? strlen(text) : 0;
    int rc;

    while (len > 0 && is_space(text[len - 1]))
        len--;
    while (len > 0 && is_space(text[0])) {
        text++;
        len--;
    }
    if (len == 0 || contains(patterns, text, len))
        return 0;
    if (patterns->count == PATTERNS_MAX)
        return error_set(err, -E2BIG,
                         "the job has more than %d values to mask; masked variables and "
                         "credentials must be fewer",
                         PATTERNS_MAX);
    if (len > PATTERN_MAX_BYTES)
        return error_set(err, -E2BIG,
                         "a value to mask has %zu bytes; at most %d can be masked, make the "
                         "masked variable shorter",
                         len, PATTERN_MAX_BYTES);
    if (patterns->bytes + len > PATTERNS_MAX_BYTES)
        return error_set(err, -E2BIG,
                         "the values to mask have more than %d bytes together; use fewer or "
                         "shorter masked variables",
                         PATTERNS_MAX_BYTES);
    rc = patterns_append(patterns, text, len);
    if (rc < 0)
        return error_set(err, rc, "no memory for the values to mask");
    return 0;
}

int patterns_expand(const struct patterns *given, bool encodings, struct patterns *out)
{
    for (size_t i = 0; i < given->count; i++) {
        const struct pattern *secret = &given->items[i];
        int rc = patterns_append(out, secret->data, secret->len);

        if (rc == 0 && encodings && secret->len >= PATTERN_MIN_ENCODED)
            rc = patterns_add_forms(out, secret->data, secret->len);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int compare_patterns(const void *left, const void *right)
{
    const struct pattern *a = left, *b = right;
    int order = memcmp(a->data, b->data, MIN(a->len, b->len));

    if (order != 0)
        return order;
    return (a->len > b->len) - (a->len < b->len);
}

void patterns_sort(struct patterns *patterns)
{
    size_t kept = 0;

    if (patterns->count == 0)
        return;
    qsort(patterns->items, patterns->count, sizeof(*patterns->items), compare_patterns);
    for (size_t i = 1; i < patterns->count; i++) {
        struct pattern *item = &patterns->items[i];

        if (compare_patterns(&patterns->items[kept], item) == 0) {
            patterns->bytes -= item->len;
            secret_wipe(item->data, item->len);
            free(item->data);
        } else {
            patterns->items[++kept] = *item;
        }
    }
    patterns->count = kept + 1;
}
