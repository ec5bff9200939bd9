/* tests/unit/fleet/fixture.h - a fleet in the states that tests of its files start from. Include it after cmocka.h. */
#pragma once

#include "core/base/str.h"
#include "core/fleet/scaler.h"

#define MINUTE ((int64_t) 60 * 1000)
#define NOW ((int64_t) 100 * 24 * 60 * MINUTE)

static inline void ignore(void *arg, const struct fleet_change *change)
{
    (void) arg;
    (void) change;
}

/* A running instance of the ledger that is ready since NOW, unless `saved` says otherwise (ready_ms -1: it is not).
 */
static inline void restore(struct fleet *fleet, const char *id, struct fleet_instance saved)
{
    (void) str_copy(saved.id, sizeof(saved.id), id);
    saved.state = INSTANCE_RUNNING;
    saved.first_seen_ms = NOW - 60 * MINUTE;
    saved.ready_ms = saved.ready_ms < 0 ? 0 : saved.ready_ms ? saved.ready_ms : NOW;
    saved.idle_since_ms = saved.idle_since_ms ? saved.idle_since_ms : NOW;
    assert_int_equal(fleet_restore(fleet, &saved), 0);
}

static inline uint32_t planned(struct fleet *fleet, int64_t now, bool removals)
{
    struct scaler_plan plan = { 0 };
    uint32_t n;

    assert_int_equal(scaler_plan(fleet, now, 1, &plan), 0);
    n = removals ? (uint32_t) plan.n_removals : plan.request;
    scaler_plan_done(&plan);
    return n;
}
