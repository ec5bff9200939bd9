/* core/base/posix_zone.h - the rule of a time zone as POSIX writes it, such as
 * "CET-1CEST,M3.5.0,M10.5.0/3": what holds after the table of a zone file ends (RFC 8536 3.3), and
 * what a TZ of the environment may be. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum posix_date_kind {
    POSIX_DATE_WEEKDAY,    /* Mm.w.d: the w-th weekday d of month m, 5 = the last one */
    POSIX_DATE_NO_LEAP,    /* Jn: 1 to 365, February 29 is not counted */
    POSIX_DATE_OF_THE_YEAR /* n: 0 to 365 */
};
struct posix_date {
    enum posix_date_kind kind;
    int month, week, day;
    int32_t time_s; /* local, from that day's midnight on; may lie days away */
};
struct posix_zone {
    int32_t standard_s, summer_s; /* seconds east of Greenwich */
    bool has_summer;
    struct posix_date begins, ends; /* of summer time */
};

int posix_zone_parse(const char *text, struct posix_zone *ret); /* 0 or -EINVAL */
/* Seconds east of Greenwich at an instant, and when that can change next (INT64_MAX = never). */
int32_t posix_zone_offset(const struct posix_zone *zone, int64_t utc_s, int64_t *ret_until_s);
