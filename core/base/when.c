/* core/base/when.c - reading and showing points in time (when.h). */
#include "core/base/when.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/str.h"

#define MINUTE_S 60
#define HOUR_MINUTES 60
#define OFFSET_HOURS_MAX 26
#define YEAR_MAX 9999

/* Exactly `digits` digits and then, unless it is 0, `behind`. */
static bool read_number(const char **at, int digits, char behind, int min, int max, int *ret)
{
    *ret = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (!isdigit((unsigned char) **at))
            return false;
        *ret = *ret * 10 + (**at - '0');
    }
    if (*ret < min || *ret > max || (behind && **at != behind))
        return false;
    *at += behind != 0;
    return true;
}

/* A day that its month does not have is none. */
static bool read_day(const char **at, struct tm *ret)
{
    struct tm normal;
    int year, month, day;

    if (!read_number(at, 4, '-', 1, YEAR_MAX, &year) || !read_number(at, 2, '-', 1, 12, &month) ||
        !read_number(at, 2, 0, 1, 31, &day))
        return false;
    *ret = (struct tm) { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };
    normal = *ret;
    (void) timegm(&normal);
    return normal.tm_mday == day;
}

/* What is finer than a millisecond is left out. */
static bool read_fraction(const char **at, int64_t *ret_ms)
{
    int64_t unit_ms = 100;

    if (**at != '.')
        return true;
    (*at)++;
    if (!isdigit((unsigned char) **at))
        return false;
    for (; isdigit((unsigned char) **at); (*at)++, unit_ms /= 10)
        *ret_ms += (**at - '0') * unit_ms;
    return true;
}

static bool read_clock(const char **at, struct tm *ret, int64_t *ret_ms)
{
    if (!read_number(at, 2, ':', 0, 23, &ret->tm_hour) ||
        !read_number(at, 2, 0, 0, 59, &ret->tm_min))
        return false;
    if (**at != ':')
        return true;
    (*at)++;
    return read_number(at, 2, 0, 0, 59, &ret->tm_sec) && read_fraction(at, ret_ms);
}

/* "Z", "UTC", "+02:00", "+0200", "+02" */
static bool read_offset(const char *at, int *ret_s)
{
    int sign = *at == '-' ? -1 : 1, hours = 0, minutes = 0;

    *ret_s = 0;
    if (str_eq(at, "Z") || str_eq(at, "UTC"))
        return true;
    if (*at != '+' && *at != '-')
        return false;
    at++;
    if (!read_number(&at, 2, 0, 0, OFFSET_HOURS_MAX, &hours))
        return false;
    if (*at == ':' && !isdigit((unsigned char) *++at))
        return false;
    if (*at && !read_number(&at, 2, 0, 0, HOUR_MINUTES - 1, &minutes))
        return false;
    *ret_s = sign * (hours * HOUR_MINUTES + minutes) * MINUTE_S;
    return *at == '\0';
}

int when_parse(const char *text, const struct time_zone *zone, int64_t *ret_ms)
{
    int64_t fraction_ms = 0, seconds;
    struct tm date;
    int offset_s;

    if (!read_day(&text, &date))
        return -EINVAL;
    if (*text == 'T' || *text == ' ') {
        text++;
        if (!read_clock(&text, &date, &fraction_ms))
            return -EINVAL;
    }
    seconds = timegm(&date);
    if (!*text) {
        *ret_ms = (zone ? time_zone_to_utc(zone, seconds) : seconds) * 1000 + fraction_ms;
        return 0;
    }
    text += *text == ' ';
    if (!read_offset(text, &offset_s))
        return -EINVAL;
    *ret_ms = (seconds - offset_s) * 1000 + fraction_ms;
    return 0;
}

/* What clocks show then, and how many minutes they are ahead of Greenwich. */
static void add_time(struct buf *out, int64_t utc_s, const struct time_zone *zone, bool iso)
{
    int64_t ignored;
    int offset = time_zone_offset(zone, utc_s, &ignored) / MINUTE_S;
    time_t local = (time_t) utc_s + (time_t) offset * MINUTE_S;
    char text[64];
    struct tm date;

    (void) gmtime_r(&local, &date);
    (void) strftime(text, sizeof(text), iso ? "%Y-%m-%dT%H:%M:%S" : "%a %Y-%m-%d %H:%M ", &date);
    buf_addf(out, "%s%c%02d:%02d", text, offset < 0 ? '-' : '+', abs(offset) / HOUR_MINUTES,
             abs(offset) % HOUR_MINUTES);
}

void when_format(struct buf *out, int64_t utc_s, const struct time_zone *zone)
{
    add_time(out, utc_s, zone, false);
}

void when_format_iso(struct buf *out, int64_t utc_s, const struct time_zone *zone)
{
    add_time(out, utc_s, zone, true);
}
