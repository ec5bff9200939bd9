/* tests/unit/fleet/test_scaler.c - mirrors core/fleet/scaler.c, beside the vectors of the reference
 * (test_vectors.c, test_vector_events.c). */
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

/* A provider made 4 of 2, and the policy wants more: the free ones go at once, the busy one stays. */
static void test_what_is_above_the_maximum_goes_at_once(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 2,
                                         .policy = { .idle_count = 4,
                                                     .idle_time_ms = 20 * MINUTE } };
    struct scaler_plan plan = { 0 };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    for (const char *const *id = (const char *const[]) { "busy", "b", "c", "d", NULL }; *id; id++)
        restore(fleet, *id, (struct fleet_instance) { 0 });
    assert_int_equal(fleet_occupy(fleet, "busy", 0, 1, NULL), 0);
    assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
    assert_int_equal(plan.request, 0);
    assert_int_equal(plan.n_removals, 2);
    for (size_t i = 0; i < plan.n_removals; i++) {
        assert_string_not_equal(plan.removals[i].id, "busy");
        assert_int_equal(plan.removals[i].reason, REASON_ABOVE_MAXIMUM);
    }
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

/* Five uses of six: it can take two jobs more, and three of its slots are lost, which nobody wants. */
static void test_what_is_lost_on_an_idle_instance_does_not_keep_it(void **state)
{
    struct fleet_config config = { .capacity = 5, .max_use_count = 6, .max_instances = 10 };
    struct fleet *fleet = make_fleet(config);

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .uses = 4, .idle_since_ms = NOW - HOUR });
    assert_string_equal(removals(fleet, NOW, REASON_IDLE_TOO_LONG).text, "a");
    restore(fleet, "x", (struct fleet_instance) { .uses = 4, .idle_since_ms = NOW - HOUR });
    assert_string_equal(removals(fleet, NOW, REASON_IDLE_TOO_LONG).text, "ax"); /* at once */
    for (int i = 0; i < 2; i++)
        list_running(fleet, NOW, "a");
    config.policy = (struct fleet_policy) { .idle_count = 5, .idle_time_ms = 20 * MINUTE };
    assert_int_equal(fleet_configure(fleet, &config), 0);
    assert_string_equal(removals(fleet, NOW, REASON_NONE).text, "");
    assert_int_equal(planned(fleet, NOW, false), 1);
    restore(fleet, "b", (struct fleet_instance) { .idle_since_ms = NOW - 2 * HOUR });
    assert_string_equal(removals(fleet, NOW, REASON_IDLE_TOO_LONG).text,
                        "a"); /* not b, which is needed */
    assert_int_equal(planned(fleet, NOW, false), 0);
    fleet_free(fleet);
}

static void test_a_new_instance_counts_for_the_uses_that_it_has(void **state)
{
    const struct fleet_config config = { .capacity = 4, .max_use_count = 1, .max_instances = 3 };
    struct fleet *fleet = make_fleet(config);

    (void) state;
    for (int64_t seq = 1; seq <= 2; seq++)
        assert_int_equal(fleet_wait(fleet, seq, false), 0);
    assert_int_equal(order(fleet, NOW, 2), 2); /* each takes one of the jobs */
    assert_int_equal(planned(fleet, NOW, false), 0);
    assert_true(fleet_reserve(fleet, NOW, NULL)); /* a third could be made for one more */
    assert_false(fleet_reserve(fleet, NOW, NULL));
    fleet_free(fleet);
}

static void test_jobs_beyond_a_lowered_capacity_want_no_instance(void **state)
{
    struct fleet_config config = { .capacity = 2, .max_instances = 10 };
    struct fleet *fleet = make_fleet(config);

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .uses = 2 });
    for (uint32_t slot = 0; slot < 2; slot++)
        assert_int_equal(fleet_occupy(fleet, "a", slot, slot + 1, NULL), 0);
    config.capacity = 1;
    assert_int_equal(fleet_configure(fleet, &config), 0);
    assert_int_equal(planned(fleet, NOW, false), 0);
    assert_int_equal(fleet_wait(fleet, 3, false), 0);
    assert_int_equal(planned(fleet, NOW, false), 1);
    fleet_free(fleet);
}

/* Three of five are going, two are on order: together more than the three that may be from now on. */
static void test_orders_above_a_lowered_maximum_are_cancelled(void **state)
{
    struct fleet_config config = { .capacity = 1, .max_instances = 5 };
    struct fleet *fleet = make_fleet(config);
    struct scaler_plan plan = { 0 };

    (void) state;
    for (const char *const *id = (const char *const[]) { "a", "b", "c", NULL }; *id; id++)
        restore(fleet, *id, (struct fleet_instance) { .removing = true });
    for (int64_t seq = 1; seq <= 4; seq++)
        assert_int_equal(fleet_wait(fleet, seq, false), 0);
    assert_int_equal(planned(fleet, NOW, false), 2);
    fleet_request(fleet, 2, NOW);
    config.max_instances = 4;
    assert_int_equal(fleet_configure(fleet, &config), 0);
    assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
    assert_int_equal(plan.cancel, 1);
    assert_int_equal(plan.reason, REASON_AT_MAXIMUM);
    scaler_plan_done(&plan);
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
        "wanted 1 instance (0 slots acquired, 1 job waiting, 0 slots lost, idle target 0), "
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

static void test_a_drained_group_grows_for_its_jobs_alone_and_keeps_nothing_idle(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 9,
                                         .policy.idle_count = 2,
                                         .policy.idle_time_ms = 60 * MINUTE };
    struct scaler_plan plan = { 0 };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    restore(fleet, "idle", (struct fleet_instance) { .idle_since_ms = NOW });
    assert_int_equal(planned(fleet, NOW, false), 1);
    fleet_set_drained(fleet, true);
    assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
    assert_int_equal(plan.request, 0);
    assert_int_equal(plan.n_removals, 1);
    assert_int_equal(plan.removals[0].reason, REASON_DRAINED);
    scaler_plan_done(&plan);
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    assert_int_equal(fleet_wait(fleet, 2, false), 0);
    assert_int_equal(planned(fleet, NOW, true), 0);
    assert_int_equal(planned(fleet, NOW, false), 1);
    fleet_set_drained(fleet, false);
    assert_int_equal(planned(fleet, NOW, false), 3);
    fleet_free(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_above_the_maximum_goes_at_once),
        cmocka_unit_test(test_a_drained_group_grows_for_its_jobs_alone_and_keeps_nothing_idle),
        cmocka_unit_test(test_what_is_lost_on_an_idle_instance_does_not_keep_it),
        cmocka_unit_test(test_a_new_instance_counts_for_the_uses_that_it_has),
        cmocka_unit_test(test_jobs_beyond_a_lowered_capacity_want_no_instance),
        cmocka_unit_test(test_orders_above_a_lowered_maximum_are_cancelled),
        cmocka_unit_test(test_each_decision_is_explained_with_its_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
