/* tests/unit/fleet/test_throttle.c - mirrors the throttle of core/fleet/orders.c and what settings.c makes of the
 * configuration's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/fleet/settings.h"
#include "tests/unit/fleet/fixture.h"

static struct fleet *throttled_fleet(int32_t limit, uint32_t burst, uint32_t max_instances,
                                     uint32_t idle_count)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = max_instances,
                                         .policy.idle_count = idle_count,
                                         .pending_limit_ms = 60 * MINUTE,
                                         .throttle_limit = limit,
                                         .throttle_burst = burst };
    struct fleet *fleet = NULL;

    assert_int_equal(fleet_new(&config, &fleet), 0);
    return fleet;
}

static uint32_t order_planned(struct fleet *fleet, int64_t now)
{
    uint32_t n = planned(fleet, now, false);

    fleet_request(fleet, n, now);
    return n;
}

/* autoscaler_V18, V19 and the defaults of 10.3. */
static void test_orders_are_made_at_the_throttles_pace(void **state)
{
    static const struct {
        const char *why;
        int32_t limit;
        uint32_t burst, max_instances, idle_count;
        size_t n_steps;
        struct {
            int64_t ms;
            uint32_t want;
        } steps[4];
    } rows[] = {
        { "autoscaler_V18",
          1,
          60,
          200,
          100,
          4,
          { { 0, 60 }, { 10000, 10 }, { 40000, 30 }, { 60000, 0 } } },
        { "parts of a token are kept",
          1,
          2,
          200,
          100,
          4,
          { { 0, 2 }, { 1500, 1 }, { 2000, 1 }, { 2999, 0 } } },
        { "no more than the burst is saved up",
          10,
          5,
          200,
          100,
          3,
          { { 0, 5 }, { 3600000, 5 }, { 3600100, 1 } } },
        { "autoscaler_V19: -1 is unlimited", -1, 3, 200, 100, 1, { { 0, 100 } } },
        { "0 is 100 a second, max_instances at once", 0, 0, 300, 300, 1, { { 0, 300 } } },
        { "time that steps back gives nothing",
          1,
          2,
          200,
          100,
          3,
          { { 1000, 2 }, { 0, 0 }, { 1000, 1 } } },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fleet *fleet = throttled_fleet(rows[i].limit, rows[i].burst, rows[i].max_instances,
                                              rows[i].idle_count);

        for (size_t k = 0; k < rows[i].n_steps; k++) {
            uint32_t n = order_planned(fleet, NOW + rows[i].steps[k].ms);

            if (n != rows[i].steps[k].want)
                fail_msg("%s: %u at %d ms, not %u", rows[i].why, n, (int) rows[i].steps[k].ms,
                         rows[i].steps[k].want);
        }
        fleet_free(fleet);
    }
}

/* What the cloud did not take is sent again and costs nothing more; what is cancelled before it was sent gives its
 * tokens back. */
static void test_a_token_is_for_an_order_that_is_made(void **state)
{
    struct fleet *fleet = throttled_fleet(1, 5, 200, 100);

    (void) state;
    assert_int_equal(order_planned(fleet, NOW), 5);
    fleet_on_increase(fleet, NOW, 5, 3); /* autoscaler_V16 */
    assert_int_equal(fleet_requested(fleet), 2);
    assert_int_equal(order_planned(fleet, NOW + 1000), 1);
    fleet_cancel_requests(fleet, 3);
    assert_int_equal(order_planned(fleet, NOW + 1000), 3);
    fleet_free(fleet);
}

static void test_a_burst_that_is_changed_counts_from_now_on(void **state)
{
    struct fleet_config config = { .capacity = 1,
                                   .max_instances = 200,
                                   .policy.idle_count = 100,
                                   .throttle_limit = 1,
                                   .throttle_burst = 10 };
    struct fleet *fleet = NULL;

    (void) state;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    assert_int_equal(order_planned(fleet, NOW), 10);
    config.throttle_burst = 12;
    assert_int_equal(fleet_configure(fleet, &config), 0);
    assert_int_equal(order_planned(fleet, NOW), 2);
    config.throttle_burst = 4;
    assert_int_equal(fleet_configure(fleet, &config), 0);
    assert_int_equal(order_planned(fleet, NOW + 8000), 0);
    assert_int_equal(order_planned(fleet, NOW + 9000), 1);
    fleet_free(fleet);
}

