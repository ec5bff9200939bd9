/* tests/unit/fleet/test_vector_events.c - the vectors of the autoscaler reference (section 15) that take several
 * events: growing, uses and slots, idle clocks, new settings. Those of one evaluation are in test_vectors.c, those of
 * lists and restarts in test_vector_lists.c, those of the supervisor in tests/integration. */
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

/* Growing. */

static void test_autoscaler_V13_a_slow_cloud_is_not_asked_twice(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .max_use_count = 1 });

    (void) state;
    for (int64_t seq = 1; seq <= 2; seq++)
        assert_int_equal(fleet_wait(fleet, seq, false), 0);
    assert_int_equal(order(fleet, NOW, 2), 2);
    for (int64_t t = 0; t < 10 * MINUTE; t += SECOND) {
        list_running(fleet, NOW + t, "");
        assert_int_equal(planned(fleet, NOW + t, false), 0);
    }
    fleet_free(fleet);
}

static void test_autoscaler_V16_what_is_accepted_in_part_is_sent_again(void **state)
{
    struct fleet *fleet =
        make_fleet((struct fleet_config) { .max_use_count = 1, .policy.idle_count = 5 });

    (void) state;
    assert_int_equal(order(fleet, NOW, 3), 5);
    assert_int_equal(fleet_pending(fleet), 3);
    assert_int_equal(fleet_requested(fleet), 2); /* what the next cycle sends */
    assert_int_equal(planned(fleet, NOW, false), 0);
    fleet_on_increase(fleet, NOW, 2, 2);
    assert_int_equal(fleet_pending(fleet), 5);
    assert_int_equal(planned(fleet, NOW, false), 0);
    fleet_free(fleet);
}

static void test_autoscaler_V17_what_never_appears_is_ordered_again(void **state)
{
    struct fleet *fleet =
        make_fleet((struct fleet_config) { .max_use_count = 1, .policy.idle_count = 5 });

    (void) state;
    assert_int_equal(order(fleet, NOW, 5), 5);
    for (int64_t minute = 0; minute < 15; minute++) {
        list_running(fleet, NOW + minute * MINUTE, "abcd");
        assert_int_equal(fleet_pending(fleet), 1);
        assert_int_equal(planned(fleet, NOW + minute * MINUTE, false), 0);
    }
    list_running(fleet, NOW + 15 * MINUTE, "abcd");
    assert_int_equal(fleet_pending(fleet), 0);
    assert_int_equal(planned(fleet, NOW + 15 * MINUTE, false), 1);
    fleet_free(fleet);
}

/* The supervisor's part, one line an error and calls spaced by the back-off, is in tests/integration. */
static void test_autoscaler_V20_growth_that_fails_waits_longer_each_time(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .policy.idle_count = 5 });
    enum growth_failure kind = GROWTH_FAILURES;
    int64_t now = NOW, until = 0, pause = SECOND;

    (void) state;
    for (int cycle = 0; cycle < 12; cycle++) {
        for (int order = 0; order < 3; order++) /* failures of one time are one */
            fleet_growth_failed(fleet, GROWTH_CAPACITY, now + order, 0);
        assert_true(fleet_growth_paused(fleet, now, &kind, &until));
        assert_int_equal(kind, GROWTH_CAPACITY);
        assert_int_equal(until - now, pause);
        assert_int_equal(planned(fleet, until - 1, false), 0);
        assert_int_equal(planned(fleet, until, false), 5);
        pause = MIN(2 * pause, 5 * MINUTE);
        now = until;
    }
    fleet_growth_failed(fleet, GROWTH_CAPACITY, now, 20 * MINUTE); /* what the cloud asks for */
    assert_int_equal(planned(fleet, now + 20 * MINUTE - 1, false), 0);
    assert_int_equal(planned(fleet, now + 20 * MINUTE, false), 5);
    fleet_growth_succeeded(fleet);
    fleet_growth_failed(fleet, GROWTH_CAPACITY, now + 20 * MINUTE, 0);
    assert_int_equal(planned(fleet, now + 20 * MINUTE + SECOND, false), 5);
    fleet_free(fleet);
}

/* Uses and slots. */

