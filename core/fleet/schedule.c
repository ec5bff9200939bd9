/* core/fleet/schedule.c - periods in a time zone, compiled and asked (schedule.h).
 *
 * A period is a set of minutes of local time. So time is walked in stretches in which the zone's
 * offset stays the same, and in each by days of 1440 minutes: what the clocks skip never comes, what
 * they show twice counts twice (V44, V45). */
#include "core/fleet/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/time_zone.h"

#define MINUTE_S 60
#define HOUR_MINUTES 60
#define DAY_MINUTES (DAY_HOURS * HOUR_MINUTES)
#define ALL_MINUTES ((UINT64_C(1) << HOUR_MINUTES) - 1)
/* Far enough from the ends of int64_t for every sum here: the year 30,000. */
#define WALL_MAX_S INT64_C(900000000000)

static int64_t divide_down(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int schedule_load(struct schedule *ret, char *const *periods, size_t n_periods, const char *zone,
                  period_parse_fn parse, struct error *err)
{
    int r;

    ret->periods = mem_array(n_periods + 1, sizeof(*ret->periods));
    if (!ret->periods)
        return error_set(err, -ENOMEM, "out of memory");
    for (; ret->n_periods < n_periods; ret->n_periods++) {
        r = parse(periods[ret->n_periods], &ret->periods[ret->n_periods], err);
        if (r < 0)
            return error_wrap(err, r, "periods[%zu]", ret->n_periods);
    }
    return n_periods > 0 ? time_zone_load(zone, &ret->zone, err) : 0;
}

void schedule_done(struct schedule *schedule)
{
    free(schedule->periods);
    time_zone_free(schedule->zone);
    *schedule = (struct schedule) { 0 };
}

int64_t schedule_second(int64_t wall_ms)
{
    return MIN(MAX(divide_down(wall_ms, 1000), -WALL_MAX_S), WALL_MAX_S);
}

/* The minutes of a local day in which a schedule is active; days since 1970. */
static void minutes_of_day(const struct schedule *schedule, int64_t day, uint64_t ret[DAY_HOURS])
{
    time_t midnight = (time_t) day * DAY_MINUTES * MINUTE_S;
    struct tm date;

    memset(ret, 0, DAY_HOURS * sizeof(*ret));
    (void) gmtime_r(&midnight, &date);
    for (size_t i = 0; i < schedule->n_periods; i++)
        if (period_has_date(&schedule->periods[i], date.tm_mon, date.tm_mday, date.tm_wday))
            period_add_minutes(&schedule->periods[i], ret);
}

/* The first minute of a day from `from` on that is active or not, as wanted; DAY_MINUTES = none. */
static int find_minute(const uint64_t minutes[DAY_HOURS], int from, bool active)
{
    for (int hour = from / HOUR_MINUTES; hour < DAY_HOURS; hour++, from = hour * HOUR_MINUTES) {
        uint64_t found = (active ? minutes[hour] : ~minutes[hour]) & ALL_MINUTES;

        found &= ALL_MINUTES << from % HOUR_MINUTES;
        if (found & ALL_MINUTES)
            return hour * HOUR_MINUTES + __builtin_ctzll(found);
    }
    return DAY_MINUTES;
}

/* The first local minute from `from` to before `end` that is as wanted, else `end`; minutes since
 * 1970 of a clock without zone. */
static int64_t find_local(const struct schedule *schedule, int64_t from, int64_t end, bool active)
{
    uint64_t minutes[DAY_HOURS];

    while (from < end) {
        int64_t day = divide_down(from, DAY_MINUTES);
        int found;

        minutes_of_day(schedule, day, minutes);
        found = find_minute(minutes, (int) (from - day * DAY_MINUTES), active);
        from = day * DAY_MINUTES + found;
        if (found < DAY_MINUTES)
            break;
    }
    return MIN(from, end);
}

int64_t schedule_find(const struct schedule *schedule, int64_t utc_s, int64_t end_s, bool active)
{
    if (schedule->n_periods == 0)
        return active ? utc_s : end_s;
    while (utc_s < end_s) {
        int64_t until_s, local, found;
        int32_t offset = time_zone_offset(schedule->zone, utc_s, &until_s);

        until_s = MIN(until_s, end_s);
        local = divide_down(utc_s + offset, MINUTE_S);
        found =
            find_local(schedule, local, divide_down(until_s + offset - 1, MINUTE_S) + 1, active);
        /* The minute that holds utc_s began before it. */
        found = MAX(found * MINUTE_S - offset, utc_s);
        if (found < until_s)
            return found;
        utc_s = until_s;
    }
    return end_s;
}

bool schedule_holds(const struct schedule *schedule, int64_t utc_s)
{
    return schedule_find(schedule, utc_s, utc_s + 1, true) == utc_s;
}
