/* tests/unit/fleet/test_fleet.c - mirrors core/fleet/fleet.c: what lists, answers and restarts do to the fleet. */
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

/* architecture.md section 3: gone at the second miss in a row, at the first when its connection is dead; what we
 * delete is gone at once. */
static void test_absence_is_proved_by_complete_lists(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .pending_limit_ms = MINUTE };
    const struct fleet_listed b = { "b", INSTANCE_RUNNING, NULL, false };
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

static void test_hardening_X6_three_crashes_within_an_hour_are_too_many(void **state)
{
    static const struct {
        const char *why;
        int64_t minutes[3];
        bool replaced;
    } rows[] = {
        { "three at once", { 0, 0, 0 }, true },
        { "three within an hour", { 0, 30, 59 }, true },
        { "the first is an hour ago", { 0, 30, 60 }, false },
    };
    const struct fleet_config config = { .capacity = 1, .max_instances = 10 };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fleet *fleet = NULL;

        assert_int_equal(fleet_new(&config, &fleet), 0);
        restore(fleet, "a", (struct fleet_instance) { 0 });
        restore(fleet, "b", (struct fleet_instance) { 0 });
        assert_false(fleet_note_crash(fleet, "gone", NOW));
        for (size_t k = 0; k < ARRAY_LEN(rows[i].minutes); k++) {
            bool replaced = fleet_note_crash(fleet, "a", NOW + rows[i].minutes[k] * MINUTE);

            if (replaced != (k == 2 && rows[i].replaced))
                fail_msg("%s: crash %zu", rows[i].why, k + 1);
        }
        assert_false(fleet_note_crash(fleet, "b", NOW)); /* each has its own count */
        fleet_free(fleet);
    }
}

/* Over a restart, too: who was a stranger stays one until two complete lists of this run have shown it. */
static void test_a_stranger_stays_one_over_a_restart(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .pending_limit_ms = MINUTE };
    const struct fleet_listed stranger = { "x", INSTANCE_RUNNING, NULL, false };
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
    struct fleet_former_order orders[] = {
        { 1, NOW - 60 * MINUTE, NOW - 30 * MINUTE, true }, /* given up */
        { 1, NOW - 20 * MINUTE, NOW - 5 * MINUTE, true },
        { 2, NOW - 10 * MINUTE, NOW + 2 * MINUTE, false },
        { 3, NOW - 6 * MINUTE, NOW + 9 * MINUTE, true },
    };
    /* late, of the second; then two of the last */
    const int64_t appeared[] = { NOW - 4 * MINUTE, NOW - 3 * MINUTE, NOW - 2 * MINUTE };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_restore_orders(fleet, NOW, orders, ARRAY_LEN(orders), appeared, ARRAY_LEN(appeared));
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

static void test_what_appeared_before_an_order_was_made_is_not_of_it(void **state)
{
    struct fleet_former_order orders[] = { { 1, NOW - 10 * MINUTE, NOW + 2 * MINUTE, false },
                                           { 1, NOW - 6 * MINUTE, NOW + 9 * MINUTE, true } };
    const int64_t appeared[] = { NOW - 6 * MINUTE };
    struct fleet *fleet = make_fleet((struct fleet_config) { 0 });

    (void) state;
    fleet_restore_orders(fleet, NOW, orders, ARRAY_LEN(orders), appeared, ARRAY_LEN(appeared));
    assert_int_equal(fleet_pending(fleet), 1);
    assert_false(fleet_has_unanswered(fleet));
    fleet_free(fleet);
}

static void test_what_an_operator_drains_is_his_to_undrain_and_what_the_cloud_takes_is_not(
    void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { 0 });
    uint32_t slot = 9;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    assert_false(fleet_undrain(fleet, "a"));
    assert_true(fleet_drain(fleet, "a", REASON_DRAINED, 0));
    assert_string_equal(acquire(fleet, 1, NOW, &slot), "");
    assert_string_equal(removals(fleet, NOW, REASON_DRAINED).text, "a");
    assert_true(fleet_undrain(fleet, "a"));
    assert_string_equal(removals(fleet, NOW, REASON_NONE).text, "");
    assert_true(fleet_drain(fleet, "a", REASON_DRAINED, 0));
    assert_true(fleet_drain(fleet, "a", REASON_INTERRUPTED, NOW + MINUTE));
    assert_true(fleet_drain(fleet, "a", REASON_DRAINED, 0)); /* changes nothing */
    assert_false(fleet_undrain(fleet, "a"));
    assert_string_equal(removals(fleet, NOW, REASON_INTERRUPTED).text, "a");
    fleet_free(fleet);
}

