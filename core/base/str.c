/* core/base/str.c - comparing, parsing whole strings, showing outside text (str.h). */
#include "core/base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/mem.h"

bool str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
    size_t len = strlen(text), tail = strlen(suffix);

    return len >= tail && strcmp(text + len - tail, suffix) == 0;
}

int str_copy(char *dst, size_t size, const char *src)
{
    size_t len = strlen(src);

    if (len >= size) {
        if (size > 0)
            dst[0] = '\0';
        return -ENAMETOOLONG;
    }
    memmove(dst, src, len + 1);
    return 0;
}

bool str_cut(char *dst, size_t size, const char *src)
{
    size_t len = strlen(src), n = MIN(len, size - 1);
    bool changed;

    while (n > 0 && n < len && ((unsigned char) src[n] & 0xc0) == 0x80)
        n--;
    changed = strncmp(dst, src, n) != 0 || dst[n] != '\0';
    memmove(dst, src, n);
    dst[n] = '\0';
    return changed;
}

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    const char *digits = text;
    char *end;
    int64_t value;

    if (*digits == '-')
        digits++;
    if (*digits < '0' || *digits > '9')
        return -EINVAL;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (*end)
        return -EINVAL;
    if (errno == ERANGE || value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

/* One unit of Go's duration syntax in nanoseconds; advances *text. */
static int parse_unit(const char **text, double *ret_ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = { { "ns", 1 },   { "us", 1e3 }, { "\xc2\xb5s", 1e3 }, { "\xce\xbcs", 1e3 },
                  { "ms", 1e6 }, { "s", 1e9 },  { "m", 60e9 },        { "h", 3600e9 } };

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_starts(*text, units[i].name) &&
            !(units[i].name[0] == 'm' && !units[i].name[1] && (*text)[1] == 's')) {
            *ret_ns = units[i].ns;
            *text += strlen(units[i].name);
            return 0;
        }
    return -EINVAL;
}

/* Digits with at most one point; advances *text. */
static int parse_decimal(const char **text, double *ret)
{
    double value = 0, scale = 1;
    bool digits = false, point = false;

    for (; (**text >= '0' && **text <= '9') || (**text == '.' && !point); (*text)++) {
        if (**text == '.') {
            point = true;
            continue;
        }
        digits = true;
        value = value * 10 + (**text - '0');
        if (point)
            scale *= 10;
    }
    if (!digits)
        return -EINVAL;
    *ret = value / scale;
    return 0;
}

int parse_real(const char *text, double *ret)
{
    double value;

    if (parse_decimal(&text, &value) < 0 || *text)
        return -EINVAL;
    *ret = value;
    return 0;
}

int parse_duration_ms(const char *text, int64_t *ret)
{
    bool negative = *text == '-';
    double total = 0, number, unit;
    int64_t ms;

    if (*text == '-' || *text == '+')
        text++;
    if (str_eq(text, "0")) {
        *ret = 0;
        return 0;
    }
    if (!*text)
        return -EINVAL;
    while (*text) {
        if (parse_decimal(&text, &number) < 0 || parse_unit(&text, &unit) < 0)
            return -EINVAL;
        total += number * unit;
    }
    /* Go's range: 2^63 nanoseconds, about 292 years. Half a nanosecond makes up for fractions that
     * have no exact binary form. */
    if (!(total < 9.2e18))
        return -ERANGE;
    ms = (int64_t) ((total + 0.5) / 1e6);
    *ret = negative ? -ms : ms;
    return 0;
}

void format_duration(struct buf *out, int64_t ms)
{
    int64_t seconds, minutes;

    if (ms < 0) {
        buf_add_char(out, '-');
        ms = ms == INT64_MIN ? INT64_MAX : -ms;
    }
    if (ms == 0) {
        buf_add_str(out, "0s");
        return;
    }
    if (ms < 1000) {
        buf_addf(out, "%" PRId64 "ms", ms);
        return;
    }
    seconds = ms / 1000;
    minutes = seconds / 60;
    if (minutes >= 60)
        buf_addf(out, "%" PRId64 "h", minutes / 60);
    if (minutes > 0)
        buf_addf(out, "%" PRId64 "m", minutes % 60);
    buf_addf(out, "%" PRId64, seconds % 60);
    if (ms % 1000) {
        int64_t fraction = ms % 1000;
        int width = 3;

        for (; fraction % 10 == 0; width--)
            fraction /= 10;
        buf_addf(out, ".%0*" PRId64, width, fraction);
    }
    buf_add_char(out, 's');
}

