/* core/fleet/schedule.h - when something holds: periods of local time in a time zone.
 *
 * Compiled from the configuration once, the zone file included; asking is pure. For policies
 * (policy.h), and for the times that jobs may queue (core/supervisor/queuing.h).
 */
#pragma once

#include <stddef.h>

#include "core/config/period.h"

struct time_zone;

struct schedule {
    struct period *periods; /* none = always */
    size_t n_periods;
    struct time_zone *zone; /* NULL when nobody asks for the time */
};

/* `*ret` is zero; schedule_done() it, also after a failure. */
int schedule_load(struct schedule *ret, char *const *periods, size_t n_periods, const char *zone,
                  period_parse_fn parse, struct error *err);
void schedule_done(struct schedule *schedule);

/* A time of the wall clock for those below; absurd ones become the nearest that they take. */
int64_t schedule_second(int64_t wall_ms);
bool schedule_holds(const struct schedule *schedule, int64_t utc_s);
/* The first instant from `utc_s` to before `end_s` at which it holds or not, as wanted, else `end_s`. */
int64_t schedule_find(const struct schedule *schedule, int64_t utc_s, int64_t end_s, bool active);
