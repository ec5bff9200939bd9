/* nestingd/size.c - see size.h. */
#include "nestingd/size.h"

#include <errno.h>
#include <inttypes.h>

#include "core/base/str.h"

static const char units[] = "KMGT";

int size_parse(const char *text, int64_t *ret)
{
    size_t digits = strspn(text, "0123456789");
    const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
    char number[24];
    int64_t n;
    int r;

    if (digits >= sizeof(number) || (text[digits] && !unit))
        return -EINVAL;
    if (unit && text[digits + 1] && !str_eq(text + digits + 1, "iB"))
        return -EINVAL;
    memcpy(number, text, digits);
    number[digits] = '\0';
    r = parse_i64(number, 0, INT64_MAX, &n);
    if (r < 0)
        return r;
    for (const char *u = units; unit && u <= unit; u++)
        if (__builtin_mul_overflow(n, 1024, &n))
            return -ERANGE;
    *ret = n;
    return 0;
}

void size_add(struct buf *out, int64_t bytes)
{
    size_t unit = 0;
    int64_t tenths;

    if (bytes < 1024) {
        buf_addf(out, "%" PRId64 " bytes", bytes);
        return;
    }
    while (bytes >= 1024 * 1024 && unit + 1 < strlen(units)) {
        bytes /= 1024;
        unit++;
    }
    tenths = bytes % 1024 * 10 / 1024;
    buf_addf(out, "%" PRId64, bytes / 1024);
    if (tenths > 0)
        buf_addf(out, ".%" PRId64, tenths);
    buf_addf(out, " %ciB", units[unit]);
}
