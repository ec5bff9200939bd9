/* tests/unit/fleet/test_vector_lists.c - the vectors of the autoscaler reference (section 15) about what lists, failing
 * instances and restarts do to the fleet. Their supervisor's parts are in tests/integration. */
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

static void test_autoscaler_V56_one_miss_is_nothing(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { 0 });

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .uses = 1 });
    assert_int_equal(fleet_occupy(fleet, "a", 0, 1, NULL), 0);
    for (int i = 0; i < 3; i++) {
        list_running(fleet, NOW, "");
        assert_int_equal(fleet_find(fleet, "a")->misses, 1);
        list_running(fleet, NOW, "a");
        assert_int_equal(fleet_find(fleet, "a")->misses, 0);
        assert_int_equal(fleet_find(fleet, "a")->slots[0].seq, 1);
    }
    fleet_free(fleet);
}

struct loss {
    int64_t seq;
    enum fleet_reason reason;
};

static void note_loss(void *arg, const struct fleet_change *change)
{
    struct loss *loss = arg;

    if (change->kind == CHANGE_GONE)
        *loss = (struct loss) { change->instance->slots[0].seq, change->reason };
}

static void test_autoscaler_V57_two_misses_or_one_with_a_dead_connection_are_a_loss(void **state)
{
    (void) state;
    for (int dead = 0; dead < 2; dead++) {
        struct fleet *fleet = make_fleet((struct fleet_config) { 0 });
        struct loss loss = { 0 };

        restore(fleet, "a", (struct fleet_instance) { .uses = 1 });
        assert_int_equal(fleet_occupy(fleet, "a", 0, 7, NULL), 0);
        if (dead)
            fleet_mark_connection_dead(fleet, "a");
        else
            assert_int_equal(fleet_on_list(fleet, NOW, NULL, 0, true, note_loss, &loss, NULL), 0);
        assert_int_equal(loss.seq, 0);
        assert_int_equal(fleet_on_list(fleet, NOW, NULL, 0, true, note_loss, &loss, NULL), 0);
        assert_int_equal(loss.seq, 7); /* who is told that it is lost */
        assert_int_equal(loss.reason, REASON_VANISHED);
        assert_int_equal(fleet_instance_count(fleet), 0);
        assert_int_equal(planned(fleet, NOW, false), 0); /* no demand, no replacement */
        assert_int_equal(fleet_wait(fleet, 8, false), 0);
        assert_int_equal(planned(fleet, NOW, false), 1);
        fleet_free(fleet);
    }
}

static void test_autoscaler_V58_what_the_cloud_deletes_gets_no_job_and_is_replaced(void **state)
{
    struct fleet *fleet =
        make_fleet((struct fleet_config) { .capacity = 2, .policy.idle_count = 1 });
    struct fleet_numbers n;
    uint32_t slot = 9;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .uses = 1 });
    assert_int_equal(fleet_occupy(fleet, "a", 0, 1, NULL), 0);
    assert_int_equal(planned(fleet, NOW, false), 0);
    list(fleet, NOW, "a", INSTANCE_DELETING);
    fleet_count(fleet, &n);
    assert_int_equal(n.live, 0);
    assert_int_equal(planned(fleet, NOW, false), 1);
    assert_string_equal(acquire(fleet, 2, NOW, &slot), "");
    assert_int_equal(fleet_find(fleet, "a")->slots[0].seq, 1); /* its job goes on until it breaks */
    assert_string_equal(removals(fleet, NOW, REASON_NONE).text, "");
    fleet_free(fleet);
}

static void test_autoscaler_V59_a_removal_without_effect_is_made_again(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { 0 });

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .removing = true });
    assert_string_equal(removable(fleet, NOW).text, "a");
    fleet_on_removal_accepted(fleet, "a", NOW);
    list_running(fleet, NOW + MINUTE - 1, "a");
    assert_string_equal(removable(fleet, NOW + MINUTE - 1).text, "");
    assert_string_equal(removable(fleet, NOW + MINUTE).text, "a");
    list(fleet, NOW + MINUTE, "a", INSTANCE_DELETING);
    assert_string_equal(removable(fleet, NOW + 9 * MINUTE).text, ""); /* it has an effect */
    restore(fleet, "b", (struct fleet_instance) { 0 });
    list(fleet, NOW, "ab", INSTANCE_DELETING);
    fleet_mark_removing(fleet, "b", REASON_SHUTDOWN, NOW);
    assert_string_equal(removable(fleet, NOW).text, ""); /* V68: the cloud is at it already */
    fleet_free(fleet);
}

