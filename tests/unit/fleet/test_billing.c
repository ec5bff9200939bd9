/* tests/unit/fleet/test_billing.c - mirrors core/fleet/billing.c: which idle instance goes, and when, where time is
 * paid for in advance. The rule is ours (docs/design/scaling.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/fleet/settings.h"
#include "tests/unit/fleet/fixture.h"

struct idle_instance {
    const char *id;
    int64_t age_ms, idle_ms;
};

static struct fleet *fleet_of(const struct fleet_config *config,
                              const struct idle_instance *instances, size_t n)
{
    struct fleet *fleet = NULL;

    assert_int_equal(fleet_new(config, &fleet), 0);
    for (size_t i = 0; i < n && instances[i].id; i++) {
        struct fleet_instance saved = { .state = INSTANCE_RUNNING,
                                        .first_seen_ms = NOW - instances[i].age_ms,
                                        .ready_ms = NOW - instances[i].age_ms,
                                        .idle_since_ms = NOW - instances[i].idle_ms };

        (void) str_copy(saved.id, sizeof(saved.id), instances[i].id);
        assert_int_equal(fleet_restore(fleet, &saved), 0);
    }
    return fleet;
}

static void test_what_is_paid_for_stays_and_what_ends_first_goes_first(void **state)
{
    static const struct {
        const char *why;
        struct fleet_config config;
        struct idle_instance instances[3];
        const char *want; /* the ids in order */
        int64_t want_next_ms;
        uint32_t want_kept;
    } rows[] = {
        { "without a price the longest idle goes first",
          { .policy.idle_count = 1 },
          { { "a", 2 * HOUR, 10 * MINUTE }, { "b", 2 * HOUR, 20 * MINUTE } },
          "b",
          0,
          0 },
        { "inside its minimum life it stays",
          { .minimum_life_ms = 24 * HOUR },
          { { "a", 23 * HOUR, 10 * HOUR } },
          "",
          HOUR,
          1 },
        { "then it goes",
          { .minimum_life_ms = 24 * HOUR },
          { { "a", 24 * HOUR, 10 * HOUR } },
          "a",
          0,
          0 },
        { "the longest idle of those past their minimum life",
          { .minimum_life_ms = HOUR, .policy.idle_count = 1 },
          { { "young", 50 * MINUTE, 40 * MINUTE },
            { "a", 2 * HOUR, 10 * MINUTE },
            { "b", 2 * HOUR, 20 * MINUTE } },
          "b a",
          0,
          0 },
        { "paid by the hour: until a minute before the next one",
          { .minimum_billed_ms = HOUR },
          { { "a", 5 * HOUR + 58 * MINUTE, 30 * MINUTE } },
          "",
          MINUTE,
          1 },
        { "that minute",
          { .minimum_billed_ms = HOUR },
          { { "a", 5 * HOUR + 59 * MINUTE, 30 * MINUTE } },
          "a",
          0,
          0 },
        { "a new hour has begun: it is there for another one",
          { .minimum_billed_ms = HOUR },
          { { "a", 6 * HOUR, 30 * MINUTE } },
          "",
          59 * MINUTE,
          1 },
        { "the hour that ends first goes first, not the longest idle",
          { .minimum_billed_ms = HOUR, .policy.idle_count = 1 },
          { { "a", 2 * HOUR - 40 * SECOND, 30 * MINUTE },
            { "b", HOUR - 20 * SECOND, 10 * MINUTE } },
          "b",
          0,
          0 },
        { "both that end, and the third is kept",
          { .minimum_billed_ms = HOUR },
          { { "a", 2 * HOUR - 40 * SECOND, 30 * MINUTE },
            { "b", HOUR - 20 * SECOND, 10 * MINUTE },
            { "c", 3 * HOUR + 10 * MINUTE, 40 * MINUTE } },
          "b a",
          49 * MINUTE,
          1 },
        { "the last unit of its minimum life ends with it",
          { .minimum_billed_ms = HOUR, .minimum_life_ms = 24 * HOUR },
          { { "a", 24 * HOUR - 30 * SECOND, 10 * HOUR } },
          "a",
          0,
          0 },
        { "not idle for idle_time: the end of its hour does not matter",
          { .minimum_billed_ms = HOUR },
          { { "a", HOUR - 30 * SECOND, 4 * MINUTE } },
          "",
          MINUTE,
          0 },
        { "units below a minute have no effect",
          { .minimum_billed_ms = 59 * SECOND },
          { { "a", 10 * MINUTE, 6 * MINUTE } },
          "a",
          0,
          0 },
        { "a drained group keeps nothing",
          { .minimum_life_ms = 24 * HOUR, .drained = true },
          { { "a", MINUTE, SECOND } },
          "a",
          0,
          0 },
        { "more than max_instances go at once",
          { .minimum_life_ms = 24 * HOUR, .max_instances = 1, .policy.idle_count = 3 },
          { { "a", MINUTE, SECOND }, { "b", MINUTE, 2 * SECOND } },
          "b",
          0,
          0 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fleet_config config = rows[i].config;
        autobuf struct buf got = BUF_INIT;
        struct scaler_plan plan = { 0 };
        struct fleet *fleet;

        config.capacity = 1;
        config.max_instances = config.max_instances ? config.max_instances : 10;
        config.policy.idle_time_ms = 5 * MINUTE;
        fleet = fleet_of(&config, rows[i].instances, ARRAY_LEN(rows[i].instances));
        assert_int_equal(scaler_plan(fleet, NOW, 1, &plan), 0);
        for (size_t k = 0; k < plan.n_removals; k++)
            buf_addf(&got, "%s%s", k > 0 ? " " : "", plan.removals[k].id);
        if (!str_eq(buf_str(&got), rows[i].want) || plan.kept_paid != rows[i].want_kept ||
            (rows[i].want_next_ms > 0 && plan.next_ms != NOW + rows[i].want_next_ms))
            fail_msg("%s: '%s' goes, %u are kept, next after %d ms", rows[i].why, buf_str(&got),
                     plan.kept_paid, plan.next_ms == INT64_MAX ? -1 : (int) (plan.next_ms - NOW));
        scaler_plan_done(&plan);
        fleet_free(fleet);
    }
}