/* It would go for its uses; it is marked for another reason; both wait. Meanwhile its place is taken. */
static void test_what_is_held_takes_no_job_and_goes_once_it_is_released(void **state)
{
    struct fleet *fleet =
        make_fleet((struct fleet_config) { .capacity = 1, .max_use_count = 2, .max_instances = 2 });
    const char *ids[2];
    uint32_t slot = 9;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .uses = 2, .idle_since_ms = NOW - HOUR });
    restore(fleet, "b", (struct fleet_instance) { .idle_since_ms = NOW });
    assert_false(fleet_release_hold(fleet, "a"));
    assert_false(fleet_hold(fleet, "nobody", NOW + HOUR));
    assert_true(fleet_hold(fleet, "a", NOW + MINUTE));
    assert_true(fleet_hold(fleet, "a", NOW + HOUR));
    assert_true(fleet_hold(fleet, "b", NOW + HOUR));
    assert_int_equal(fleet_find(fleet, "a")->held_until_ms, NOW + HOUR);
    assert_string_equal(acquire(fleet, 1, NOW, &slot), "");
    assert_string_equal(removals(fleet, NOW + 2 * HOUR, REASON_NONE).text, "");
    assert_int_equal(planned(fleet, NOW, false), 0); /* both places are taken */
    fleet_mark_removing(fleet, "b", REASON_UNHEALTHY, NOW);
    assert_int_equal(fleet_removable(fleet, NOW, MINUTE, ids, 2), 0);
    assert_false(fleet_awaits_removal(fleet));
    assert_true(fleet_release_hold(fleet, "a"));
    assert_true(fleet_release_hold(fleet, "b"));
    assert_string_equal(removals(fleet, NOW, REASON_USES_SPENT).text, "a");
    assert_int_equal(fleet_removable(fleet, NOW, MINUTE, ids, 2), 1);
    assert_string_equal(ids[0], "b");
    assert_true(fleet_hold(fleet, "b", NOW + HOUR)); /* its removal waits again */
    assert_int_equal(fleet_removable(fleet, NOW, MINUTE, ids, 2), 0);
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
    const struct fleet_listed back = { "x", INSTANCE_RUNNING, &former, false };
    struct scaler_plan plan = { 0 };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_request(fleet, 1, NOW);
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

