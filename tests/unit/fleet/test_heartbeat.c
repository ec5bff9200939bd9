/* tests/unit/fleet/test_heartbeat.c - mirrors core/fleet/heartbeat.c, and the parts of the ready gate
 * that the fleet knows (autoscaler.md 5.2, 9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fleet/settings.h"
#include "tests/unit/fleet/fixture.h"

#define SECOND ((int64_t) 1000)
#define VALID (10 * SECOND)
#define EVERY (5 * MINUTE)

static const struct fleet_config beating = { .capacity = 2,
                                             .max_instances = 10,
                                             .failure_threshold = 3,
                                             .heartbeat_interval_ms = EVERY,
                                             .heartbeat_valid_ms = VALID };

/* Two that are ready since NOW, with two slots each. */
static struct fleet *two_instances(const struct fleet_config *config)
{
    struct fleet *fleet = NULL;

    assert_int_equal(fleet_new(config, &fleet), 0);
    restore(fleet, "a", (struct fleet_instance) { .cause = CAUSE_REQUESTED });
    restore(fleet, "b", (struct fleet_instance) { .cause = CAUSE_REQUESTED });
    return fleet;
}

static const char *next(struct fleet *fleet, int64_t now)
{
    const struct fleet_instance *instance = fleet_next_heartbeat(fleet, now);

    return instance ? instance->id : "none";
}

static const char *assign(struct fleet *fleet, int64_t now)
{
    const struct fleet_instance *instance = NULL;
    int64_t seq = 0;
    uint32_t slot = 0;

    return fleet_assign_next(fleet, now, &seq, &instance, &slot) == 1 ? instance->id : "none";
}

static void answer(struct fleet *fleet, const char *id, bool good, int64_t now)
{
    fleet_heartbeat_ended(fleet, id, good, now);
    (void) fleet_note_health(fleet, id, good);
}

static void test_a_job_waits_for_a_heartbeat_that_is_good_and_young(void **unused)
{
    struct fleet *fleet = two_instances(&beating);

    (void) unused;
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    assert_string_equal(assign(fleet, NOW), "none");
    assert_string_equal(next(fleet, NOW), "a");
    assert_string_equal(assign(fleet, NOW), "none");
    answer(fleet, "a", true, NOW + SECOND);
    assert_string_equal(assign(fleet, NOW + SECOND), "a");
    /* One answer serves those who come within its time. */
    assert_int_equal(fleet_wait(fleet, 2, false), 0);
    assert_string_equal(next(fleet, NOW + SECOND), "none");
    assert_string_equal(assign(fleet, NOW + VALID), "a");
    fleet_release(fleet, 2, NOW + VALID);
    assert_int_equal(fleet_wait(fleet, 3, false), 0);
    assert_string_equal(assign(fleet, NOW + SECOND + VALID), "none");
    fleet_free(fleet);
}

static void test_no_more_are_asked_than_the_waiting_jobs_need(void **unused)
{
    struct fleet *fleet = two_instances(&beating);

    (void) unused;
    for (int64_t seq = 1; seq <= 3; seq++)
        assert_int_equal(fleet_wait(fleet, seq, false), 0);
    assert_string_equal(next(fleet, NOW), "a"); /* two of them */
    assert_string_equal(next(fleet, NOW), "b");
    assert_string_equal(next(fleet, NOW), "none");
    fleet_free(fleet);
}

static void test_autoscaler_V55_one_that_failed_is_asked_again_until_it_is_well(void **unused)
{
    struct fleet *fleet = two_instances(&beating);
    int64_t now = NOW;

    (void) unused;
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    assert_string_equal(next(fleet, now), "a");
    answer(fleet, "a", false, now += 3 * SECOND);
    assert_string_equal(next(fleet, now), "b"); /* the job does not wait for it */
    answer(fleet, "b", true, now);
    assert_string_equal(assign(fleet, now), "b");
    assert_string_equal(next(fleet, now + VALID - 1), "none");
    assert_string_equal(next(fleet, now += VALID), "a");
    answer(fleet, "a", true, now);
    assert_int_equal(fleet_find(fleet, "a")->failures, 0);
    fleet_free(fleet);
}

static void test_one_that_could_not_be_asked_stays_well_and_is_asked_later(void **unused)
{
    struct fleet *fleet = two_instances(&beating);

    (void) unused;
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    assert_string_equal(next(fleet, NOW), "a");
    fleet_heartbeat_ended(fleet, "a", false, NOW + SECOND);
    assert_int_equal(fleet_find(fleet, "a")->failures, 0);
    assert_string_equal(assign(fleet, NOW + SECOND), "none");
    assert_string_equal(next(fleet, NOW + SECOND), "b");
    fleet_heartbeat_ended(fleet, "b", false, NOW + SECOND);
    assert_string_equal(next(fleet, NOW + SECOND), "none");
    assert_string_equal(next(fleet, NOW + SECOND + VALID), "a");
    fleet_free(fleet);
}

static void test_idle_instances_are_asked_from_time_to_time_and_busy_ones_are_not(void **unused)
{
    struct fleet *fleet = two_instances(&beating);

    (void) unused;
    assert_int_equal(fleet_occupy(fleet, "b", 0, 7, NULL), 0);
    assert_string_equal(next(fleet, NOW + EVERY - 1), "none");
    assert_string_equal(next(fleet, NOW + EVERY), "a");
    answer(fleet, "a", true, NOW + EVERY);
    assert_string_equal(next(fleet, NOW + 2 * EVERY - 1), "none");
    assert_string_equal(next(fleet, NOW + 2 * EVERY), "a");
    fleet_free(fleet);
}