static void test_autoscaler_V25_uses_count_when_a_slot_is_taken(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .capacity = 2, .max_use_count = 2 });
    uint32_t slot = 9;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    assert_string_equal(acquire(fleet, 1, NOW, &slot), "a");
    assert_int_equal(slot, 0);
    assert_string_equal(acquire(fleet, 2, NOW, &slot), "a");
    assert_int_equal(slot, 1);
    assert_int_equal(fleet_find(fleet, "a")->uses, 2);
    fleet_release(fleet, 1, NOW);
    assert_int_equal(fleet_find(fleet, "a")->idle_since_ms, 0); /* the other one's job goes on */
    assert_string_equal(acquire(fleet, 3, NOW, &slot), "");
    assert_string_equal(removals(fleet, NOW, REASON_USES_SPENT).text, "");
    fleet_release(fleet, 2, NOW);
    assert_string_equal(removals(fleet, NOW, REASON_USES_SPENT).text, "a");
    fleet_free(fleet);
}

static void test_autoscaler_V26_the_lowest_free_slot_is_given(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .capacity = 2 });
    uint32_t slot = 9;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    assert_int_equal(fleet_occupy(fleet, "a", 0, 1, NULL), 0);
    fleet_release(fleet, 1, NOW);
    assert_string_equal(acquire(fleet, 2, NOW, &slot), "a");
    assert_int_equal(slot, 0);
    fleet_free(fleet);
}

static void test_autoscaler_V27_what_is_removing_gets_no_job_and_ends_its_own(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .capacity = 2, .max_instances = 4 });
    uint32_t slot = 9;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .uses = 3, .removing = true });
    restore(fleet, "b", (struct fleet_instance) { .uses = 2 });
    assert_int_equal(fleet_occupy(fleet, "a", 0, 1, NULL), 0);
    assert_int_equal(fleet_occupy(fleet, "b", 0, 2, NULL), 0);
    assert_string_equal(acquire(fleet, 3, NOW, &slot), "b");
    assert_int_equal(slot, 1);
    assert_int_equal(planned(fleet, NOW, false), 0);
    assert_string_equal(removable(fleet, NOW).text, "");
    fleet_release(fleet, 1, NOW);
    assert_string_equal(removable(fleet, NOW).text, "a");
    fleet_free(fleet);
}

/* Shrinking. */

static void test_autoscaler_V32_the_idle_clock_starts_anew_after_each_job(void **state)
{
    const int64_t taken = NOW + 20 * MINUTE - SECOND, released = taken + 60 * MINUTE;
    struct fleet_config config = { .policy = { .idle_count = 1, .idle_time_ms = 20 * MINUTE } };
    struct fleet *fleet = make_fleet(config);
    uint32_t slot = 9;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .uses = 1 });
    assert_string_equal(acquire(fleet, 1, taken, &slot), "a");
    fleet_release(fleet, 1, released);
    assert_int_equal(fleet_find(fleet, "a")->idle_since_ms, released);
    assert_string_equal(removals(fleet, released + SECOND, REASON_NONE).text, "");
    assert_string_equal(removals(fleet, released + 20 * MINUTE, REASON_NONE).text, "");
    fleet_free(fleet);
}

static void test_autoscaler_V33_idle_time_is_reached_to_the_second(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .policy.idle_time_ms = 20 * MINUTE });

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    assert_int_equal(fleet_occupy(fleet, "a", 0, 1, NULL), 0);
    assert_string_equal(removals(fleet, NOW + 60 * MINUTE, REASON_NONE).text,
                        ""); /* a job is on it */
    fleet_release(fleet, 1, NOW);
    assert_string_equal(removals(fleet, NOW + 20 * MINUTE - SECOND, REASON_NONE).text, "");
    assert_string_equal(removals(fleet, NOW + 20 * MINUTE, REASON_IDLE_TOO_LONG).text, "a");
    fleet_free(fleet);
}

static void test_autoscaler_V35_the_idle_clock_starts_when_it_is_ready(void **state)
{
    const int64_t ready = NOW + 8 * MINUTE;
    struct fleet *fleet = make_fleet((struct fleet_config) { .policy.idle_time_ms = 5 * MINUTE });

    (void) state;
    fleet_request(fleet, 1, NOW);
    fleet_on_increase(fleet, NOW, 1, 1);
    list(fleet, NOW, "a", INSTANCE_CREATING);
    assert_string_equal(removals(fleet, NOW + 5 * MINUTE, REASON_NONE).text, "");
    list_running(fleet, NOW + 7 * MINUTE, "a");
    fleet_mark_ready(fleet, "a", ready);
    assert_string_equal(removals(fleet, ready + 5 * MINUTE - 1, REASON_NONE).text, "");
    assert_string_equal(removals(fleet, ready + 5 * MINUTE, REASON_IDLE_TOO_LONG).text, "a");
    fleet_free(fleet);
}