static void test_what_is_held_back_is_explained(void **state)
{
    struct fleet *fleet = throttled_fleet(1, 60, 200, 100);
    autobuf struct buf text = BUF_INIT;
    struct scaler_plan plan = { 0 };

    (void) state;
    assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
    assert_int_equal(plan.reason, REASON_IDLE_TARGET);
    assert_int_equal(plan.held_back, 40);
    scaler_explain(fleet, &plan, NOW, &text);
    assert_non_null(
        strstr(buf_str(&text),
               ": order 60, because the policy wants idle capacity; scale_throttle holds 40 back "
               "(1 a second, 60 at once), the next is ordered in 1s"));
    fleet_request(fleet, plan.request, NOW);
    scaler_plan_done(&plan);
    assert_int_equal(scaler_plan(fleet, NOW + 300, 1, &plan), 0);
    assert_int_equal(plan.request, 0);
    assert_int_equal(plan.reason, REASON_THROTTLED);
    assert_int_equal(plan.next_ms, NOW + 1000);
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

/* autoscaler_V20: what was decided is not made while growth waits, and that is what is said. */
static void test_orders_that_wait_for_the_end_of_a_pause_say_so(void **state)
{
    struct fleet *fleet = throttled_fleet(0, 0, 200, 5);
    autobuf struct buf text = BUF_INIT;
    struct scaler_plan plan = { 0 };

    (void) state;
    assert_int_equal(order_planned(fleet, NOW), 5);
    fleet_on_increase(fleet, NOW, 5, 0);
    fleet_growth_failed(fleet, GROWTH_CAPACITY, NOW, 4000);
    assert_int_equal(scaler_plan(fleet, NOW + 500, 1, &plan), 0);
    assert_int_equal(plan.request, 0);
    assert_int_equal(plan.reason, REASON_GROWTH_PAUSED);
    assert_int_equal(plan.next_ms, NOW + 4000);
    scaler_explain(fleet, &plan, NOW + 500, &text);
    assert_non_null(strstr(buf_str(&text), growth_failure_text(GROWTH_CAPACITY)));
    assert_non_null(strstr(buf_str(&text), ", in 4s)"));
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

static void test_the_configuration_names_the_throttle(void **state)
{
    static const struct {
        const char *why;
        int64_t limit, burst, max_instances, provider_max;
        int32_t want_limit;
        uint32_t want_burst;
    } rows[] = {
        { "the defaults with max_instances", 0, 0, 30, 1000, 100, 30 },
        { "the burst is the limit without max_instances", 7, 0, 0, 1000, 7, 7 },
        { "both defaults without max_instances", 0, 0, 0, 1000, 100, 100 },
        { "what is named", 2, 9, 30, 1000, 2, 9 },
        { "unlimited", -1, 9, 0, 0, -1, 9 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct config_autoscaler autoscaler = { .throttle = { rows[i].limit, rows[i].burst },
                                                      .max_instances = rows[i].max_instances };
        const struct fleet_provider provider = { .max_size = rows[i].provider_max };
        const struct fleet_policy no_policy = { 0 };
        struct fleet_config config;

        fleet_settings_read(&autoscaler, &no_policy, &provider, &config);
        if (config.throttle_limit != rows[i].want_limit ||
            config.throttle_burst != rows[i].want_burst)
            fail_msg("%s: limit %d, burst %u", rows[i].why, config.throttle_limit,
                     config.throttle_burst);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_are_made_at_the_throttles_pace),
        cmocka_unit_test(test_a_token_is_for_an_order_that_is_made),
        cmocka_unit_test(test_a_burst_that_is_changed_counts_from_now_on),
        cmocka_unit_test(test_what_is_held_back_is_explained),
        cmocka_unit_test(test_orders_that_wait_for_the_end_of_a_pause_say_so),
        cmocka_unit_test(test_the_configuration_names_the_throttle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
