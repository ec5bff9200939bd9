/* tests/unit/fleet/test_vectors.c - the vectors of the autoscaler reference (section 15) that are one evaluation or
 * some reservations; those that take several events are in test_vector_events.c. scripts/lint knows that none is
 * missing. What is wanted is the reference's; where it were not, the row would name the rule that asks for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "tests/unit/fleet/fixture.h"

struct have { /* `count` instances alike; idle only counts when nothing runs on them */
    uint32_t count, acquired, used;
    int64_t idle_minutes;
    bool removing;
};

struct want {
    uint32_t wanted, request, cancel;
    enum fleet_reason reason;
    const char
        *removals;      /* ids: those of the first kind are a-00, a-01..., of the second b-00... */
    uint32_t potential; /* slots that are or could be made; 0 = the reference does not say */
};

struct row {
    const char *vector, *why;
    struct fleet_config config;
    struct have have[3];
    uint32_t waiting, reserved, requested, pending;
    struct want want;
};

static void add_instances(struct fleet *fleet, const struct have *have, char letter, int64_t *seq)
{
    for (uint32_t i = 0; i < have->count; i++) {
        char id[32];

        (void) snprintf(id, sizeof(id), "%c-%02u", letter, i);
        restore(fleet, id,
                (struct fleet_instance) { .uses = have->used,
                                          .ready_ms = NOW - 50 * MINUTE,
                                          .idle_since_ms = NOW - have->idle_minutes * MINUTE,
                                          .removing = have->removing });
        for (uint32_t k = 0; k < have->acquired; k++)
            assert_int_equal(fleet_occupy(fleet, id, k, (*seq)++, NULL), 0);
    }
}

static struct fleet *fleet_of(const struct row *row)
{
    struct fleet *fleet = make_fleet(row->config);
    int64_t seq = 1;

    for (size_t i = 0; i < ARRAY_LEN(row->have); i++)
        add_instances(fleet, &row->have[i], (char) ('a' + (char) i), &seq);
    for (uint32_t i = 0; i < row->reserved; i++)
        assert_true(fleet_reserve(fleet, NOW, NULL));
    for (uint32_t i = 0; i < row->waiting; i++)
        assert_int_equal(fleet_wait(fleet, seq++, false), 0);
    fleet_request(fleet, row->requested, NOW);
    expect(fleet, row->pending, NOW + MINUTE);
    return fleet;
}

