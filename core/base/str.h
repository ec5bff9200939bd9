/* core/base/str.h - strings: comparing, whole-string parsing of numbers and durations, showing
 * outside text to people.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/error.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Each argument is worked out once: of a look at the clock, a second one may say something else. For constants, the
 * macros of <sys/param.h> would do. */
#undef MIN
#undef MAX
#define MIN(a, b) STR_PICK(<, a, b, __COUNTER__)
#define MAX(a, b) STR_PICK(>, a, b, __COUNTER__)
#define STR_PICK(is, a, b, n) STR_PICK_AS(is, a, b, n)
#define STR_PICK_AS(is, a, b, n)                                                                   \
    __extension__({                                                                                \
        const __typeof__(a) left_##n##_ = (a);                                                     \
        const __typeof__(b) right_##n##_ = (b);                                                    \
        left_##n##_ is right_##n##_ ? left_##n##_ : right_##n##_;                                  \
    })

static inline bool str_eq(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}
static inline bool str_empty(const char *a)
{
    return !a || !*a;
}
bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
int str_copy(char *dst, size_t size,
             const char *src); /* -ENAMETOOLONG and dst = "" when it does not fit */

/* Behind a noun in a sentence: "1 job", "2 jobs". */
static inline const char *str_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* For sentences: dst gets as much as fits, in whole characters. Returns whether dst changed. */
bool str_cut(char *dst, size_t size, const char *src);

/* The whole string must be a decimal number within [min, max]; else -EINVAL or -ERANGE and *ret
 * untouched (hardening.md V2). */
int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret);

/* The whole string must be digits with at most one point, such as "0.25"; else -EINVAL. */
int parse_real(const char *text, double *ret);

/* Go duration syntax: "1h30m", "1.5h", "90s", "250ms", "0"; result in milliseconds, rounded down.
 * Negative values are accepted and given as such. */
int parse_duration_ms(const char *text, int64_t *ret);
void format_duration(struct buf *out,
                     int64_t ms); /* as Go prints it: "1h0m0s", "1m30s", "250ms", "0s" */

void format_utc(struct buf *out, int64_t wall_ms); /* "2026-11-23T10:00:00Z" */

/* Text from outside, made safe for a terminal or a log line: control bytes and invalid UTF-8 as
 * \xNN, cut to `max` bytes with "…". */
void str_display(struct buf *out, const char *text, size_t len, size_t max);

/* Distance between two words, for "did you mean"; stops counting at `limit`. */
size_t str_distance(const char *a, const char *b, size_t limit);

bool utf8_valid(const char *data, size_t len);
bool mem_equal_secret(const void *a, const void *b,
                      size_t len); /* constant time (hardening.md S7) */

int base64_encode(struct buf *out, const void *data, size_t len);
void hex_encode(char *dst, const void *data, size_t len); /* dst holds 2 * len + 1 bytes */