static void test_autoscaler_V60_removals_that_were_not_accepted_are_made_again(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { 0 });

    (void) state;
    for (const char *const *id = (const char *const[]) { "a", "b", "c", NULL }; *id; id++)
        restore(fleet, *id, (struct fleet_instance) { .removing = true });
    assert_string_equal(removable(fleet, NOW).text, "abc");
    fleet_on_removal_accepted(fleet, "a", NOW);
    assert_string_equal(removable(fleet, NOW).text, "bc");
    fleet_free(fleet);
}

static void test_autoscaler_V62_strangers_at_the_start_go_after_two_lists(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .policy.idle_count = 3 });
    uint32_t slot = 9;

    (void) state;
    for (int i = 0; i < 2; i++) {
        list_running(fleet, NOW, "xyz");
        for (const char *const *id = (const char *const[]) { "x", "y", "z", NULL }; *id; id++)
            fleet_mark_ready(fleet, *id, NOW);
        assert_string_equal(removals(fleet, NOW, REASON_UNKNOWN_AT_START).text,
                            i == 0 ? "" : "xyz");
        assert_string_equal(acquire(fleet, i + 1, NOW, &slot), "");
    }
    fleet_free(fleet);
}

/* That the VMs on them are deleted is hardening.md R11, which the connection to such a host does. */
static void test_autoscaler_V63_hosts_of_vms_are_kept_at_the_start(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) {
        .policy = { .idle_count = 3, .idle_time_ms = 20 * MINUTE }, .vm_isolation = true });
    uint32_t slot = 9;

    (void) state;
    for (int i = 0; i < 2; i++) {
        list_running(fleet, NOW, "xyz");
        assert_string_equal(removals(fleet, NOW, REASON_NONE).text, "");
    }
    assert_string_equal(acquire(fleet, 1, NOW, &slot), ""); /* not through the ready gate */
    fleet_stop_waiting(fleet, 1);
    fleet_mark_ready(fleet, "y", NOW);
    assert_string_equal(acquire(fleet, 2, NOW, &slot), "y");
    fleet_free(fleet);
}

static void test_autoscaler_V64_uses_and_idle_clock_go_on_after_a_restart(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) {
        .capacity = 2, .max_use_count = 5, .policy.idle_time_ms = 20 * MINUTE });
    const struct fleet_instance *instance = NULL;
    uint32_t slot = 9;
    int64_t seq = 0;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .uses = 3, .idle_since_ms = NOW - 10 * MINUTE });
    list_running(fleet, NOW, "a");
    assert_string_equal(removals(fleet, NOW + 10 * MINUTE - SECOND, REASON_NONE).text, "");
    assert_string_equal(removals(fleet, NOW + 10 * MINUTE, REASON_IDLE_TOO_LONG).text, "a");
    assert_string_equal(acquire(fleet, 1, NOW, &slot), "a");
    assert_string_equal(acquire(fleet, 2, NOW, &slot), "a");
    fleet_release(fleet, 1, NOW);
    assert_int_equal(fleet_wait(fleet, 3, false), 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 0); /* 3 + 2 of 5 */
    fleet_free(fleet);
}

/* Its job ended with the former run: the ledger has no idle clock for it. */
static void test_autoscaler_V64_without_a_stored_idle_clock_it_is_idle_since_it_is_seen(
    void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .policy.idle_time_ms = 20 * MINUTE });
    const struct fleet_instance saved = {
        .id = "a", .state = INSTANCE_RUNNING, .uses = 1, .first_seen_ms = NOW, .ready_ms = NOW
    };

    (void) state;
    assert_int_equal(fleet_restore(fleet, &saved), 0);
    for (int64_t minute = 30; minute <= 31; minute++)
        list_running(fleet, NOW + minute * MINUTE, "a");
    assert_string_equal(removals(fleet, NOW + 50 * MINUTE - 1, REASON_NONE).text, "");
    assert_string_equal(removals(fleet, NOW + 50 * MINUTE, REASON_IDLE_TOO_LONG).text, "a");
    fleet_free(fleet);
}

/* The worker lives; one that is gone is the supervisor's to judge (tests/integration). */
static void test_autoscaler_V65_an_adopted_job_keeps_its_slot(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .capacity = 2, .max_use_count = 3 });
    uint32_t slot = 9;

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { .uses = 1 });
    assert_int_equal(fleet_occupy(fleet, "a", 1, 7, NULL), 0);
    for (int i = 0; i < 2; i++)
        list_running(fleet, NOW, "a");
    assert_int_equal(fleet_find(fleet, "a")->uses, 1); /* it was counted when it was taken */
    assert_string_equal(removals(fleet, NOW + 60 * MINUTE, REASON_NONE).text, "");
    assert_string_equal(acquire(fleet, 8, NOW, &slot), "a");
    assert_int_equal(slot, 0);
    fleet_free(fleet);
}

