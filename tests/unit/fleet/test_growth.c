/* tests/unit/fleet/test_growth.c - growth that fails: its pauses, and what it means for jobs (core/fleet/health.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fleet/fixture.h"

#define SECOND ((int64_t) 1000)

static struct fleet *new_fleet(struct fleet_config config)
{
    struct fleet *fleet = NULL;

    config.capacity = config.capacity ? config.capacity : 1;
    config.pending_limit_ms = 15 * MINUTE;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    return fleet;
}

/* For how long growth waits at `now`; 0 = it does not. */
static int64_t paused(const struct fleet *fleet, int64_t now)
{
    int64_t until = 0;

    return fleet_growth_paused(fleet, now, NULL, &until) ? until - now : 0;
}

static void test_pauses_double_up_to_five_minutes(void **state)
{
    static const struct {
        const char *why;
        int64_t unit_ms, retry_after_ms, pauses_ms[11];
    } rows[] = {
        { "by itself",
          0,
          0,
          { 1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000, 300000, 300000 } },
        { "the cloud's advice, where it is longer",
          0,
          10000,
          { 10000, 10000, 10000, 10000, 16000, 32000, 64000, 128000, 256000, 300000, 300000 } },
        { "in shorter units", 10, 0, { 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3000, 3000 } },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fleet *fleet = new_fleet((struct fleet_config) { .pause_unit_ms = rows[i].unit_ms });
        int64_t now = NOW;

        for (size_t k = 0; k < ARRAY_LEN(rows[i].pauses_ms); k++) {
            fleet_growth_failed(fleet, GROWTH_QUOTA, now, rows[i].retry_after_ms);
            fleet_growth_failed(fleet, GROWTH_QUOTA, now, 0); /* of the same time: one failure */
            if (paused(fleet, now) != rows[i].pauses_ms[k])
                fail_msg("%s: pause %zu is %lld ms", rows[i].why, k,
                         (long long) paused(fleet, now));
            now += rows[i].pauses_ms[k];
            assert_int_equal(paused(fleet, now), 0);
        }
        fleet_growth_succeeded(fleet);
        fleet_growth_failed(fleet, GROWTH_QUOTA, now, 0);
        assert_true(paused(fleet, now) < rows[i].pauses_ms[1]);
        fleet_free(fleet);
    }
}

static void test_each_kind_of_failure_has_its_own_pause(void **state)
{
    struct fleet *fleet = new_fleet((struct fleet_config) { .max_instances = 3 });
    autobuf struct buf text = BUF_INIT;
    enum growth_failure kind = GROWTH_BOOT;

    (void) state;
    assert_false(fleet_explain_growth(fleet, NOW, &text));
    fleet_growth_failed(fleet, GROWTH_RATE, NOW, 0);
    fleet_growth_failed(fleet, GROWTH_RATE, NOW + SECOND, 0);
    fleet_growth_failed(fleet, GROWTH_QUOTA, NOW + 1500, 0); /* its first one */
    assert_true(fleet_growth_paused(fleet, NOW + 2 * SECOND, &kind, NULL));
    assert_int_equal(kind, GROWTH_RATE);
    assert_int_equal(paused(fleet, NOW + 2 * SECOND), SECOND);
    assert_true(fleet_explain_growth(fleet, NOW + 2500, &text));
    assert_string_equal(buf_str(&text), "the cloud is asked too often, tried again in 1s");
    buf_clear(&text);
    assert_true(fleet_explain_growth(fleet, NOW + 3 * SECOND, &text));
    assert_string_equal(buf_str(&text),
                        "the cloud is asked too often, tried again with the next order");
    fleet_free(fleet);
}

static void test_nothing_is_ordered_while_growth_waits(void **state)
{
    struct fleet *fleet =
        new_fleet((struct fleet_config) { .max_instances = 3, .policy.idle_count = 2 });

    (void) state;
    assert_int_equal(planned(fleet, NOW, false), 2);
    fleet_growth_failed(fleet, GROWTH_QUOTA, NOW, 0);
    assert_int_equal(planned(fleet, NOW + SECOND - 1, false), 0);
    assert_int_equal(planned(fleet, NOW + SECOND, false), 2);
    fleet_free(fleet);
}