/* A spent, an unhealthy or a drained instance is no capacity: it goes whatever is paid for it. */
static void test_what_must_go_is_not_kept(void **state)
{
    const struct fleet_config config = {
        .capacity = 1, .max_use_count = 1, .max_instances = 10, .minimum_life_ms = 24 * HOUR
    };
    const struct idle_instance instances[] = { { "spent", MINUTE, SECOND },
                                               { "drained", MINUTE, SECOND } };
    struct fleet *fleet = fleet_of(&config, instances, ARRAY_LEN(instances));

    (void) state;
    fleet_count_use(fleet, "spent");
    assert_true(fleet_drain(fleet, "drained", REASON_DRAINED, 0));
    assert_int_equal(planned(fleet, NOW, true), 2);
    fleet_free(fleet);
}

static void explain(const struct fleet *fleet, int64_t now, struct buf *out)
{
    struct scaler_plan plan = { 0 };

    buf_clear(out);
    assert_int_equal(scaler_plan(fleet, now, 1, &plan), 0);
    scaler_explain(fleet, &plan, now, out);
    scaler_plan_done(&plan);
}

static void test_what_is_kept_for_its_price_is_explained(void **state)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .minimum_billed_ms = HOUR,
                                         .minimum_life_ms = 2 * HOUR,
                                         .policy.idle_time_ms = 5 * MINUTE };
    const struct idle_instance instances[] = { { "a", 30 * MINUTE, 6 * MINUTE },
                                               { "b", 40 * MINUTE, 6 * MINUTE } };
    struct fleet *fleet = fleet_of(&config, instances, ARRAY_LEN(instances));
    autobuf struct buf text = BUF_INIT;

    (void) state;
    explain(fleet, NOW, &text);
    assert_non_null(strstr(
        buf_str(&text), "; 2 idle instances stay because they are paid for (minimum life 2h0m0s, "
                        "billed by 1h0m0s); the next idle instance may go in 1h19m0s"));
    explain(fleet, NOW + 79 * MINUTE + 30 * SECOND, &text);
    assert_non_null(strstr(
        buf_str(&text), "; remove b: instance exceeded max idle time (idle for 1h25m30s, idle_time "
                        "5m0s), 30s before more would be charged for it; 1 idle instance stays"));
    fleet_free(fleet);
}

static void test_what_is_billed(void **state)
{
    const struct fleet_config free_of_charge = { .capacity = 1 };
    const struct fleet_config by_hour = { .minimum_billed_ms = HOUR,
                                          .minimum_life_ms = 90 * MINUTE };
    const struct fleet_config by_second = { .minimum_billed_ms = SECOND,
                                            .minimum_life_ms = MINUTE };

    (void) state;
    assert_int_equal(fleet_billed_ms(&free_of_charge, 1), 1);
    assert_int_equal(fleet_billed_ms(&by_hour, 1), 2 * HOUR);
    assert_int_equal(fleet_billed_ms(&by_hour, 2 * HOUR), 2 * HOUR);
    assert_int_equal(fleet_billed_ms(&by_hour, 2 * HOUR + 1), 3 * HOUR);
    assert_int_equal(fleet_billed_ms(&by_second, 5000), MINUTE);
    assert_int_equal(fleet_billed_ms(&by_second, 61001), 62 * SECOND);
}

static void test_the_configuration_comes_before_the_provider(void **state)
{
    const struct fleet_provider provider = { .price_micros_hour = 70000,
                                             .minimum_billed_ms = MINUTE,
                                             .minimum_life_ms = HOUR };
    const struct config_autoscaler silent = { 0 };
    const struct config_autoscaler named = { .instance_price = 0.0425,
                                             .instance_minimum_billed_ms = HOUR,
                                             .instance_minimum_life_ms = 24 * HOUR };
    const struct fleet_policy no_policy = { 0 };
    struct fleet_config config;

    (void) state;
    fleet_settings_read(&silent, &no_policy, &provider, &config);
    assert_int_equal(config.price_micros_hour, 70000);
    assert_int_equal(config.minimum_billed_ms, MINUTE);
    assert_int_equal(config.minimum_life_ms, HOUR);
    fleet_settings_read(&named, &no_policy, &provider, &config);
    assert_int_equal(config.price_micros_hour, 42500);
    assert_int_equal(config.minimum_billed_ms, HOUR);
    assert_int_equal(config.minimum_life_ms, 24 * HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_paid_for_stays_and_what_ends_first_goes_first),
        cmocka_unit_test(test_what_must_go_is_not_kept),
        cmocka_unit_test(test_what_is_kept_for_its_price_is_explained),
        cmocka_unit_test(test_what_is_billed),
        cmocka_unit_test(test_the_configuration_comes_before_the_provider),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
