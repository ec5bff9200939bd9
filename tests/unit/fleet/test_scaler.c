/* tests/unit/fleet/test_scaler.c - mirrors core/fleet/scaler.c and slots.c: the vectors of the autoscaler reference,
 * by number. */
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

struct row {
    const char *vector, *why;
    struct fleet_config config;
    struct have have[3];
    uint32_t waiting, reserved, requested, pending;
    uint32_t want_request, want_cancel, want_removals;
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

static struct fleet *make_fleet(const struct row *row)
{
    struct fleet_config config = row->config;
    struct fleet *fleet = NULL;
    int64_t seq = 1;

    config.capacity = MAX(config.capacity, 1U);
    config.max_instances = config.max_instances ? config.max_instances : 10;
    config.policy.idle_time_ms =
        config.policy.idle_time_ms ? config.policy.idle_time_ms : 20 * MINUTE;
    config.pending_limit_ms = 15 * MINUTE;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    for (size_t i = 0; i < ARRAY_LEN(row->have); i++)
        add_instances(fleet, &row->have[i], (char) ('a' + (char) i), &seq);
    for (uint32_t i = 0; i < row->reserved; i++)
        assert_true(fleet_reserve(fleet, NULL));
    for (uint32_t i = 0; i < row->waiting; i++)
        assert_int_equal(fleet_wait(fleet, seq++, false), 0);
    fleet_request(fleet, row->requested, NOW);
    fleet_restore_order(fleet, row->pending, NOW + MINUTE, true);
    return fleet;
}

static const struct row rows[] = {
    { .vector = "V01",
      .why = "idle target alone",
      .config = { .max_use_count = 1, .policy.idle_count = 5 },
      .want_request = 5 },
    { .vector = "V02",
      .why = "demand and idle target",
      .config = { .max_use_count = 1, .policy.idle_count = 5 },
      .have = { { 3, 1, 1, 0, false }, { 2, 0, 0, 0, false } },
      .want_request = 3 },
    { .vector = "V03",
      .why = "max_instances holds",
      .config = { .max_use_count = 1, .policy.idle_count = 5 },
      .have = { { 8, 1, 1, 0, false }, { 2, 0, 0, 0, false } } },
    { .vector = "V04",
      .why = "slots, not instances",
      .config = { .capacity = 5, .policy.idle_count = 5 },
      .have = { { 1, 3, 9, 0, false } },
      .want_request = 1 },
    { .vector = "V05",
      .why = "needed for the idle target, however long idle",
      .config = { .capacity = 5, .policy.idle_count = 5 },
      .have = { { 1, 0, 9, 30, false } } },
    { .vector = "V06",
      .why = "half an instance rounds up",
      .config = { .capacity = 2,
                  .max_instances = 4,
                  .policy.idle_count = 2,
                  .policy.idle_time_ms = 1440 * MINUTE },
      .have = { { 1, 1, 4, 0, false } },
      .want_request = 1 },
    { .vector = "V07",
      .why = "scale_factor above idle_count",
      .config = { .max_instances = 20,
                  .policy.idle_count = 2,
                  .policy.scale_factor = 0.5,
                  .policy.scale_factor_limit = 6 },
      .have = { { 10, 1, 1, 0, false } },
      .want_request = 5 },
    { .vector = "V08",
      .why = "scale_factor_limit holds",
      .config = { .max_instances = 40,
                  .policy.idle_count = 2,
                  .policy.scale_factor = 0.5,
                  .policy.scale_factor_limit = 6 },
      .have = { { 20, 1, 1, 0, false } },
      .want_request = 6 },
    { .vector = "V09",
      .why = "idle_count is the minimum",
      .config = { .max_instances = 20,
                  .policy.idle_count = 2,
                  .policy.scale_factor = 0.5,
                  .policy.scale_factor_limit = 6 },
      .have = { { 2, 1, 1, 0, false } },
      .want_request = 2 },
    { .vector = "V10",
      .why = "0.1 of 30 is 3, not 4",
      .config = { .max_instances = 50, .policy.scale_factor = 0.1 },
      .have = { { 30, 1, 1, 0, false } },
      .want_request = 3 },
    { .vector = "V11",
      .why = "a waiting job",
      .config = { .max_use_count = 1, .max_instances = 3 },
      .waiting = 1,
      .want_request = 1 },
    { .vector = "V12",
      .why = "11 jobs on instances of 5 slots",
      .config = { .capacity = 5 },
      .waiting = 11,
      .want_request = 3 },
    { .vector = "V13",
      .why = "what is ordered is not ordered again",
      .config = { .max_use_count = 1 },
      .waiting = 2,
      .pending = 2 },
    { .vector = "V14",
      .why = "only what is missing",
      .config = { .max_use_count = 1 },
      .waiting = 3,
      .pending = 2,
      .want_request = 1 },
    { .vector = "V15",
      .why = "removing ones hold their places",
      .config = { .max_use_count = 1, .max_instances = 3, .policy.idle_count = 3 },
      .have = { { 2, 0, 1, 0, true }, { 1, 0, 0, 0, false } } },
    { .vector = "V21",
      .why = "spent: removed at once and replaced",
      .config = { .max_use_count = 1, .policy.idle_count = 5 },
      .have = { { 1, 0, 1, 0, false }, { 4, 0, 0, 0, false } },
      .want_request = 1,
      .want_removals = 1 },
    { .vector = "V22",
      .why = "lost slots are replaced, their jobs go on",
      .config = { .capacity = 5, .max_use_count = 5, .max_instances = 4 },
      .have = { { 1, 3, 5, 0, false } },
      .waiting = 2,
      .want_request = 1 },
    { .vector = "V23",
      .why = "few uses left are lost slots",
      .config = { .capacity = 5, .max_use_count = 6, .max_instances = 4, .policy.idle_count = 5 },
      .have = { { 1, 0, 4, 0, false } },
      .want_request = 1 },
    { .vector = "above the maximum",
      .why = "a provider made 4 of 2: the free ones go at once, the busy one stays",
      .config = { .capacity = 1, .max_instances = 2, .policy.idle_count = 4 },
      .have = { { 1, 1, 1, 0, false }, { 3, 0, 0, 0, false } },
      .want_removals = 2 },
    { .vector = "V24",
      .why = "the last use",
      .config = { .capacity = 4, .max_use_count = 10, .max_instances = 6, .policy.idle_count = 4 },
      .have = { { 1, 2, 9, 0, false } },
      .want_request = 1 },
    { .vector = "V28",
      .why = "only the one that is idle for idle_time",
      .config = { .capacity = 2,
                  .max_instances = 4,
                  .policy.idle_count = 2,
                  .policy.idle_time_ms = 1440 * MINUTE },
      .have = { { 1, 0, 4, 30, false }, { 1, 0, 4, 1500, false } },
      .want_removals = 1 },
    { .vector = "V29",
      .why = "a reservation holds nothing back with preemptive mode off",
      .config = { .capacity = 5, .policy.idle_time_ms = 10 * MINUTE },
      .have = { { 1, 0, 3, 11, false } },
      .reserved = 1,
      .want_removals = 1 },
    { .vector = "V30",
      .why = "one free slot stays for the reservation",
      .config = { .policy.idle_count = 1, .policy.preemptive = true },
      .have = { { 1, 0, 1, 30, false }, { 1, 0, 1, 25, false } },
      .reserved = 1,
      .want_removals = 1 },
    { .vector = "V34",
      .why = "orders that were not sent are cancelled",
      .config = { .policy.idle_count = 1 },
      .have = { { 1, 0, 0, 0, false } },
      .requested = 4,
      .want_cancel = 4 },
    { .vector = "V36",
      .why = "more than the maximum: no panic, nothing busy removed",
      .config = { .max_instances = 3, .policy.idle_count = 2 },
      .have = { { 5, 1, 1, 0, false } } },
};

static void test_vectors_of_the_reference(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fleet *fleet = make_fleet(&rows[i]);
        struct scaler_plan plan = { 0 };

        assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
        if (plan.request != rows[i].want_request || plan.cancel != rows[i].want_cancel ||
            plan.n_removals != rows[i].want_removals)
            fail_msg("autoscaler_%s (%s): request %u, cancel %u, remove %zu", rows[i].vector,
                     rows[i].why, plan.request, plan.cancel, plan.n_removals);
        scaler_plan_done(&plan);
        fleet_free(fleet);
    }
}