static void test_nobody_is_asked_who_gets_no_jobs(void **unused)
{
    static const struct fleet_instance rows[] = {
        { .cause = CAUSE_FOREIGN },
        { .cause = CAUSE_REQUESTED, .removing = true },
        { .cause = CAUSE_REQUESTED, .ready_ms = -1 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fleet *fleet = NULL;

        assert_int_equal(fleet_new(&beating, &fleet), 0);
        restore(fleet, "a", rows[i]);
        assert_int_equal(fleet_wait(fleet, 1, false), 0);
        if (!str_eq(next(fleet, NOW + EVERY), "none"))
            fail_msg("row %zu is asked", i);
        fleet_free(fleet);
    }
}

static void test_without_heartbeats_nobody_is_asked_and_jobs_do_not_wait(void **unused)
{
    const struct fleet_config config = { .capacity = 1, .max_instances = 10 };
    struct fleet *fleet = two_instances(&config);

    (void) unused;
    assert_int_equal(fleet_wait(fleet, 1, false), 0);
    assert_string_equal(next(fleet, NOW + EVERY), "none");
    assert_string_equal(assign(fleet, NOW), "a");
    fleet_free(fleet);
}

/* autoscaler.md 11.1: the ready gate runs again, uses and clocks go on (V64). */
static void test_an_idle_instance_can_be_sent_through_its_gate_again(void **unused)
{
    struct fleet *fleet = two_instances(&beating);
    const struct fleet_instance *a = fleet_find(fleet, "a"), *b = fleet_find(fleet, "b");

    (void) unused;
    assert_int_equal(fleet_occupy(fleet, "b", 0, 7, NULL), 0);
    fleet_recheck(fleet, "a");
    fleet_recheck(fleet, "b");
    fleet_recheck(fleet, "unknown");
    assert_false(a->ready);
    assert_true(b->ready);
    fleet_mark_ready(fleet, "a", NOW + MINUTE);
    assert_true(a->ready);
    assert_int_equal(a->ready_ms, NOW);
    assert_int_equal(a->idle_since_ms, NOW);
    fleet_free(fleet);
}

/* A job that runs on it proves nothing of what another one left there. */
static void test_an_instance_in_doubt_gets_no_jobs_until_it_is_ready_again(void **unused)
{
    const struct fleet_config config = { .capacity = 2, .max_instances = 10 };
    struct fleet *fleet = two_instances(&config);
    const struct fleet_instance *a = fleet_find(fleet, "a");

    (void) unused;
    fleet_mark_removing(fleet, "b", REASON_BY_HAND, NOW);
    assert_int_equal(fleet_occupy(fleet, "a", 0, 7, NULL), 0);
    assert_int_equal(fleet_wait(fleet, 8, false), 0);
    fleet_doubt(fleet, "unknown");
    fleet_doubt(fleet, "a");
    assert_false(a->ready);
    assert_true(a->in_doubt);
    assert_ptr_equal(fleet_next_unready(fleet, NULL), a);
    assert_string_equal(assign(fleet, NOW), "none");
    fleet_mark_ready(fleet, "a", NOW + MINUTE);
    assert_false(a->in_doubt);
    assert_int_equal(a->ready_ms, NOW);
    assert_string_equal(assign(fleet, NOW), "a");
    fleet_free(fleet);
}

static void test_the_flag_turns_them_on(void **unused)
{
    const struct config_autoscaler off = { .capacity_per_instance = 1 };
    const struct config_autoscaler on = { .capacity_per_instance = 1,
                                          .flags.set[FF_USE_FLEETING_ACQUIRE_HEARTBEATS] = 1 };
    const struct fleet_provider provider = { 0 };
    const struct fleet_policy policy = { 0 };
    struct fleet_config config;

    (void) unused;
    fleet_settings_read(&off, &policy, &provider, &config);
    assert_int_equal(config.heartbeat_interval_ms, 0);
    fleet_settings_read(&on, &policy, &provider, &config);
    assert_int_equal(config.heartbeat_interval_ms, EVERY);
    assert_int_equal(config.heartbeat_valid_ms, VALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_waits_for_a_heartbeat_that_is_good_and_young),
        cmocka_unit_test(test_no_more_are_asked_than_the_waiting_jobs_need),
        cmocka_unit_test(test_autoscaler_V55_one_that_failed_is_asked_again_until_it_is_well),
        cmocka_unit_test(test_one_that_could_not_be_asked_stays_well_and_is_asked_later),
        cmocka_unit_test(test_idle_instances_are_asked_from_time_to_time_and_busy_ones_are_not),
        cmocka_unit_test(test_nobody_is_asked_who_gets_no_jobs),
        cmocka_unit_test(test_without_heartbeats_nobody_is_asked_and_jobs_do_not_wait),
        cmocka_unit_test(test_the_flag_turns_them_on),
        cmocka_unit_test(test_an_idle_instance_can_be_sent_through_its_gate_again),
        cmocka_unit_test(test_an_instance_in_doubt_gets_no_jobs_until_it_is_ready_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
