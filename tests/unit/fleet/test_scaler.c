/* tests/unit/fleet/test_scaler.c - mirrors core/fleet/scaler.c: the vectors of the autoscaler reference, by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/scaler.h"

#define MINUTE ((int64_t) 60 * 1000)
#define NOW ((int64_t) 100 * 24 * 60 * MINUTE)

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

static void ignore(void *arg, const struct fleet_change *change)
{
    (void) arg;
    (void) change;
}

/* A running instance of the ledger that is ready since NOW, unless `saved` says otherwise (ready_ms -1: it is not).
 */
static void restore(struct fleet *fleet, const char *id, struct fleet_instance saved)
{
    (void) str_copy(saved.id, sizeof(saved.id), id);
    saved.state = INSTANCE_RUNNING;
    saved.first_seen_ms = NOW - 60 * MINUTE;
    saved.ready_ms = saved.ready_ms < 0 ? 0 : saved.ready_ms ? saved.ready_ms : NOW;
    saved.idle_since_ms = saved.idle_since_ms ? saved.idle_since_ms : NOW;
    assert_int_equal(fleet_restore(fleet, &saved), 0);
}

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
    config.idle_time_ms = config.idle_time_ms ? config.idle_time_ms : 20 * MINUTE;
    config.pending_limit_ms = 15 * MINUTE;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    for (size_t i = 0; i < ARRAY_LEN(row->have); i++)
        add_instances(fleet, &row->have[i], (char) ('a' + (char) i), &seq);
    for (uint32_t i = 0; i < row->reserved; i++)
        assert_true(fleet_reserve(fleet, NULL));
    for (uint32_t i = 0; i < row->waiting; i++)
        assert_int_equal(fleet_wait(fleet, seq++, false), 0);
    fleet_request(fleet, row->requested);
    fleet_restore_order(fleet, row->pending, NOW + MINUTE, true);
    return fleet;
}