/* autoscaler_V20, preemptive off: what a job would need that can be had now, and what it is told. */
static void test_autoscaler_V20_no_job_is_asked_for_that_needs_growth(void **state)
{
    static const struct {
        const char *why;
        enum growth_failure kind;
        int64_t after_ms; /* the failure */
        uint32_t idle, booting, pending, waiting, reserved;
        bool allowed;
    } rows[] = {
        { "nothing is there", GROWTH_QUOTA, 0, 0, 0, 0, 0, 0, false },
        { "the pause is over: one job may try it", GROWTH_QUOTA, 1000, 0, 0, 0, 0, 0, true },
        { "and one only", GROWTH_QUOTA, 1000, 0, 0, 0, 1, 0, false },
        { "nor a second request", GROWTH_QUOTA, 1000, 0, 0, 0, 0, 1, false },
        { "a slot is free", GROWTH_QUOTA, 0, 1, 0, 0, 0, 0, true },
        { "and promised", GROWTH_QUOTA, 0, 1, 0, 0, 0, 1, false },
        { "one boots", GROWTH_QUOTA, 0, 0, 1, 0, 0, 0, true },
        { "one is on order", GROWTH_CAPACITY, 0, 0, 0, 1, 0, 0, true },
        { "one boots where nothing does", GROWTH_BOOT, 0, 0, 1, 0, 0, 0, false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fleet *fleet = new_fleet((struct fleet_config) { .max_instances = 9 });
        struct error why = { 0 };
        bool allowed;

        for (uint32_t k = 0; k < rows[i].reserved; k++)
            assert_true(fleet_reserve(fleet, NOW, &why));
        for (uint32_t k = 0; k < rows[i].idle; k++)
            restore(fleet, "idle", (struct fleet_instance) { .cause = CAUSE_REQUESTED });
        for (uint32_t k = 0; k < rows[i].booting; k++)
            restore(fleet, "boots",
                    (struct fleet_instance) { .cause = CAUSE_REQUESTED, .ready_ms = -1 });
        expect(fleet, rows[i].pending, NOW + 15 * MINUTE);
        for (uint32_t k = 0; k < rows[i].waiting; k++)
            assert_int_equal(fleet_wait(fleet, k + 1, false), 0);
        assert_true(fleet_growth_allows_job(fleet, NOW, false, &why));
        fleet_growth_failed(fleet, rows[i].kind, NOW, 0);
        allowed = fleet_growth_allows_job(fleet, NOW + rows[i].after_ms, false, &why);
        if (allowed != rows[i].allowed ||
            (!allowed && !str_starts(why.message, "the group cannot grow: ")))
            fail_msg("%s: %d %s", rows[i].why, allowed, why.message);
        /* The same for a request that holds its reservation. */
        if (rows[i].waiting == 0 && fleet_reserve(fleet, NOW, &why) &&
            fleet_growth_allows_job(fleet, NOW + rows[i].after_ms, true, &why) != rows[i].allowed)
            fail_msg("%s: for a parked request it is the other way", rows[i].why);
        fleet_free(fleet);
    }
}

static void test_what_is_on_order_has_room_for_the_uses_that_it_has(void **state)
{
    struct fleet *fleet =
        new_fleet((struct fleet_config) { .capacity = 5, .max_use_count = 1, .max_instances = 9 });

    (void) state;
    expect(fleet, 1, NOW + 15 * MINUTE);
    fleet_growth_failed(fleet, GROWTH_QUOTA, NOW, 0);
    assert_true(fleet_growth_allows_job(fleet, NOW, false, NULL));
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    assert_false(fleet_growth_allows_job(fleet, NOW, false, NULL));
    fleet_free(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_double_up_to_five_minutes),
        cmocka_unit_test(test_each_kind_of_failure_has_its_own_pause),
        cmocka_unit_test(test_nothing_is_ordered_while_growth_waits),
        cmocka_unit_test(test_autoscaler_V20_no_job_is_asked_for_that_needs_growth),
        cmocka_unit_test(test_what_is_on_order_has_room_for_the_uses_that_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