/* New settings. */

static void test_autoscaler_V47_more_idle_capacity_is_ordered_at_the_next_evaluation(void **state)
{
    struct fleet_config config = {
        .capacity = 1,
        .max_instances = 10,
        .policy = { .idle_count = 1, .idle_time_ms = 20 * MINUTE, .preemptive = true }
    };
    struct fleet *fleet = make_fleet(config);

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .idle_since_ms = NOW - 30 * MINUTE });
    assert_true(fleet_reserve(fleet, NOW, NULL));
    assert_int_equal(planned(fleet, NOW, false), 0);
    config.policy.idle_count = 3;
    assert_int_equal(fleet_configure(fleet, &config), 0);
    assert_int_equal(planned(fleet, NOW, false), 2);
    assert_string_equal(removals(fleet, NOW, REASON_NONE).text, "");
    fleet_free(fleet);
}

static void test_autoscaler_V48_a_reservation_outlives_a_switch_to_preemptive_off(void **state)
{
    struct fleet_config config = { .capacity = 1,
                                   .max_instances = 2,
                                   .policy = { .idle_count = 1, .preemptive = true } };
    struct fleet *fleet = make_fleet(config);
    struct fleet_numbers n;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    assert_true(fleet_reserve(fleet, NOW, NULL));
    for (int i = 0; i < 2; i++)
        list_running(fleet, NOW, ""); /* nothing is ready any more */
    assert_false(fleet_reserve(fleet, NOW, NULL));
    config.policy = (struct fleet_policy) { 0 };
    assert_int_equal(fleet_configure(fleet, &config), 0);
    assert_true(fleet_reserve(fleet, NOW, NULL)); /* one is held, two could be made */
    assert_false(fleet_reserve(fleet, NOW, NULL));
    assert_int_equal(planned(fleet, NOW, false), 0);
    assert_int_equal(fleet_wait(fleet, 1, true), 0); /* its job arrived */
    assert_int_equal(planned(fleet, NOW, false), 1);
    fleet_unreserve(fleet); /* there was none for the other */
    fleet_count(fleet, &n);
    assert_int_equal(n.reserved, 0);
    fleet_free(fleet);
}

static void test_autoscaler_V55_what_fails_heartbeats_gets_no_job_and_is_replaced(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .failure_threshold = 3 });
    const struct fleet_instance *instance = NULL;
    uint32_t slot = 9;
    int64_t seq = 0;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    assert_false(fleet_note_health(fleet, "a", false));
    assert_string_equal(acquire(fleet, 1, NOW, &slot), "");
    assert_false(fleet_note_health(fleet, "a", true));
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    fleet_release(fleet, 1, NOW);
    assert_int_equal(fleet_wait(fleet, 2, false), 0);
    assert_false(fleet_note_health(fleet, "a", false));
    assert_false(fleet_note_health(fleet, "a", false));
    assert_true(fleet_note_health(fleet, "a", false));
    fleet_mark_removing(fleet, "a", REASON_UNHEALTHY, NOW);
    assert_int_equal(planned(fleet, NOW, false), 1);
    assert_string_equal(removable(fleet, NOW).text, "a");
    fleet_free(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_autoscaler_V13_a_slow_cloud_is_not_asked_twice),
        cmocka_unit_test(test_autoscaler_V16_what_is_accepted_in_part_is_sent_again),
        cmocka_unit_test(test_autoscaler_V17_what_never_appears_is_ordered_again),
        cmocka_unit_test(test_autoscaler_V20_growth_that_fails_waits_longer_each_time),
        cmocka_unit_test(test_autoscaler_V25_uses_count_when_a_slot_is_taken),
        cmocka_unit_test(test_autoscaler_V26_the_lowest_free_slot_is_given),
        cmocka_unit_test(test_autoscaler_V27_what_is_removing_gets_no_job_and_ends_its_own),
        cmocka_unit_test(test_autoscaler_V32_the_idle_clock_starts_anew_after_each_job),
        cmocka_unit_test(test_autoscaler_V33_idle_time_is_reached_to_the_second),
        cmocka_unit_test(test_autoscaler_V35_the_idle_clock_starts_when_it_is_ready),
        cmocka_unit_test(test_autoscaler_V47_more_idle_capacity_is_ordered_at_the_next_evaluation),
        cmocka_unit_test(test_autoscaler_V48_a_reservation_outlives_a_switch_to_preemptive_off),
        cmocka_unit_test(test_autoscaler_V55_what_fails_heartbeats_gets_no_job_and_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