static const struct row rows[] = {
    { .vector = "V01",
      .why = "idle target alone",
      .config = { .max_use_count = 1, .idle_count = 5 },
      .want_request = 5 },
    { .vector = "V02",
      .why = "demand and idle target",
      .config = { .max_use_count = 1, .idle_count = 5 },
      .have = { { 3, 1, 1, 0, false }, { 2, 0, 0, 0, false } },
      .want_request = 3 },
    { .vector = "V03",
      .why = "max_instances holds",
      .config = { .max_use_count = 1, .idle_count = 5 },
      .have = { { 8, 1, 1, 0, false }, { 2, 0, 0, 0, false } } },
    { .vector = "V04",
      .why = "slots, not instances",
      .config = { .capacity = 5, .idle_count = 5 },
      .have = { { 1, 3, 9, 0, false } },
      .want_request = 1 },
    { .vector = "V05",
      .why = "needed for the idle target, however long idle",
      .config = { .capacity = 5, .idle_count = 5 },
      .have = { { 1, 0, 9, 30, false } } },
    { .vector = "V06",
      .why = "half an instance rounds up",
      .config = { .capacity = 2,
                  .max_instances = 4,
                  .idle_count = 2,
                  .idle_time_ms = 1440 * MINUTE },
      .have = { { 1, 1, 4, 0, false } },
      .want_request = 1 },
    { .vector = "V07",
      .why = "scale_factor above idle_count",
      .config = { .max_instances = 20,
                  .idle_count = 2,
                  .scale_factor = 0.5,
                  .scale_factor_limit = 6 },
      .have = { { 10, 1, 1, 0, false } },
      .want_request = 5 },
    { .vector = "V08",
      .why = "scale_factor_limit holds",
      .config = { .max_instances = 40,
                  .idle_count = 2,
                  .scale_factor = 0.5,
                  .scale_factor_limit = 6 },
      .have = { { 20, 1, 1, 0, false } },
      .want_request = 6 },
    { .vector = "V09",
      .why = "idle_count is the minimum",
      .config = { .max_instances = 20,
                  .idle_count = 2,
                  .scale_factor = 0.5,
                  .scale_factor_limit = 6 },
      .have = { { 2, 1, 1, 0, false } },
      .want_request = 2 },
    { .vector = "V10",
      .why = "0.1 of 30 is 3, not 4",
      .config = { .max_instances = 50, .scale_factor = 0.1 },
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
      .config = { .max_use_count = 1, .max_instances = 3, .idle_count = 3 },
      .have = { { 2, 0, 1, 0, true }, { 1, 0, 0, 0, false } } },
    { .vector = "V21",
      .why = "spent: removed at once and replaced",
      .config = { .max_use_count = 1, .idle_count = 5 },
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
      .config = { .capacity = 5, .max_use_count = 6, .max_instances = 4, .idle_count = 5 },
      .have = { { 1, 0, 4, 0, false } },
      .want_request = 1 },
    { .vector = "V24",
      .why = "the last use",
      .config = { .capacity = 4, .max_use_count = 10, .max_instances = 6, .idle_count = 4 },
      .have = { { 1, 2, 9, 0, false } },
      .want_request = 1 },
    { .vector = "V28",
      .why = "only the one that is idle for idle_time",
      .config = { .capacity = 2,
                  .max_instances = 4,
                  .idle_count = 2,
                  .idle_time_ms = 1440 * MINUTE },
      .have = { { 1, 0, 4, 30, false }, { 1, 0, 4, 1500, false } },
      .want_removals = 1 },
    { .vector = "V29",
      .why = "a reservation holds nothing back with preemptive mode off",
      .config = { .capacity = 5, .idle_time_ms = 10 * MINUTE },
      .have = { { 1, 0, 3, 11, false } },
      .reserved = 1,
      .want_removals = 1 },
    { .vector = "V30",
      .why = "one free slot stays for the reservation",
      .config = { .idle_count = 1, .preemptive = true },
      .have = { { 1, 0, 1, 30, false }, { 1, 0, 1, 25, false } },
      .reserved = 1,
      .want_removals = 1 },
    { .vector = "V34",
      .why = "orders that were not sent are cancelled",
      .config = { .idle_count = 1 },
      .have = { { 1, 0, 0, 0, false } },
      .requested = 4,
      .want_cancel = 4 },
    { .vector = "V36",
      .why = "more than the maximum: no panic, nothing busy removed",
      .config = { .max_instances = 3, .idle_count = 2 },
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

/* autoscaler_V57 by our rule of absence: gone at the second miss in a row, at the first when its connection is dead;
 * autoscaler_V56: one miss is nothing; what we delete is gone at once. */
static void test_absence_is_proved_by_complete_lists(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .pending_limit_ms = MINUTE };
    const struct fleet_listed b = { "b", INSTANCE_RUNNING, NULL };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    restore(fleet, "a", (struct fleet_instance) { 0 });
    restore(fleet, "b", (struct fleet_instance) { 0 });
    restore(fleet, "c", (struct fleet_instance) { .removing = true });
    assert_int_equal(fleet_on_list(fleet, NOW, &b, 1, false, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_instance_count(fleet), 3); /* partial: proves nothing */
    assert_int_equal(fleet_on_list(fleet, NOW, &b, 1, true, ignore, NULL, NULL), 0);
    assert_null(fleet_find(fleet, "c"));
    assert_non_null(fleet_find(fleet, "a"));
    assert_int_equal(fleet_on_list(fleet, NOW, &b, 1, true, ignore, NULL, NULL), 0);
    assert_null(fleet_find(fleet, "a"));
    fleet_mark_connection_dead(fleet, "b");
    assert_int_equal(fleet_on_list(fleet, NOW, NULL, 0, true, ignore, NULL, NULL), 0);
    assert_null(fleet_find(fleet, "b"));
    fleet_free(fleet);
}

static void test_a_lost_connection_is_tried_again_once_a_list_shows_the_instance(void **state)
{
    const struct fleet_config config = { .capacity = 1, .max_instances = 10 };
    const struct fleet_listed a = { .id = "a", .state = INSTANCE_RUNNING };
    const struct fleet_instance *instance = NULL;
    struct fleet *fleet = NULL;
    uint32_t slot = 0;
    int64_t seq = 0;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    restore(fleet, "a", (struct fleet_instance) { 0 });
    for (int list = 0; list < 2; list++)
        assert_int_equal(fleet_on_list(fleet, NOW, &a, 1, true, ignore, NULL, NULL), 0);
    assert_false(fleet_expecting(fleet));
    fleet_mark_connection_dead(fleet, "a");
    assert_true(fleet_expecting(fleet));
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    assert_int_equal(fleet_on_list(fleet, NOW, &a, 1, false, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 0);
    assert_int_equal(fleet_on_list(fleet, NOW, &a, 1, true, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    fleet_free(fleet);
}

static uint32_t planned(struct fleet *fleet, int64_t now, bool removals)
{
    struct scaler_plan plan = { 0 };
    uint32_t n;

    assert_int_equal(scaler_plan(fleet, now, 1, &plan), 0);
    n = removals ? (uint32_t) plan.n_removals : plan.request;
    scaler_plan_done(&plan);
    return n;
}

static void test_autoscaler_V17_what_never_appears_is_ordered_again(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_use_count = 1,
                                         .max_instances = 10,
                                         .idle_count = 5,
                                         .pending_limit_ms = 15 * MINUTE };
    const struct fleet_listed made[] = { { .id = "a", .state = INSTANCE_RUNNING },
                                         { .id = "b", .state = INSTANCE_RUNNING },
                                         { .id = "c", .state = INSTANCE_RUNNING },
                                         { .id = "d", .state = INSTANCE_RUNNING } };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_request(fleet, planned(fleet, NOW, false));
    fleet_on_increase(fleet, NOW, 5, 3);
    assert_int_equal(fleet_pending(fleet), 3); /* V16: accepted in part, the rest is sent again */
    assert_int_equal(fleet_requested(fleet), 2);
    assert_int_equal(planned(fleet, NOW, false), 0);
    fleet_on_increase(fleet, NOW, 2, 2);
    for (int64_t minute = 0; minute < 15; minute++) {
        assert_int_equal(
            fleet_on_list(fleet, NOW + minute * MINUTE, made, 4, true, ignore, NULL, NULL), 0);
        assert_int_equal(fleet_pending(fleet), 1);
        assert_int_equal(planned(fleet, NOW + minute * MINUTE, false), 0);
    }
    assert_int_equal(fleet_on_list(fleet, NOW + 15 * MINUTE, made, 4, true, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_pending(fleet), 0);
    assert_int_equal(planned(fleet, NOW + 15 * MINUTE, false), 1);
    fleet_free(fleet);
}

/* autoscaler_V33: at idle_time, not before; autoscaler_V35: the idle clock starts when it is ready. */
static void test_the_idle_clock_runs_from_readiness_and_release(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .idle_time_ms = 20 * MINUTE };
    const struct fleet_listed a = { .id = "a", .state = INSTANCE_RUNNING };
    const struct fleet_instance *instance = NULL;
    struct fleet *fleet = NULL;
    uint32_t slot = 0;
    int64_t seq = 0, ready = NOW + 60 * MINUTE, released = ready + 30 * MINUTE;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_request(fleet, 1);
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
          { .idle_count = 1, .preemptive = true },
          EMPTY,
          0,
          0,
          1 },
        { "V50",
          "booting is not ready",
          { .idle_count = 1, .preemptive = true },
          BOOTING,
          1,
          0,
          0 },
        { "V51",
          "one slot, one reservation",
          { .idle_count = 1, .preemptive = true },
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
          { .idle_count = 10, .preemptive = true },
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
        config.idle_time_ms = 20 * MINUTE;
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

/* autoscaler_V64: uses and idle clock go on; V65: so does the job of a living worker; V66: what no list shows is
 * forgotten. */
static void test_a_restart_goes_on_from_what_was_stored(void **state)
{
    const struct fleet_config config = {
        .capacity = 2, .max_use_count = 5, .max_instances = 10, .idle_time_ms = 20 * MINUTE
    };
    const struct fleet_listed there[] = { { .id = "busy", .state = INSTANCE_RUNNING },
                                          { .id = "i-1", .state = INSTANCE_RUNNING } };
    const struct fleet_instance *instance = NULL;
    struct fleet *fleet = NULL;
    uint32_t slot = 0;
    int64_t seq = 0;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    restore(fleet, "i-1",
            (struct fleet_instance) { .uses = 3, .idle_since_ms = NOW - 10 * MINUTE });
    restore(fleet, "i-9", (struct fleet_instance) { 0 });
    restore(fleet, "busy", (struct fleet_instance) { .uses = 1 });
    assert_int_equal(fleet_occupy(fleet, "busy", 1, 7, NULL), 0);
    for (int list = 0; list < 2; list++)
        assert_int_equal(fleet_on_list(fleet, NOW, there, 2, true, ignore, NULL, NULL), 0);
    assert_null(fleet_find(fleet, "i-9")); /* V66 */
    assert_int_equal(planned(fleet, NOW + 10 * MINUTE - 1000, true),
                     0); /* V64: 10 of 20 minutes had passed */
    assert_int_equal(planned(fleet, NOW + 10 * MINUTE, true), 1);
    assert_int_equal(fleet_wait(fleet, 8, false), 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    assert_string_equal(instance->id, "busy"); /* V65: the free slot beside the adopted job */
    assert_int_equal(slot, 0);
    assert_int_equal(instance->uses, 2);
    for (int64_t i = 9; i <= 10; i++)
        assert_int_equal(fleet_wait(fleet, i, false), 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    assert_string_equal(instance->id, "i-1");
    assert_int_equal(instance->uses, 5); /* V64: 3 of 5 were spent */
    fleet_release(fleet, 9, NOW);
    assert_int_equal(fleet_wait(fleet, 11, false), 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 0);
    fleet_free(fleet);
}

/* autoscaler_V62 by hardening R7: strangers of the first list go after the second complete list that shows them. */
static void test_strangers_at_the_start_are_removed_after_two_lists(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .pending_limit_ms = MINUTE };
    const struct fleet_listed strangers[] = { { "x", INSTANCE_RUNNING, NULL },
                                              { "y", INSTANCE_RUNNING, NULL } };
    struct scaler_plan plan = { 0 };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    for (size_t list = 1; list <= 2; list++) {
        assert_int_equal(fleet_on_list(fleet, NOW, strangers, 2, true, ignore, NULL, NULL), 0);
        assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
        assert_int_equal(plan.n_removals, list == 2 ? 2 : 0);
        scaler_plan_done(&plan);
    }
    fleet_free(fleet);
}

/* autoscaler_V62 over a restart: who was a stranger stays one until two complete lists of this run have shown it. */
static void test_a_stranger_stays_one_over_a_restart(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .pending_limit_ms = MINUTE };
    const struct fleet_listed stranger = { "x", INSTANCE_RUNNING, NULL };
    const struct fleet_instance *instance = NULL;
    struct scaler_plan plan = { 0 };
    struct fleet *fleet = NULL;
    uint32_t slot = 0;
    int64_t seq = 0;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    restore(fleet, "x", (struct fleet_instance) { .cause = CAUSE_PREEXISTED });
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    for (size_t list = 1; list <= 2; list++) {
        assert_int_equal(fleet_on_list(fleet, NOW, &stranger, 1, true, ignore, NULL, NULL), 0);
        assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 0);
        assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
        assert_int_equal(plan.n_removals, list == 2 ? 1 : 0);
        scaler_plan_done(&plan);
    }
    fleet_free(fleet);
}

static void note_gone(void *arg, const struct fleet_change *change)
{
    enum fleet_reason *reason = arg;

    if (change->kind == CHANGE_GONE)
        *reason = change->reason;
}

/* hardening R5: what a former run ordered is not ordered again, and is no stranger when it appears. */
static void test_orders_of_a_former_run_are_waited_for(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .pending_limit_ms = 15 * MINUTE };
    const struct fleet_listed ours[] = { { .id = "a", .state = INSTANCE_RUNNING },
                                         { .id = "b", .state = INSTANCE_RUNNING } };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_restore_order(fleet, 2, NOW + 2 * MINUTE, false);
    fleet_restore_order(fleet, 3, NOW + 9 * MINUTE, true);
    fleet_settle_orders(fleet, 2); /* they had appeared: of what was answered */
    assert_int_equal(fleet_pending(fleet), 3);
    assert_true(fleet_has_unanswered(fleet));
    assert_int_equal(fleet_on_list(fleet, NOW, ours, 2, true, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_find(fleet, "a")->cause, CAUSE_REQUESTED);
    assert_int_equal(fleet_find(fleet, "b")->cause, CAUSE_REQUESTED);
    assert_int_equal(fleet_pending(fleet), 1);
    assert_int_equal(fleet_on_list(fleet, NOW + 2 * MINUTE, ours, 2, true, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_pending(fleet), 0);
    assert_false(fleet_has_unanswered(fleet));
    fleet_free(fleet);
}

static void test_a_removal_keeps_its_reason_over_a_restart(void **state)
{
    const struct fleet_config config = { .capacity = 1, .max_instances = 10 };
    enum fleet_reason reason = REASON_NONE;
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_reason_parse(fleet_reason_name(REASON_USES_SPENT)), REASON_USES_SPENT);
    assert_int_equal(fleet_reason_parse("nonsense"), REASON_NONE);
    assert_int_equal(fleet_new(&config, &fleet), 0);
    restore(fleet, "x",
            (struct fleet_instance) { .removing = true, .remove_reason = REASON_USES_SPENT });
    assert_int_equal(fleet_on_list(fleet, NOW, NULL, 0, true, note_gone, &reason, NULL), 0);
    assert_int_equal(reason, REASON_USES_SPENT);
    fleet_free(fleet);
}

/* hardening_39: what comes back is the same machine. */
static void test_an_id_that_comes_back_keeps_its_uses_and_takes_no_order(void **state)
{
    const struct fleet_config config = {
        .capacity = 1, .max_use_count = 1, .max_instances = 10, .pending_limit_ms = MINUTE
    };
    const struct fleet_instance former = { .cause = CAUSE_UNEXPECTED, .uses = 1 };
    const struct fleet_listed back = { "x", INSTANCE_RUNNING, &former };
    struct scaler_plan plan = { 0 };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_request(fleet, 1);
    fleet_on_increase(fleet, NOW, 1, 1);
    assert_int_equal(fleet_on_list(fleet, NOW, &back, 1, true, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_pending(fleet), 1);
    assert_int_equal(fleet_find(fleet, "x")->uses, 1);
    assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
    assert_int_equal(plan.n_removals, 1);
    assert_int_equal(plan.removals[0].reason, REASON_USES_SPENT);
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

static void test_anothers_instance_gets_no_jobs_and_is_never_removed(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 2,
                                         .pending_limit_ms = MINUTE };
    const struct fleet_instance former = { .cause = CAUSE_FOREIGN };
    const struct fleet_listed foreign = { "x", INSTANCE_RUNNING, &former };
    const struct fleet_instance *instance = NULL;
    struct scaler_plan plan = { 0 };
    struct fleet *fleet = NULL;
    uint32_t slot = 0;
    int64_t seq = 0;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fleet_on_list(fleet, NOW, &foreign, 1, true, ignore, NULL, NULL), 0);
    fleet_mark_ready(fleet, "x", NOW);
    fleet_mark_removing(fleet, "x", REASON_SHUTDOWN, NOW);
    assert_false(fleet_find(fleet, "x")->removing);
    for (int64_t i = 1; i <= 2; i++)
        assert_int_equal(fleet_wait(fleet, i, false), 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 0);
    assert_int_equal(scaler_plan(fleet, NOW + 60 * MINUTE, 1, &plan), 0);
    assert_int_equal(plan.n_removals, 0);
    assert_int_equal(plan.request, 1); /* it holds one of the two places */
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

static void test_a_list_that_contradicts_itself_changes_nothing(void **state)
{
    const struct fleet_config config = { .capacity = 1, .max_instances = 10 };
    const struct fleet_listed twice[] = { { "x", INSTANCE_RUNNING, NULL },
                                          { "x", INSTANCE_RUNNING, NULL } };
    const struct fleet_listed bad = { "a b", INSTANCE_RUNNING, NULL };
    struct error err = { 0 };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    assert_true(fleet_on_list(fleet, NOW, twice, 2, true, ignore, NULL, &err) < 0);
    assert_non_null(strstr(err.message, "twice"));
    assert_true(fleet_on_list(fleet, NOW, &bad, 1, true, ignore, NULL, &err) < 0);
    assert_int_equal(fleet_instance_count(fleet), 0);
    fleet_free(fleet);
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

/* hardening.md §9 allows 10,000 instances in a list: they are told apart whatever their order, and those that went
 * are let go without the rest. */
static void test_ten_thousand_instances_come_and_go(void **state)
{
    enum { MANY = 10000 };
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = MANY,
                                         .pending_limit_ms = MINUTE };
    struct fleet_listed *listed = mem_array(MANY, sizeof(*listed));
    char(*ids)[16] = mem_array(MANY, sizeof(*ids));
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        (void) snprintf(ids[i], sizeof(ids[i]), "i-%08x",
                        i * 2654435761U); /* all different, none sorted */
        listed[i] = (struct fleet_listed) { .id = ids[i], .state = INSTANCE_RUNNING };
    }
    assert_int_equal(fleet_on_list(fleet, NOW, listed, MANY, true, ignore, NULL, NULL), 0);
    for (size_t i = 0; i < MANY; i++)
        assert_string_equal(fleet_find(fleet, ids[i])->id, ids[i]);
    for (int list = 0; list < 2; list++)
        assert_int_equal(fleet_on_list(fleet, NOW, listed, MANY / 2, true, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_instance_count(fleet), MANY / 2);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(fleet_find(fleet, ids[i]) != NULL, i < MANY / 2);
    fleet_free(fleet);
    free(ids);
    free(listed);
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
        .capacity = 1, .max_use_count = 2, .max_instances = 3, .idle_time_ms = 10 * MINUTE
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
        cmocka_unit_test(test_absence_is_proved_by_complete_lists),
        cmocka_unit_test(test_a_lost_connection_is_tried_again_once_a_list_shows_the_instance),
        cmocka_unit_test(test_autoscaler_V17_what_never_appears_is_ordered_again),
        cmocka_unit_test(test_the_idle_clock_runs_from_readiness_and_release),
        cmocka_unit_test(test_reservations_of_the_reference),
        cmocka_unit_test(test_a_restart_goes_on_from_what_was_stored),
        cmocka_unit_test(test_strangers_at_the_start_are_removed_after_two_lists),
        cmocka_unit_test(test_a_stranger_stays_one_over_a_restart),
        cmocka_unit_test(test_orders_of_a_former_run_are_waited_for),
        cmocka_unit_test(test_a_removal_keeps_its_reason_over_a_restart),
        cmocka_unit_test(test_an_id_that_comes_back_keeps_its_uses_and_takes_no_order),
        cmocka_unit_test(test_anothers_instance_gets_no_jobs_and_is_never_removed),
        cmocka_unit_test(test_a_list_that_contradicts_itself_changes_nothing),
        cmocka_unit_test(test_slots_are_lowest_first_and_uses_count_when_taken),
        cmocka_unit_test(test_each_decision_is_explained_with_its_numbers),
        cmocka_unit_test(test_ten_thousand_instances_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
