/* tests/unit/fleet/test_slots.c - mirrors core/fleet/slots.c, and the idle clock that slots start and stop: what the
 * vectors of the reference do not say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/fleet/settings.h"
#include "tests/unit/fleet/fixture.h"

static void test_a_job_has_one_place(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .capacity = 2 });
    struct error err = { 0 };
    uint32_t slot = 9;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    assert_string_equal(acquire(fleet, 7, NOW, &slot), "a");
    assert_int_equal(fleet_wait(fleet, 7, false), -EEXIST);
    assert_int_equal(fleet_waiting(fleet), 0);
    assert_int_equal(fleet_occupy(fleet, "a", 1, 7, &err), -EEXIST);
    assert_string_equal(err.message, "the job on slot 1 of instance a has a place already");
    fleet_stop_waiting(fleet, 7); /* it does not wait: its slot stays */
    assert_int_equal(fleet_find(fleet, "a")->slots[slot].seq, 7);
    fleet_release(fleet, 7, NOW);
    fleet_release(fleet, 7, NOW);
    assert_int_equal(fleet_wait(fleet, 7, false), 0);
    fleet_free(fleet);
}

static void test_who_gives_up_waiting_keeps_nobody(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .capacity = 2 });
    const struct fleet_instance *instance = NULL;
    uint32_t slot = 0;
    int64_t seq = 0;

    (void) state;
    for (int64_t i = 9; i > 5; i--) /* in order of arrival, not of their numbers */
        assert_int_equal(fleet_wait(fleet, i, false), 0);
    fleet_stop_waiting(fleet, 9);
    fleet_stop_waiting(fleet, 7);
    restore(fleet, "a", (struct fleet_instance) { 0 });
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    assert_int_equal(seq, 8);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    assert_int_equal(seq, 6);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 0);
    fleet_free(fleet);
}

static void test_a_job_is_forgotten_with_its_instance(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .capacity = 1 });
    uint32_t slot = 0;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    assert_string_equal(acquire(fleet, 7, NOW, &slot), "a");
    list_running(fleet, NOW, "");
    list_running(fleet, NOW, "");
    assert_null(fleet_find(fleet, "a"));
    fleet_release(fleet, 7, NOW);
    assert_int_equal(fleet_wait(fleet, 7, false), 0);
    fleet_free(fleet);
}

/* Its slots are not handed out, so they must not be promised either. */
static void test_a_strangers_slots_are_not_reserved(void **state)
{
    struct fleet *fleet =
        make_fleet((struct fleet_config) { .policy = { .idle_count = 1, .preemptive = true } });
    struct fleet_numbers n;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .cause = CAUSE_PREEXISTED });
    fleet_count(fleet, &n);
    assert_int_equal(n.idle, 0);
    assert_int_equal(n.unready, 1);
    assert_false(fleet_reserve(fleet, NOW, NULL));
    fleet_free(fleet);
}

static void test_reservation_throttling_can_be_switched_off(void **state)
{
    const struct fleet_policy policy = { .idle_count = 3, .preemptive = true };
    const struct fleet_provider provider = { .max_size = 10 };

    (void) state;
    for (int throttling = 0; throttling <= 1; throttling++) {
        const struct config_autoscaler autoscaler = { .reservation_throttling = throttling };
        struct fleet_config config;
        struct fleet *fleet;

        fleet_settings_read(&autoscaler, &policy, &provider, &config);
        fleet = make_fleet(config);
        for (const char *const *id = (const char *const[]) { "a", "b", "c", NULL }; *id; id++)
            restore(fleet, *id, (struct fleet_instance) { 0 });
        assert_true(fleet_reserve(fleet, NOW, NULL));
        assert_true(fleet_reserve(fleet, NOW, NULL));
        assert_int_equal(fleet_reserve(fleet, NOW, NULL), !throttling);
        fleet_free(fleet);
    }
}

/* A host of VMs that was there at the start is an instance like others: nobody needs it, so it goes. */
static void test_a_host_of_vms_that_nobody_needs_ages_out(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .vm_isolation = true });

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .cause = CAUSE_PREEXISTED });
    list_running(fleet, NOW, "a");
    list_running(fleet, NOW, "a");
    assert_string_equal(removals(fleet, NOW + 20 * MINUTE - 1, REASON_NONE).text, "");
    assert_string_equal(removals(fleet, NOW + 20 * MINUTE, REASON_IDLE_TOO_LONG).text, "a");
    fleet_free(fleet);
}

/* Its row is of a time when a job ran there; who ended that job was the crash. */
static void test_an_idle_clock_that_was_lost_starts_with_the_first_list(void **state)
{
    const struct fleet_instance saved = { .id = "a",
                                          .state = INSTANCE_RUNNING,
                                          .uses = 1,
                                          .first_seen_ms = NOW - HOUR,
                                          .ready_ms = NOW - HOUR };
    struct fleet *fleet = make_fleet((struct fleet_config) { .capacity = 1 });

    (void) state;
    assert_int_equal(fleet_restore(fleet, &saved), 0);
    assert_string_equal(removals(fleet, NOW, REASON_NONE).text, "");
    list_running(fleet, NOW, "a");
    assert_string_equal(removals(fleet, NOW + 20 * MINUTE - 1, REASON_NONE).text, "");
    assert_string_equal(removals(fleet, NOW + 20 * MINUTE, REASON_IDLE_TOO_LONG).text, "a");
    fleet_free(fleet);
}

static void test_the_idle_clock_of_a_busy_instance_does_not_run(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .capacity = 1 });

    (void) state;
    list_running(fleet, NOW, "a");
    assert_int_equal(fleet_occupy(fleet, "a", 0, 7, NULL), 0); /* adopted */
    fleet_mark_ready(fleet, "a", NOW);
    assert_int_equal(fleet_find(fleet, "a")->idle_since_ms, 0);
    fleet_release(fleet, 7, NOW + MINUTE);
    assert_int_equal(fleet_find(fleet, "a")->idle_since_ms, NOW + MINUTE);
    fleet_free(fleet);
}

/* What the cloud deletes by itself is none too many: it goes already. */
static void test_what_the_cloud_deletes_pushes_out_no_other(void **state)
{
    const struct fleet_listed listed[] = { { .id = "a", .state = INSTANCE_DELETING },
                                           { .id = "b", .state = INSTANCE_RUNNING } };
    struct fleet *fleet =
        make_fleet((struct fleet_config) { .max_instances = 1, .policy.idle_count = 1 });

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    restore(fleet, "b", (struct fleet_instance) { 0 });
    assert_string_equal(removals(fleet, NOW, REASON_ABOVE_MAXIMUM).text, "a");
    assert_int_equal(fleet_on_list(fleet, NOW, listed, 2, true, ignore, NULL, NULL), 0);
    assert_string_equal(removals(fleet, NOW, REASON_NONE).text, "");
    fleet_free(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_has_one_place),
        cmocka_unit_test(test_who_gives_up_waiting_keeps_nobody),
        cmocka_unit_test(test_a_job_is_forgotten_with_its_instance),
        cmocka_unit_test(test_a_strangers_slots_are_not_reserved),
        cmocka_unit_test(test_reservation_throttling_can_be_switched_off),
        cmocka_unit_test(test_a_host_of_vms_that_nobody_needs_ages_out),
        cmocka_unit_test(test_an_idle_clock_that_was_lost_starts_with_the_first_list),
        cmocka_unit_test(test_the_idle_clock_of_a_busy_instance_does_not_run),
        cmocka_unit_test(test_what_the_cloud_deletes_pushes_out_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