static const struct row rows[] = {
    { .vector = "autoscaler_V01",
      .why = "idle target alone",
      .config = { .max_use_count = 1, .policy.idle_count = 5 },
      .want = { .wanted = 5, .request = 5, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V02",
      .why = "demand and idle target",
      .config = { .max_use_count = 1, .policy.idle_count = 5 },
      .have = { { 3, 1, 1, 0, false }, { 2, 0, 0, 0, false } },
      .want = { .wanted = 8, .request = 3, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V03",
      .why = "max_instances holds",
      .config = { .max_use_count = 1, .policy.idle_count = 5 },
      .have = { { 8, 1, 1, 0, false }, { 2, 0, 0, 0, false } },
      .want = { .wanted = 10, .reason = REASON_AT_MAXIMUM, .potential = 2 } },
    { .vector = "autoscaler_V04",
      .why = "slots, not instances",
      .config = { .capacity = 5, .policy.idle_count = 5 },
      .have = { { 1, 3, 9, 0, false } },
      .want = { .wanted = 2, .request = 1, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V05",
      .why = "needed for the idle target, however long idle",
      .config = { .capacity = 5, .policy.idle_count = 5 },
      .have = { { 1, 0, 9, 30, false } },
      .want = { .wanted = 1, .reason = REASON_ENOUGH } },
    { .vector = "autoscaler_V06",
      .why = "half an instance rounds up",
      .config = { .capacity = 2,
                  .max_instances = 4,
                  .policy.idle_count = 2,
                  .policy.idle_time_ms = 24 * 60 * MINUTE },
      .have = { { 1, 1, 4, 0, false } },
      .want = { .wanted = 2, .request = 1, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V07",
      .why = "scale_factor above idle_count",
      .config = { .max_instances = 20,
                  .policy.idle_count = 2,
                  .policy.scale_factor = 0.5,
                  .policy.scale_factor_limit = 6 },
      .have = { { 10, 1, 1, 0, false } },
      .want = { .wanted = 15, .request = 5, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V08",
      .why = "scale_factor_limit holds",
      .config = { .max_instances = 40,
                  .policy.idle_count = 2,
                  .policy.scale_factor = 0.5,
                  .policy.scale_factor_limit = 6 },
      .have = { { 20, 1, 1, 0, false } },
      .want = { .wanted = 26, .request = 6, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V09",
      .why = "idle_count is the minimum",
      .config = { .max_instances = 20,
                  .policy.idle_count = 2,
                  .policy.scale_factor = 0.5,
                  .policy.scale_factor_limit = 6 },
      .have = { { 2, 1, 1, 0, false } },
      .want = { .wanted = 4, .request = 2, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V10",
      .why = "0.1 of 30 is 3, not 4; no limit",
      .config = { .max_instances = 50, .policy.scale_factor = 0.1 },
      .have = { { 30, 1, 1, 0, false } },
      .want = { .wanted = 33, .request = 3, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V10",
      .why = "2.2 of 25 is 55, not 56: binary fractions say a little more",
      .config = { .max_instances = 100, .policy.scale_factor = 2.2 },
      .have = { { 25, 1, 1, 0, false } },
      .want = { .wanted = 80, .request = 55, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V11",
      .why = "a waiting job",
      .config = { .max_use_count = 1, .max_instances = 3 },
      .waiting = 1,
      .want = { .wanted = 1, .request = 1, .reason = REASON_DEMAND } },
    { .vector = "autoscaler_V12",
      .why = "11 jobs on instances of 5 slots",
      .config = { .capacity = 5 },
      .waiting = 11,
      .want = { .wanted = 3, .request = 3, .reason = REASON_DEMAND } },
    { .vector = "autoscaler_V14",
      .why = "only what is not ordered yet",
      .config = { .max_use_count = 1 },
      .waiting = 3,
      .pending = 2,
      .want = { .wanted = 3, .request = 1, .reason = REASON_DEMAND } },
    { .vector = "autoscaler_V15",
      .why = "removing ones hold their places",
      .config = { .max_use_count = 1, .max_instances = 3, .policy.idle_count = 3 },
      .have = { { 2, 0, 1, 0, true }, { 1, 0, 0, 0, false } },
      .want = { .wanted = 3, .reason = REASON_AT_MAXIMUM, .potential = 1 } },
    { .vector = "autoscaler_V21",
      .why = "spent: removed at once and replaced",
      .config = { .max_use_count = 1, .policy.idle_count = 5 },
      .have = { { 1, 0, 1, 0, false }, { 4, 0, 0, 0, false } },
      .want = { .wanted = 5, .request = 1, .reason = REASON_IDLE_TARGET, .removals = "a-00 " } },
    { .vector = "autoscaler_V22",
      .why = "lost slots are replaced, their jobs go on",
      .config = { .capacity = 5, .max_use_count = 5, .max_instances = 4 },
      .have = { { 1, 3, 5, 0, false } },
      .waiting = 2,
      .want = { .wanted = 2, .request = 1, .reason = REASON_DEMAND } },
    { .vector = "autoscaler_V23",
      .why = "few uses left are lost slots",
      .config = { .capacity = 5, .max_use_count = 6, .max_instances = 4, .policy.idle_count = 5 },
      .have = { { 1, 0, 4, 0, false } },
      .want = { .wanted = 2, .request = 1, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V24",
      .why = "the last use",
      .config = { .capacity = 4, .max_use_count = 10, .max_instances = 6, .policy.idle_count = 4 },
      .have = { { 1, 2, 9, 0, false } },
      .want = { .wanted = 2, .request = 1, .reason = REASON_IDLE_TARGET } },
    { .vector = "autoscaler_V28",
      .why = "only the one that is idle for idle_time",
      .config = { .capacity = 2,
                  .max_instances = 4,
                  .policy.idle_count = 2,
                  .policy.idle_time_ms = 24 * 60 * MINUTE },
      .have = { { 1, 0, 4, 30, false }, { 1, 0, 4, 25 * 60, false } },
      .want = { .wanted = 1, .reason = REASON_ENOUGH, .removals = "b-00 " } },
    { .vector = "autoscaler_V29",
      .why = "a reservation holds nothing back with preemptive mode off",
      .config = { .capacity = 5, .policy.idle_time_ms = 10 * MINUTE },
      .have = { { 1, 0, 3, 11, false } },
      .reserved = 1,
      .want = { .reason = REASON_ENOUGH, .removals = "a-00 " } },
    { .vector = "autoscaler_V30",
      .why = "one free slot stays for the reservation, the longest idle goes",
      .config = { .policy.idle_count = 1, .policy.preemptive = true },
      .have = { { 1, 0, 1, 25, false }, { 1, 0, 1, 30, false } },
      .reserved = 1,
      .want = { .wanted = 1, .reason = REASON_ENOUGH, .removals = "b-00 " } },
    { .vector = "autoscaler_V31",
      .why = "two reservations hold both, were they given",
      .config = { .policy.idle_count = 1,
                  .policy.preemptive = true,
                  .unthrottled_reservations = true },
      .have = { { 1, 0, 1, 25, false }, { 1, 0, 1, 30, false } },
      .reserved = 2,
      .want = { .wanted = 1, .reason = REASON_ENOUGH } },
    { .vector = "autoscaler_V34",
      .why = "orders that were not sent are cancelled",
      .config = { .policy.idle_count = 1 },
      .have = { { 1, 0, 0, 0, false } },
      .requested = 4,
      .want = { .wanted = 1, .cancel = 4, .reason = REASON_DEMAND_GONE } },
    { .vector = "autoscaler_V36",
      .why = "more than the maximum: no panic, nothing busy removed",
      .config = { .max_instances = 3, .policy.idle_count = 2 },
      .have = { { 5, 1, 1, 0, false } },
      .want = { .wanted = 3, .reason = REASON_AT_MAXIMUM } },
};

static uint32_t take_reservations(struct fleet *fleet)
{
    uint32_t n = 0;

    while (n < 100 && fleet_reserve(fleet, NOW, NULL))
        n++;
    return n;
}

/* With preemptive mode and throttling off, reservations are bound by nothing else. */
static uint32_t potential_of(const struct row *row)
{
    struct row free_for_all = *row;
    struct fleet *fleet;
    uint32_t n;

    free_for_all.config.policy.preemptive = false;
    free_for_all.config.unthrottled_reservations = true;
    fleet = fleet_of(&free_for_all);
    n = take_reservations(fleet);
    fleet_free(fleet);
    return n;
}

static void check_row(const struct row *row)
{
    struct fleet *fleet = fleet_of(row);
    autobuf struct buf removals = BUF_INIT;
    struct scaler_plan plan = { 0 };

    assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
    for (size_t i = 0; i < plan.n_removals; i++)
        buf_addf(&removals, "%s ", plan.removals[i].id);
    if (plan.wanted != row->want.wanted || plan.request != row->want.request ||
        plan.cancel != row->want.cancel || plan.reason != row->want.reason ||
        !str_eq(buf_str(&removals), row->want.removals ? row->want.removals : ""))
        fail_msg("%s (%s): wanted %u, request %u, cancel %u, because %s; remove '%s'", row->vector,
                 row->why, plan.wanted, plan.request, plan.cancel, fleet_reason_name(plan.reason),
                 buf_str(&removals));
    if (row->want.potential > 0 && potential_of(row) != row->want.potential)
        fail_msg("%s (%s): potential %u", row->vector, row->why, potential_of(row));
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

static void test_evaluations_of_the_reference(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(&rows[i]);
}

enum shape { EMPTY, BOOTING, IDLE, REMOVING };

static void test_reservations_of_the_reference(void **state)
{
    static const struct {
        const char *vector, *why;
        struct fleet_config config;
        enum shape shape;
        uint32_t instances, want_reservations, want_request;
    } cases[] = {
        { "autoscaler_V31",
          "the second one would hold both instances",
          { .policy.idle_count = 1, .policy.preemptive = true },
          IDLE,
          2,
          1,
          0 },
        { "autoscaler_V49",
          "nothing is ready, the policy orders",
          { .policy.idle_count = 1, .policy.preemptive = true },
          EMPTY,
          0,
          0,
          1 },
        { "autoscaler_V50",
          "booting is not ready",
          { .policy.idle_count = 1, .policy.preemptive = true },
          BOOTING,
          1,
          0,
          0 },
        { "autoscaler_V50",
          "with preemptive mode off a slot to come may be promised",
          { .max_instances = 3 },
          BOOTING,
          2,
          3,
          0 },
        { "autoscaler_V51",
          "one slot, one reservation",
          { .policy.idle_count = 1, .policy.preemptive = true },
          IDLE,
          1,
          1,
          0 },
        { "autoscaler_V52",
          "what could be made may be promised, and is not made for it",
          { .max_instances = 3 },
          EMPTY,
          0,
          3,
          0 },
        { "autoscaler_V53",
          "what is being removed holds its place",
          { .max_instances = 3 },
          REMOVING,
          3,
          0,
          0 },
        { "autoscaler_V53", "one of three is gone", { .max_instances = 3 }, REMOVING, 2, 1, 0 },
        { "autoscaler_V54",
          "one instance's worth stays free",
          { .policy.idle_count = 10, .policy.preemptive = true },
          IDLE,
          10,
          9,
          0 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fleet *fleet = make_fleet(cases[i].config);
        uint32_t reservations;

        for (uint32_t k = 0; k < cases[i].instances; k++) {
            char id[16];

            (void) snprintf(id, sizeof(id), "i-%u", k);
            restore(fleet, id,
                    (struct fleet_instance) { .ready_ms = cases[i].shape == BOOTING ? -1 : 0,
                                              .removing = cases[i].shape == REMOVING });
        }
        reservations = take_reservations(fleet);
        if (reservations != cases[i].want_reservations ||
            planned(fleet, NOW, false) != cases[i].want_request)
            fail_msg("%s (%s): %u reservations, request %u", cases[i].vector, cases[i].why,
                     reservations, planned(fleet, NOW, false));
        fleet_free(fleet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evaluations_of_the_reference),
        cmocka_unit_test(test_reservations_of_the_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
