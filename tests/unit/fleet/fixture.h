/* tests/unit/fleet/fixture.h - a fleet in the states that tests of its files start from. Include it after cmocka.h. */
#pragma once

#include "core/base/str.h"
#include "core/fleet/scaler.h"

#define SECOND ((int64_t) 1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
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

/* Unset: C 1, U 0, MAX 10, T 20m, as in the vectors of the autoscaler reference. */
static inline struct fleet *make_fleet(struct fleet_config config)
{
    struct fleet *fleet = NULL;

    config.capacity = MAX(config.capacity, 1U);
    config.max_instances = config.max_instances ? config.max_instances : 10;
    config.policy.idle_time_ms =
        config.policy.idle_time_ms ? config.policy.idle_time_ms : 20 * MINUTE;
    config.pending_limit_ms = 15 * MINUTE;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    return fleet;
}

/* A complete list: each letter is the id of an instance. */
static inline void list(struct fleet *fleet, int64_t now, const char *ids, enum instance_state each)
{
    struct fleet_listed listed[16] = { { 0 } };
    char names[16][2] = { { 0 } };
    size_t n = strlen(ids);

    assert_true(n <= ARRAY_LEN(listed));
    for (size_t i = 0; i < n; i++) {
        names[i][0] = ids[i];
        listed[i] = (struct fleet_listed) { .id = names[i], .state = each };
    }
    assert_int_equal(fleet_on_list(fleet, now, listed, n, true, ignore, NULL, NULL), 0);
}

static inline void list_running(struct fleet *fleet, int64_t now, const char *ids)
{
    list(fleet, now, ids, INSTANCE_RUNNING);
}

/* A job comes. The instance that it gets, and `slot` of it, or "". */
static inline const char *acquire(struct fleet *fleet, int64_t seq, int64_t now, uint32_t *slot)
{
    const struct fleet_instance *instance = NULL;
    int64_t served = 0;

    assert_int_equal(fleet_wait(fleet, seq, false), 0);
    if (fleet_assign_next(fleet, now, &served, &instance, slot) != 1)
        return "";
    assert_int_equal(served, seq);
    return instance->id;
}

/* Ids that are letters, side by side. */
struct letters {
    char text[32];
};

static inline void add_letter(struct letters *letters, const char *id)
{
    size_t n = strlen(letters->text);

    assert_true(n + 1 < sizeof(letters->text) && strlen(id) == 1);
    letters->text[n] = *id;
}

/* What would be removed now; each for that reason. */
static inline struct letters removals(struct fleet *fleet, int64_t now, enum fleet_reason why)
{
    struct letters letters = { { 0 } };
    struct scaler_plan plan = { 0 };

    assert_int_equal(scaler_plan(fleet, now, 1, &plan), 0);
    for (size_t i = 0; i < plan.n_removals; i++) {
        assert_int_equal(plan.removals[i].reason, why);
        add_letter(&letters, plan.removals[i].id);
    }
    scaler_plan_done(&plan);
    return letters;
}

/* What decrease is to be asked for now, again after a minute. */
static inline struct letters removable(struct fleet *fleet, int64_t now)
{
    struct letters letters = { { 0 } };
    const char *ids[16];
    size_t n = fleet_removable(fleet, now, MINUTE, ids, ARRAY_LEN(ids));

    for (size_t i = 0; i < n; i++)
        add_letter(&letters, ids[i]);
    return letters;
}

/* n instances that a former run ordered are on their way. */
static inline void expect(struct fleet *fleet, uint32_t n, int64_t expires_ms)
{
    struct fleet_former_order order = { n, 0, expires_ms, true };

    fleet_restore_orders(fleet, NOW, &order, 1, NULL, 0);
}

/* Orders what is planned, and the provider takes `accepted` of it. What was planned. */
static inline uint32_t order(struct fleet *fleet, int64_t now, uint32_t accepted)
{
    uint32_t n = planned(fleet, now, false);

    fleet_request(fleet, n, now);
    fleet_on_increase(fleet, now, fleet_requested(fleet), accepted);
    return n;
}
