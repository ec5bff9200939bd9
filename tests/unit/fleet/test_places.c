/* tests/unit/fleet/test_places.c - mirrors core/fleet/places.c: growth where the place of an instance that went comes
 * back late. The rule is ours (docs/design/scaling.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "tests/unit/fleet/fixture.h"

/* Two Macs of which both are wanted. */
static struct fleet *two_hosts(int64_t recycle_ms)
{
    return make_fleet((struct fleet_config) {
        .max_instances = 2, .recycle_ms = recycle_ms, .policy.idle_count = 2 });
}

static struct scaler_plan plan_at(const struct fleet *fleet, int64_t now)
{
    struct scaler_plan plan = { 0 };

    assert_int_equal(scaler_plan(fleet, now, 1, &plan), 0);
    return plan;
}

static void check(const struct fleet *fleet, int64_t now, uint32_t request,
                  enum fleet_reason reason, int64_t next_ms)
{
    struct scaler_plan plan = plan_at(fleet, now);

    if (plan.request != request || plan.reason != reason || plan.grows_ms != next_ms)
        fail_msg("orders %u (%s), may grow in %lld ms", plan.request,
                 fleet_reason_name(plan.reason), (long long) (plan.grows_ms - now));
    scaler_plan_done(&plan);
}

static void test_a_place_comes_back_when_it_is_recycled(void **state)
{
    struct fleet *fleet = two_hosts(3 * HOUR);

    (void) state;
    list_running(fleet, NOW, "ab");
    list_running(fleet, NOW + MINUTE, "ab");
    fleet_mark_removing(fleet, "a", REASON_BY_HAND, NOW + MINUTE);
    list_running(fleet, NOW + 2 * MINUTE, "b"); /* gone: from now on */
    check(fleet, NOW + 2 * MINUTE, 0, REASON_RECYCLING, NOW + 2 * MINUTE + 3 * HOUR);
    check(fleet, NOW + 3 * HOUR + 2 * MINUTE - 1, 0, REASON_RECYCLING, NOW + 2 * MINUTE + 3 * HOUR);
    check(fleet, NOW + 3 * HOUR + 2 * MINUTE, 1, REASON_IDLE_TARGET, INT64_MAX);
    fleet_free(fleet);
}

static void test_without_a_time_to_recycle_it_is_free_at_once(void **state)
{
    struct fleet *fleet = two_hosts(0);

    (void) state;
    list_running(fleet, NOW, "ab");
    list_running(fleet, NOW + MINUTE, "ab");
    fleet_mark_removing(fleet, "a", REASON_BY_HAND, NOW + MINUTE);
    list_running(fleet, NOW + 2 * MINUTE, "b");
    check(fleet, NOW + 2 * MINUTE, 1, REASON_IDLE_TARGET, INT64_MAX);
    fleet_free(fleet);
}

static void test_what_is_free_beside_it_is_ordered(void **state)
{
    struct fleet *fleet = make_fleet(
        (struct fleet_config) { .max_instances = 3, .recycle_ms = HOUR, .policy.idle_count = 3 });

    (void) state;
    fleet_restore_gone(fleet, NOW - 20 * MINUTE);
    list_running(fleet, NOW, "");
    check(fleet, NOW, 2, REASON_IDLE_TARGET, NOW + 40 * MINUTE);
    fleet_restore_gone(fleet, NOW - 10 * MINUTE);
    check(fleet, NOW, 1, REASON_IDLE_TARGET, NOW + 40 * MINUTE);
    check(fleet, NOW + 45 * MINUTE, 2, REASON_IDLE_TARGET, NOW + 50 * MINUTE);
    fleet_free(fleet);
}

/* An order that was decided and not sent has lost its place. */
static void test_orders_without_a_place_are_taken_back(void **state)
{
    struct fleet *fleet = two_hosts(HOUR);
    struct scaler_plan plan;

    (void) state;
    list_running(fleet, NOW, "");
    fleet_request(fleet, 2, NOW);
    fleet_restore_gone(fleet, NOW);
    plan = plan_at(fleet, NOW);
    assert_int_equal(plan.cancel, 1);
    assert_int_equal(plan.reason, REASON_RECYCLING);
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

/* A job is not taken in for an instance that cannot be made for hours. */
static void test_no_job_is_promised_a_place_that_is_not_back(void **state)
{
    struct fleet *fleet =
        make_fleet((struct fleet_config) { .max_instances = 1, .recycle_ms = HOUR });
    struct error why = { 0 };

    (void) state;
    list_running(fleet, NOW, "a");
    list_running(fleet, NOW + MINUTE, "a");
    fleet_mark_removing(fleet, "a", REASON_BY_HAND, NOW + MINUTE);
    list_running(fleet, NOW + 2 * MINUTE, "");
    assert_false(fleet_reserve(fleet, NOW + 2 * MINUTE + HOUR - 1, &why));
    assert_true(fleet_reserve(fleet, NOW + 2 * MINUTE + HOUR, &why));
    fleet_free(fleet);
}

static void test_it_is_explained(void **state)
{
    struct fleet *fleet = two_hosts(200 * MINUTE);
    autobuf struct buf text = BUF_INIT;
    struct scaler_plan plan;

    (void) state;
    fleet_restore_gone(fleet, NOW);
    fleet_restore_gone(fleet, NOW - 10 * MINUTE);
    list_running(fleet, NOW, "");
    plan = plan_at(fleet, NOW);
    scaler_explain(fleet, &plan, NOW, &text);
    assert_non_null(strstr(
        buf_str(&text), "have 0 of max_instances 2 (2 places of instances that went are not back "
                        "yet, the next comes in 3h10m0s): order nothing, because the places of "
                        "instances that went are not back yet"));
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_place_comes_back_when_it_is_recycled),
        cmocka_unit_test(test_without_a_time_to_recycle_it_is_free_at_once),
        cmocka_unit_test(test_what_is_free_beside_it_is_ordered),
        cmocka_unit_test(test_orders_without_a_place_are_taken_back),
        cmocka_unit_test(test_no_job_is_promised_a_place_that_is_not_back),
        cmocka_unit_test(test_it_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
