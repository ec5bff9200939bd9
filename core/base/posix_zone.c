/* core/base/posix_zone.c - reading POSIX rules of time zones and asking them (posix_zone.h). */
#include "core/base/posix_zone.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400
#define OFFSET_HOURS_MAX 24
#define TIME_HOURS_MAX 167           /* RFC 8536 3.3.1: a week either way */
#define FAR_S INT64_C(1000000000000) /* 30,000 years, in which no rule lasts */

/* At least three letters, or more than letters in <>. */
static bool skip_name(const char **at)
{
    const char *begin = *at, *end;

    if (*begin == '<') {
        end = strchr(begin, '>');
        *at = end ? end + 1 : begin;
        return end && end - begin > 3;
    }
    for (end = begin; isalpha((unsigned char) *end); end++)
        ;
    *at = end;
    return end - begin >= 3;
}

static bool read_number(const char **at, int min, int max, int *ret)
{
    int number = 0, digits = 0;

    for (; isdigit((unsigned char) **at) && digits < 4; (*at)++, digits++)
        number = number * 10 + (**at - '0');
    *ret = number;
    return digits > 0 && number >= min && number <= max;
}

static bool skip_char(const char **at, char c)
{
    bool there = **at == c;

    *at += there;
    return there;
}

/* [+-]h[:m[:s]] */
static bool read_time(const char **at, int hours_max, int32_t *ret)
{
    bool negative = skip_char(at, '-');
    int hours, minutes = 0, seconds = 0;

    if (!negative)
        (void) skip_char(at, '+');
    if (!read_number(at, 0, hours_max, &hours))
        return false;
    if (skip_char(at, ':') && !read_number(at, 0, 59, &minutes))
        return false;
    if (skip_char(at, ':') && !read_number(at, 0, 59, &seconds))
        return false;
    *ret = (hours * 60 + minutes) * 60 + seconds;
    *ret = negative ? -*ret : *ret;
    return true;
}

static bool read_offset(const char **at, int32_t *ret)
{
    bool good = read_time(at, OFFSET_HOURS_MAX, ret);

    *ret = -*ret; /* POSIX counts west of Greenwich */
    return good;
}

static bool read_day(const char **at, struct posix_date *ret)
{
    if (skip_char(at, 'M')) {
        ret->kind = POSIX_DATE_WEEKDAY;
        return read_number(at, 1, 12, &ret->month) && skip_char(at, '.') &&
               read_number(at, 1, 5, &ret->week) && skip_char(at, '.') &&
               read_number(at, 0, 6, &ret->day);
    }
    ret->kind = skip_char(at, 'J') ? POSIX_DATE_NO_LEAP : POSIX_DATE_OF_THE_YEAR;
    return read_number(at, ret->kind == POSIX_DATE_NO_LEAP, 365, &ret->day);
}

static bool read_date(const char **at, struct posix_date *ret)
{
    ret->time_s = 2 * 3600;
    return skip_char(at, ',') && read_day(at, ret) &&
           (!skip_char(at, '/') || read_time(at, TIME_HOURS_MAX, &ret->time_s));
}

int posix_zone_parse(const char *text, struct posix_zone *ret)
{
    struct posix_zone zone = { 0 };

    if (!skip_name(&text) || !read_offset(&text, &zone.standard_s))
        return -EINVAL;
    if (*text) {
        zone.has_summer = true;
        zone.summer_s = zone.standard_s + 3600;
        if (!skip_name(&text) || (*text != ',' && !read_offset(&text, &zone.summer_s)) ||
            !read_date(&text, &zone.begins) || !read_date(&text, &zone.ends) || *text)
            return -EINVAL;
    }
    *ret = zone;
    return 0;
}

/* Midnight that begins a month, in the seconds of a clock without zone. */
static int64_t month_begins(int year, int month)
{
    struct tm date = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = 1 };

    return timegm(&date);
}

static int64_t weekday_of_month(const struct posix_date *date, int year)
{
    int64_t begin = month_begins(year, date->month), next = month_begins(year, date->month + 1);
    int weekday = (int) ((begin / DAY_S % 7 + 7 + 4) % 7); /* 1970 began on a Thursday */
    int64_t day = begin + (int64_t) ((date->day - weekday + 7) % 7 + 7 * (date->week - 1)) * DAY_S;

    return day < next ? day : day - 7 * DAY_S;
}

static int64_t local_time_of(const struct posix_date *date, int year)
{
    int64_t begin = month_begins(year, 1);
    bool leap = month_begins(year + 1, 1) - begin == 366 * DAY_S;

    switch (date->kind) {
    case POSIX_DATE_WEEKDAY:
        return weekday_of_month(date, year) + date->time_s;
    case POSIX_DATE_NO_LEAP:
        return begin + (int64_t) (date->day - 1 + (leap && date->day >= 60)) * DAY_S + date->time_s;
    default:
        return begin + (int64_t) date->day * DAY_S + date->time_s;
    }
}

/* What the changes around an instant make of it. */
struct changes {
    int64_t utc_s, last_s, until_s;
    int32_t offset_s;
};

static void look_at(struct changes *changes, int64_t at_s, int32_t offset_s)
{
    if (at_s > changes->utc_s) {
        changes->until_s = at_s < changes->until_s ? at_s : changes->until_s;
    } else if (at_s >= changes->last_s) {
        changes->last_s = at_s;
        changes->offset_s = offset_s;
    }
}

int32_t posix_zone_offset(const struct posix_zone *zone, int64_t utc_s, int64_t *ret_until_s)
{
    struct changes changes = { utc_s, INT64_MIN, INT64_MAX, zone->standard_s };
    time_t local;
    struct tm now;

    *ret_until_s = INT64_MAX;
    if (!zone->has_summer || utc_s < -FAR_S || utc_s > FAR_S)
        return zone->standard_s;
    local = (time_t) utc_s + zone->standard_s;
    (void) gmtime_r(&local, &now);
    /* A change may lie a week outside its year. Where both fall together, as in a summer time of the
     * whole year, it goes on. */
    for (int year = now.tm_year + 1898; year <= now.tm_year + 1902; year++)
        look_at(&changes, local_time_of(&zone->ends, year) - zone->summer_s, zone->standard_s);
    for (int year = now.tm_year + 1898; year <= now.tm_year + 1902; year++)
        look_at(&changes, local_time_of(&zone->begins, year) - zone->standard_s, zone->summer_s);
    *ret_until_s = changes.until_s;
    return changes.offset_s;
}
