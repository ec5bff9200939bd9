/* sdk/lib/duration.c - see the header. */
#include "sdk/lib/duration.h"

#include <math.h>
#include <string.h>

#define MAX_MS (365 * 86400e3)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* One number with its unit; moves *text behind it. */
static int read_span(const char **text, double *ret_ms)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {
        { "ns", 1e-6 }, { "us", 1e-3 }, { "\xc2\xb5s", 1e-3 }, { "\xce\xbcs", 1e-3 },
        { "ms", 1 },    { "s", 1000 },  { "m", 60 * 1000.0 },  { "h", 3600 * 1000.0 },
    };
    const char *p = *text;
    double number = 0, scale = 1;
    int digits = 0;

    for (; *p >= '0' && *p <= '9'; p++, digits = 1)
        number = number * 10 + (*p - '0');
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++, digits = 1) {
            scale /= 10;
            number += scale * (*p - '0');
        }
    for (size_t i = 0; digits && i < COUNT(units); i++) {
        size_t len = strlen(units[i].unit);

        if (strncmp(p, units[i].unit, len) == 0) {
            *ret_ms = number * units[i].ms;
            *text = p + len;
            return 0;
        }
    }
    return -1;
}

static int take(double ms, int64_t *ret_ms)
{
    if (!isfinite(ms) || ms < 0 || ms > MAX_MS)
        return -1;
    *ret_ms = (int64_t) ms;
    return 0;
}

int flt_duration_parse(const char *text, int64_t *ret_ms)
{
    double sum = 0, part = 0;

    if (strcmp(text, "0") == 0)
        return take(0, ret_ms);
    if (!*text)
        return -1;
    while (*text) {
        if (read_span(&text, &part) < 0)
            return -1;
        sum += part;
    }
    return take(sum, ret_ms);
}

int flt_duration_of_json(struct json_object *value, int64_t *ret_ms)
{
    if (json_object_is_type(value, json_type_string))
        return flt_duration_parse(json_object_get_string(value), ret_ms);
    if (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double))
        return take(json_object_get_double(value) * 1000, ret_ms);
    return -1;
}
