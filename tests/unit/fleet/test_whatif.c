/* tests/unit/fleet/test_whatif.c - mirrors core/fleet/whatif.c: a plan under other settings, and a fleet that is as
 * before behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "tests/unit/fleet/fixture.h"

/* Four instances of two slots: one has both busy, the others have been idle for 30 minutes. */
static struct fleet *make(const struct fleet_config *config)
{
    struct fleet *fleet = NULL;

    assert_int_equal(fleet_new(config, &fleet), 0);
    for (const char *id = "abcd"; *id; id++)
        restore(
            fleet, (const char[]) { *id, '\0' },
            (struct fleet_instance) { .ready_ms = NOW - HOUR, .idle_since_ms = NOW - HOUR / 2 });
    assert_int_equal(fleet_occupy(fleet, "a", 0, 1, NULL), 0);
    assert_int_equal(fleet_occupy(fleet, "a", 1, 2, NULL), 0);
    return fleet;
}

static void test_the_plan_is_that_of_the_other_settings_and_the_fleet_keeps_its_own(void **unused)
{
    const struct fleet_config own = { .capacity = 2,
                                      .max_instances = 9,
                                      .policy.idle_count = 6,
                                      .policy.idle_time_ms = 20 * MINUTE };
    static const struct {
        const char *why;
        uint32_t capacity, max_instances, idle_count;
        bool drained;
        uint32_t want_request;
        size_t want_removals;
    } rows[] = {
        { "its own", 2, 9, 6, false, 0, 0 },
        { "nothing idle", 2, 9, 0, false, 0, 3 },
        { "more idle", 2, 9, 10, false, 2, 0 },
        { "a lower maximum spares who is busy", 2, 1, 6, false, 0, 3 },
        { "fewer slots an instance, of which two are busy", 1, 9, 6, false, 3, 0 },
        { "more slots an instance", 4, 9, 6, false, 0, 2 },
        { "its entry left", 2, 9, 6, true, 0, 3 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fleet_config other = own;
        struct fleet *fleet = make(&own);
        struct fleet_numbers before, after;
        struct scaler_plan plan = { 0 };

        other.capacity = rows[i].capacity;
        other.max_instances = rows[i].max_instances;
        other.policy.idle_count = rows[i].idle_count;
        other.drained = rows[i].drained;
        fleet_count(fleet, &before);
        assert_int_equal(scaler_plan_under(fleet, &other, NOW, 1, &plan), 0);
        if (plan.request != rows[i].want_request || plan.n_removals != rows[i].want_removals)
            fail_msg("%s: orders %u, removes %zu", rows[i].why, plan.request, plan.n_removals);
        for (size_t k = 0; k < plan.n_removals; k++)
            assert_string_not_equal(plan.removals[k].id, "a");
        scaler_plan_done(&plan);
        fleet_count(fleet, &after);
        assert_memory_equal(&before, &after, sizeof(before));
        assert_int_equal(fleet_config_of(fleet)->capacity, own.capacity);
        assert_int_equal(fleet_config_of(fleet)->max_instances, own.max_instances);
        assert_false(fleet_config_of(fleet)->drained);
        assert_int_equal(fleet_find(fleet, "b")->n_slots, own.capacity);
        assert_int_equal(planned(fleet, NOW, false), 0);
        assert_int_equal(planned(fleet, NOW, true), 0);
        fleet_free(fleet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_plan_is_that_of_the_other_settings_and_the_fleet_keeps_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