/* autoscaler_V33: at idle_time, not before; autoscaler_V35: the idle clock starts when it is ready. */
static void test_the_idle_clock_runs_from_readiness_and_release(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .policy.idle_time_ms = 20 * MINUTE };
    const struct fleet_listed a = { .id = "a", .state = INSTANCE_RUNNING };
    const struct fleet_instance *instance = NULL;
    struct fleet *fleet = NULL;
    uint32_t slot = 0;
    int64_t seq = 0, ready = NOW + 60 * MINUTE, released = ready + 30 * MINUTE;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_request(fleet, 1, NOW);
    fleet_on_increase(fleet, NOW, 1, 1);
    assert_int_equal(fleet_on_list(fleet, NOW, &a, 1, true, ignore, NULL, NULL), 0);
    assert_int_equal(planned(fleet, ready, true), 0); /* V35 */
    fleet_mark_ready(fleet, "a", ready);
    assert_int_equal(planned(fleet, ready + 20 * MINUTE - 1, true), 0);
    assert_int_equal(planned(fleet, ready + 20 * MINUTE, true), 1);
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    assert_int_equal(fleet_assign_next(fleet, ready, &seq, &instance, &slot), 1);
    assert_int_equal(planned(fleet, released, true), 0); /* a job is on it */
    fleet_release(fleet, 1, released);
    assert_int_equal(planned(fleet, released + 20 * MINUTE - 1000, true), 0); /* V33 */
    assert_int_equal(planned(fleet, released + 20 * MINUTE, true), 1);
    fleet_free(fleet);
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
        { "V49",
          "nothing is ready, the policy orders",
          { .policy.idle_count = 1, .policy.preemptive = true },
          EMPTY,
          0,
          0,
          1 },
        { "V50",
          "booting is not ready",
          { .policy.idle_count = 1, .policy.preemptive = true },
          BOOTING,
          1,
          0,
          0 },
        { "V51",
          "one slot, one reservation",
          { .policy.idle_count = 1, .policy.preemptive = true },
          IDLE,
          1,
          1,
          0 },
        { "V52", "what could be made may be promised", { .max_instances = 3 }, EMPTY, 0, 3, 0 },
        { "V53",
          "what is being removed holds its place",
          { .max_instances = 3 },
          REMOVING,
          3,
          0,
          0 },
        { "V54",
          "one instance's worth stays free",
          { .policy.idle_count = 10, .policy.preemptive = true },
          IDLE,
          10,
          9,
          0 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fleet_config config = cases[i].config;
        struct fleet *fleet = NULL;
        uint32_t reservations = 0;

        config.capacity = 1;
        config.max_instances = config.max_instances ? config.max_instances : 10;
        config.policy.idle_time_ms = 20 * MINUTE;
        assert_int_equal(fleet_new(&config, &fleet), 0);
        for (uint32_t k = 0; k < cases[i].instances; k++) {
            char id[16];

            (void) snprintf(id, sizeof(id), "i-%u", k);
            restore(fleet, id,
                    (struct fleet_instance) { .ready_ms = cases[i].shape == BOOTING ? -1 : 0,
                                              .removing = cases[i].shape == REMOVING });
        }
        while (reservations < 20 && fleet_reserve(fleet, NULL))
            reservations++;
        if (reservations != cases[i].want_reservations ||
            planned(fleet, NOW, false) != cases[i].want_request)
            fail_msg("autoscaler_%s (%s): %u reservations, request %u", cases[i].vector,
                     cases[i].why, reservations, planned(fleet, NOW, false));
        fleet_free(fleet);
    }
}