static void test_autoscaler_V66_what_no_list_shows_is_forgotten(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { 0 });

    (void) state;
    restore(fleet, "i", (struct fleet_instance) { 0 });
    for (int i = 0; i < 2; i++)
        list_running(fleet, NOW, "");
    assert_null(fleet_find(fleet, "i"));
    fleet_free(fleet);
}

static void test_autoscaler_V69_what_a_person_made_is_used_and_ages_out(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { .policy.idle_time_ms = 20 * MINUTE });
    uint32_t slot = 9;

    (void) state;
    list_running(fleet, NOW, "");
    for (int i = 0; i < 3; i++)
        list_running(fleet, NOW, "xy");
    assert_int_equal(fleet_find(fleet, "x")->cause, CAUSE_UNEXPECTED);
    assert_string_equal(removals(fleet, NOW + 60 * MINUTE, REASON_NONE).text, "");
    fleet_mark_ready(fleet, "x", NOW);
    fleet_mark_ready(fleet, "y", NOW);
    assert_string_equal(acquire(fleet, 1, NOW, &slot), "x");
    fleet_release(fleet, 1, NOW + MINUTE);
    assert_string_equal(removals(fleet, NOW + 20 * MINUTE - 1, REASON_NONE).text, "");
    assert_string_equal(removals(fleet, NOW + 20 * MINUTE, REASON_IDLE_TOO_LONG).text, "y");
    assert_string_equal(removals(fleet, NOW + 21 * MINUTE, REASON_IDLE_TOO_LONG).text, "yx");
    fleet_free(fleet);
}

/* Ten minutes with an image that does not boot: 9 pauses, from 1 s to 256 s, fit into them. */
static void test_autoscaler_V70_an_image_that_does_not_boot_is_not_bought_again_and_again(
    void **state)
{
    struct fleet *fleet = make_fleet(
        (struct fleet_config) { .max_use_count = 1, .max_instances = 3, .policy.idle_count = 2 });
    uint32_t made = 0;

    (void) state;
    list_running(fleet, NOW, "");
    for (int64_t now = NOW; now < NOW + 10 * MINUTE; now += SECOND) {
        uint32_t n = order(fleet, now, 2);

        assert_true(n == 0 || n == 2);
        made += n;
        if (n == 0)
            continue;
        list_running(fleet, now, "ab");
        fleet_growth_failed(fleet, GROWTH_BOOT, now, 0);
        fleet_growth_succeeded(fleet); /* that orders are taken does not end this pause */
        fleet_mark_removing(fleet, "a", REASON_NOT_BOOTED, now);
        fleet_mark_removing(fleet, "b", REASON_NOT_BOOTED, now);
        list_running(fleet, now, "");
    }
    assert_int_equal(made, 2 * 10);
    fleet_request(fleet, 1, NOW + 20 * MINUTE);
    fleet_on_increase(fleet, NOW + 20 * MINUTE, 1, 1);
    list_running(fleet, NOW + 20 * MINUTE, "c");
    fleet_growth_failed(fleet, GROWTH_BOOT, NOW + 20 * MINUTE, 0);
    assert_int_equal(planned(fleet, NOW + 20 * MINUTE, false), 0);
    fleet_mark_ready(fleet, "c", NOW + 20 * MINUTE); /* the first that passes ends it */
    assert_int_equal(planned(fleet, NOW + 20 * MINUTE, false), 1);
    fleet_free(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_autoscaler_V56_one_miss_is_nothing),
        cmocka_unit_test(test_autoscaler_V57_two_misses_or_one_with_a_dead_connection_are_a_loss),
        cmocka_unit_test(test_autoscaler_V58_what_the_cloud_deletes_gets_no_job_and_is_replaced),
        cmocka_unit_test(test_autoscaler_V59_a_removal_without_effect_is_made_again),
        cmocka_unit_test(test_autoscaler_V60_removals_that_were_not_accepted_are_made_again),
        cmocka_unit_test(test_autoscaler_V62_strangers_at_the_start_go_after_two_lists),
        cmocka_unit_test(test_autoscaler_V63_hosts_of_vms_are_kept_at_the_start),
        cmocka_unit_test(test_autoscaler_V64_uses_and_idle_clock_go_on_after_a_restart),
        cmocka_unit_test(
            test_autoscaler_V64_without_a_stored_idle_clock_it_is_idle_since_it_is_seen),
        cmocka_unit_test(test_autoscaler_V65_an_adopted_job_keeps_its_slot),
        cmocka_unit_test(test_autoscaler_V66_what_no_list_shows_is_forgotten),
        cmocka_unit_test(test_autoscaler_V69_what_a_person_made_is_used_and_ages_out),
        cmocka_unit_test(
            test_autoscaler_V70_an_image_that_does_not_boot_is_not_bought_again_and_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