void format_utc(struct buf *out, int64_t wall_ms)
{
    time_t when = (time_t) (wall_ms / 1000);
    char text[64] = "";
    struct tm utc;

    if (gmtime_r(&when, &utc))
        (void) strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    buf_add_str(out, *text ? text : "1970-01-01T00:00:00Z");
}

/* Length of the valid UTF-8 sequence at `data`, 0 when there is none. */
static size_t utf8_sequence(const unsigned char *data, size_t len)
{
    size_t n;
    uint32_t code;

    if (data[0] < 0x80)
        return 1;
    if (data[0] >= 0xc2 && data[0] <= 0xdf)
        n = 2;
    else if ((data[0] & 0xf0) == 0xe0)
        n = 3;
    else if (data[0] >= 0xf0 && data[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (len < n)
        return 0;
    code = data[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (data[i] & 0x3fU);
    }
    if ((n == 3 && code < 0x800) || (n == 4 && code < 0x10000) || code > 0x10ffff ||
        (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return n;
}

bool utf8_valid(const char *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_sequence((const unsigned char *) data + i, len - i);

        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

/* Marks that turn the direction of the text behind them: a line would read as another one. */
static bool turns_direction(const unsigned char *at, size_t n)
{
    return n == 3 && at[0] == 0xe2 &&
           ((at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae) ||
            (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

/* How the next character is shown, in `shown`; returns how many bytes of the input that was. */
static size_t display_next(const unsigned char *at, size_t len, char shown[17])
{
    size_t n = utf8_sequence(at, len);

    /* C1 controls are two bytes in UTF-8 and drive terminals too. */
    if (n > 0 && at[0] >= 0x20 && at[0] != 0x7f && !(n == 2 && at[0] == 0xc2 && at[1] < 0xa0) &&
        !turns_direction(at, n)) {
        memcpy(shown, at, n);
        shown[n] = '\0';
        return n;
    }
    n = MAX(n, (size_t) 1);
    for (size_t i = 0; i < n; i++)
        (void) snprintf(shown + 4 * i, 5, "\\x%02x", at[i]);
    return n;
}

void str_display(struct buf *out, const char *text, size_t len, size_t max)
{
    size_t start = out->len, fits = out->len;
    char shown[17];

    for (size_t i = 0; i < len;) {
        i += display_next((const unsigned char *) text + i, len - i, shown);
        buf_add_str(out, shown);
        if (buf_error(out))
            return;
        if (out->len - start > max) {
            /* Whole characters only: back to the last one that fits. */
            out->len = fits;
            buf_add_str(out, "\xe2\x80\xa6");
            return;
        }
        fits = out->len;
    }
}

size_t str_distance(const char *a, const char *b, size_t limit)
{
    size_t row[65], la = strlen(a), lb = strlen(b);

    if (la > 64 || lb > 64 || (la > lb ? la - lb : lb - la) > limit)
        return limit + 1;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j];

            row[j] = MIN(MIN(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return MIN(row[lb], limit + 1);
}

bool mem_equal_secret(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char differs = 0;

    for (size_t i = 0; i < len; i++)
        differs = (unsigned char) (differs | (x[i] ^ y[i]));
    return differs == 0;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(struct buf *out, const void *data, size_t len)
{
    const unsigned char *in = data;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t) in[i] << 16;
        char quad[4];

        v |= i + 1 < len ? (uint32_t) in[i + 1] << 8 : 0;
        v |= i + 2 < len ? in[i + 2] : 0;
        quad[0] = base64_digits[v >> 18];
        quad[1] = base64_digits[v >> 12 & 63];
        quad[2] = i + 1 < len ? base64_digits[v >> 6 & 63] : '=';
        quad[3] = i + 2 < len ? base64_digits[v & 63] : '=';
        buf_add(out, quad, 4);
    }
    return buf_error(out);
}

void hex_encode(char *dst, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = data;

    for (size_t i = 0; i < len; i++) {
        dst[2 * i] = digits[in[i] >> 4];
        dst[2 * i + 1] = digits[in[i] & 15];
    }
    dst[2 * len] = '\0';
}