/* The answer to an order of two was lost; one of them appears before the repeated request is answered. */
static void test_what_appears_before_its_answer_is_not_waited_for_again(void **state)
{
    const struct fleet_config config = {
        .capacity = 1, .max_instances = 2, .policy.idle_count = 2, .pending_limit_ms = MINUTE
    };
    const struct fleet_listed first = { .id = "a", .state = INSTANCE_RUNNING };
    struct fleet_numbers n;
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_request(fleet, 2, NOW);
    fleet_on_increase_unanswered(fleet, 2);
    fleet_on_increase_unanswered(fleet, 2); /* nor is the second try */
    assert_int_equal(fleet_on_list(fleet, NOW, &first, 1, true, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_find(fleet, "a")->cause, CAUSE_REQUESTED);
    fleet_count(fleet, &n);
    assert_int_equal(n.requested, 1);
    assert_int_equal(planned(fleet, NOW, false), 0);
    fleet_cancel_requests(fleet, 2);
    fleet_count(fleet, &n);
    assert_int_equal(n.requested, 0);
    fleet_request(fleet, 1, NOW);
    fleet_on_increase(fleet, NOW, 2, 2);
    assert_int_equal(fleet_pending(fleet), 1);
    assert_int_equal(fleet_requested(fleet), 0);
    fleet_free(fleet);
}

/* A provider of machines that exist already gives out the same id again and again. */
static void test_a_returned_id_is_a_new_use_when_one_is_on_order(void **state)
{
    const struct fleet_config config = {
        .capacity = 1, .max_use_count = 1, .max_instances = 10, .pending_limit_ms = MINUTE
    };
    const struct fleet_instance former = {
        .cause = CAUSE_REQUESTED, .uses = 1, .removing = true, .remove_reason = REASON_USES_SPENT
    };
    const struct fleet_listed back[] = { { "x", INSTANCE_RUNNING, &former, true },
                                         { "y", INSTANCE_RUNNING, &former, true } };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_request(fleet, 1, NOW);
    fleet_on_increase(fleet, NOW, 1, 1);
    assert_int_equal(fleet_on_list(fleet, NOW, back, 2, true, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_pending(fleet), 0);
    assert_true(fleet_find(fleet, "x")->anew);
    assert_int_equal(fleet_find(fleet, "x")->uses, 0);
    assert_false(fleet_find(fleet, "x")->removing);
    assert_int_equal(fleet_find(fleet, "y")->uses, 1); /* nobody ordered this one */
    assert_true(fleet_find(fleet, "y")->removing);
    fleet_free(fleet);
}

static void test_a_removal_is_awaited_once_it_can_begin(void **state)
{
    const struct fleet_config config = { .capacity = 1, .max_instances = 1 };
    const struct fleet_listed x = { "x", INSTANCE_RUNNING, NULL, false };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    assert_int_equal(fleet_on_list(fleet, NOW, &x, 1, true, ignore, NULL, NULL), 0);
    assert_int_equal(fleet_occupy(fleet, "x", 0, 7, NULL), 0);
    fleet_mark_removing(fleet, "x", REASON_UNHEALTHY, NOW);
    assert_false(fleet_awaits_removal(fleet)); /* a job runs there */
    fleet_release(fleet, 7, NOW);
    assert_true(fleet_awaits_removal(fleet));
    fleet_on_removal_accepted(fleet, "x", NOW);
    assert_true(fleet_awaits_removal(fleet));
    assert_int_equal(fleet_on_list(fleet, NOW, NULL, 0, true, ignore, NULL, NULL), 0);
    assert_false(fleet_awaits_removal(fleet));
    fleet_free(fleet);
}

static void test_anothers_instance_gets_no_jobs_and_is_never_removed(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 2,
                                         .pending_limit_ms = MINUTE };
    const struct fleet_instance former = { .cause = CAUSE_FOREIGN };
    const struct fleet_listed foreign = { "x", INSTANCE_RUNNING, &former, false };
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
    const struct fleet_listed twice[] = { { "x", INSTANCE_RUNNING, NULL, false },
                                          { "x", INSTANCE_RUNNING, NULL, false } };
    const struct fleet_listed bad = { "a b", INSTANCE_RUNNING, NULL, false };
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absence_is_proved_by_complete_lists),
        cmocka_unit_test(test_a_lost_connection_is_tried_again_once_a_list_shows_the_instance),
        cmocka_unit_test(test_hardening_X6_three_crashes_within_an_hour_are_too_many),
        cmocka_unit_test(test_a_stranger_stays_one_over_a_restart),
        cmocka_unit_test(test_orders_of_a_former_run_are_waited_for),
        cmocka_unit_test(test_what_appeared_before_an_order_was_made_is_not_of_it),
        cmocka_unit_test(
            test_what_an_operator_drains_is_his_to_undrain_and_what_the_cloud_takes_is_not),
        cmocka_unit_test(test_what_is_held_takes_no_job_and_goes_once_it_is_released),
        cmocka_unit_test(test_a_removal_keeps_its_reason_over_a_restart),
        cmocka_unit_test(test_an_id_that_comes_back_keeps_its_uses_and_takes_no_order),
        cmocka_unit_test(test_what_appears_before_its_answer_is_not_waited_for_again),
        cmocka_unit_test(test_a_returned_id_is_a_new_use_when_one_is_on_order),
        cmocka_unit_test(test_a_removal_is_awaited_once_it_can_begin),
        cmocka_unit_test(test_anothers_instance_gets_no_jobs_and_is_never_removed),
        cmocka_unit_test(test_a_list_that_contradicts_itself_changes_nothing),
        cmocka_unit_test(test_ten_thousand_instances_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
