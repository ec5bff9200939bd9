/* core/config/period.h - a set of minutes of local time, written as cron does (autoscaler.md 6.2).
 *
 * "* 8-15 * * mon-fri" is every minute from 08:00 to 15:59 on these days. Compiled once into bit
 * sets; asking is pure. Checked when the configuration is read, asked by fleet/policy.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

#define DAY_HOURS 24

struct period {
    uint64_t minutes; /* bit 0 = minute 0 */
    uint32_t hours;   /* bit 0 = hour 0 */
    uint32_t days;    /* bit 1 = the 1st */
    uint16_t months;  /* bit 1 = January */
    uint8_t weekdays; /* bit 0 = Sunday */
    bool either_day;  /* both day fields are restricted: one of them is enough, as in cron */
};

/* Five fields between spaces: minute 0-59, hour 0-23, day of the month 1-31, month 1-12 or JAN-DEC,
 * weekday 0-7 or SUN-SAT. Each is a list of '*', a number, a range, and a step behind '*' or a
 * range. 0 or -EINVAL and a sentence that names the field: "minute \"61\" is not in 0-59". */
int period_parse(const char *text, struct period *ret, struct error *err);
/* Elsewhere GitLab Runner takes years behind the five fields, and then seconds before them. Where both
 * restrict nothing the five are all that is said, and a piece of `text`; else -EINVAL. */
int period_shorten(const char *text, const char **ret, size_t *ret_len, struct error *err);
/* Both, one after the other. */
int period_parse_long(const char *text, struct period *ret, struct error *err);
typedef int (*period_parse_fn)(const char *text, struct period *ret, struct error *err);

/* Whether some minute of a date is in it; the date as struct tm counts: month 0-11, weekday 0-6. */
bool period_has_date(const struct period *period, int month, int day, int weekday);
bool period_is_always(const struct period *period);
bool period_is_never(const struct period *period); /* such as February 30 */
/* Adds its minutes to those of a day; bit 0 of ret[0] = 00:00. */
void period_add_minutes(const struct period *period, uint64_t ret[DAY_HOURS]);