/* autoscaler_V25 and V26: the lowest free slot, uses counted when taken, a spent instance offers nothing. */
static void test_slots_are_lowest_first_and_uses_count_when_taken(void **state)
{
    const struct fleet_config config = { .capacity = 2, .max_use_count = 2, .max_instances = 10 };
    const struct fleet_instance *instance = NULL;
    struct fleet *fleet = NULL;
    uint32_t slot = 9;
    int64_t seq = 0;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    restore(fleet, "a", (struct fleet_instance) { 0 });
    for (int64_t i = 1; i <= 3; i++)
        assert_int_equal(fleet_wait(fleet, i, false), 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    assert_int_equal(slot, 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    assert_int_equal(slot, 1);
    assert_int_equal(instance->uses, 2);
    fleet_release(fleet, 1, NOW);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 0);
    fleet_free(fleet);
}

static void explain(struct fleet *fleet, struct buf *out)
{
    struct scaler_plan plan = { 0 };

    buf_clear(out);
    assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
    scaler_explain(fleet, &plan, NOW, out);
    scaler_plan_done(&plan);
}

static void test_each_decision_is_explained_with_its_numbers(void **state)
{
    const struct fleet_config config = {
        .capacity = 1, .max_use_count = 2, .max_instances = 3, .policy.idle_time_ms = 10 * MINUTE
    };
    autobuf struct buf text = BUF_INIT;
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    explain(fleet, &text);
    assert_string_equal(
        buf_str(&text),
        "wanted 1 instances (0 slots acquired, 1 jobs waiting, 0 slots lost, idle target 0), "
        "have 0 of max_instances 3: order 1, because jobs wait for slots");
    fleet_stop_waiting(fleet, 1);
    restore(fleet, "idle", (struct fleet_instance) { .idle_since_ms = NOW - 12 * MINUTE });
    restore(fleet, "spent", (struct fleet_instance) { .uses = 2 });
    restore(fleet, "young", (struct fleet_instance) { .idle_since_ms = NOW - 4 * MINUTE });
    explain(fleet, &text);
    assert_string_equal(
        buf_str(&text),
        "wanted 0 instances (0 slots acquired, 0 jobs waiting, 0 slots lost, idle target 0), "
        "have 2 of max_instances 3: order nothing, because that is enough; "
        "remove spent: max_use_count is reached (used 2 times of max_use_count 2); "
        "remove idle: instance exceeded max idle time (idle for 12m0s, idle_time 10m0s)");
    fleet_mark_removing(fleet, "spent", REASON_USES_SPENT, NOW);
    fleet_mark_removing(fleet, "idle", REASON_IDLE_TOO_LONG, NOW);
    explain(fleet, &text);
    assert_non_null(strstr(buf_str(&text), "; the next idle instance may go in 6m0s"));
    buf_clear(&text);
    fleet_explain_removal(fleet, fleet_find(fleet, "idle"), &text);
    assert_string_equal(buf_str(&text),
                        "instance exceeded max idle time (idle for 12m0s, idle_time 10m0s)");
    fleet_free(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_the_reference),
        cmocka_unit_test(test_the_idle_clock_runs_from_readiness_and_release),
        cmocka_unit_test(test_reservations_of_the_reference),
        cmocka_unit_test(test_slots_are_lowest_first_and_uses_count_when_taken),
        cmocka_unit_test(test_each_decision_is_explained_with_its_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
