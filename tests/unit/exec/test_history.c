/* tests/unit/exec/test_history.c - mirrors core/exec/history.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "scene.h"

static void test_each_try_of_a_job_is_kept(void **unused)
{
    struct scene scene = scene_of("a: {script: s, retry: 1}\n");
    const struct history_try *tries;

    (void) unused;
    scene_start(&scene, 1, "i-1", 100);
    scene_end(&scene, 1, "script_failure", 2, 200);
    scene_start(&scene, 2, "i-2", 300);
    scene_end(&scene, 2, NULL, 0, 400);
    assert_int_equal(scene.history.n_tries, 2);
    tries = scene.history.tries;
    assert_int_equal(tries[0].state, PIPELINE_JOB_FAILED);
    assert_int_equal(tries[0].exit_code, 2);
    assert_string_equal(tries[0].reason, "script_failure");
    assert_int_equal(tries[0].ended_ms, 200);
    assert_string_equal(tries[1].instance, "i-2");
    assert_int_equal(tries[1].number, 2);
    assert_int_equal(tries[1].ready_ms, 200);
    assert_int_equal(tries[1].started_ms, 300);
    assert_int_equal(tries[1].state, PIPELINE_JOB_PASSED);
    assert_string_equal(tries[1].reason, "");
    scene_done(&scene);
}

static void test_a_slot_is_busy_from_assignment_to_the_end(void **unused)
{
    struct scene scene = scene_of("a: {script: s}\n");

    (void) unused;
    assert_null(history_on_slot(&scene.history, "i-1", 0));
    history_assigned(&scene.history, scene.pipeline, 1, "i-1", 1, 100);
    assert_null(history_on_slot(&scene.history, "i-1", 0));
    assert_null(history_on_slot(&scene.history, "i-2", 1));
    assert_int_equal(history_on_slot(&scene.history, "i-1", 1)->id, 1);
    scene_end(&scene, 1, NULL, 0, 200);
    assert_null(history_on_slot(&scene.history, "i-1", 1));
    scene_done(&scene);
}

static void test_the_first_time_of_each_event_counts(void **unused)
{
    struct history history = { 0 };

    (void) unused;
    history_appeared(&history, "i-1", 1, 100);
    history_gone(&history, "i-1", 200);
    history_appeared(&history, "i-1", 1, 300); /* the cloud gave the id away again */
    history_ready(&history, "i-1", 400);
    history_ready(&history, "i-1", 500);
    history_removing(&history, "i-1", "first", 600);
    history_removing(&history, "i-1", "second", 700);
    history_gone(&history, "i-1", 800);
    assert_int_equal(history.instances[0].gone_ms, 200);
    assert_int_equal(history.instances[0].ready_ms, -1);
    assert_int_equal(history.instances[1].ready_ms, 400);
    assert_int_equal(history.instances[1].removing_ms, 600);
    assert_string_equal(history.instances[1].reason, "first");
    assert_int_equal(history.instances[1].gone_ms, 800);
    history_done(&history);
}

static void test_what_was_never_heard_of_is_left_out(void **unused)
{
    struct scene scene = scene_of("a: {script: s}\n");

    (void) unused;
    history_ready(&scene.history, "i-1", 1);
    history_removing(&scene.history, "i-1", "x", 1);
    history_gone(&scene.history, "i-1", 1);
    history_assigned(&scene.history, scene.pipeline, 4711, "i-1", 0, 1);
    history_started(&scene.history, 4711, 1);
    history_ended(&scene.history, 4711, &scene.pipeline->jobs[0], 0, NULL, 1);
    assert_int_equal(scene.history.n_instances + scene.history.n_tries, 0);
    scene_done(&scene);
}

static void test_without_memory_nothing_is_recorded_and_nothing_else_happens(void **unused)
{
    struct scene scene = scene_of("a: {script: s}\n");

    (void) unused;
    for (size_t n = 1; n <= 6; n++) {
        (void) mem_fail_at(n);
        history_appeared(&scene.history, "i-1", 1, 0);
        history_removing(&scene.history, "i-1", "x", 0);
        history_decided(&scene.history, "x", 0);
        history_assigned(&scene.history, scene.pipeline, 1, "i-1", 0, 0);
        history_ended(&scene.history, 1, &scene.pipeline->jobs[0], 0, NULL, 0);
        (void) mem_fail_at(0);
    }
    scene_done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_try_of_a_job_is_kept),
        cmocka_unit_test(test_a_slot_is_busy_from_assignment_to_the_end),
        cmocka_unit_test(test_the_first_time_of_each_event_counts),
        cmocka_unit_test(test_what_was_never_heard_of_is_left_out),
        cmocka_unit_test(test_without_memory_nothing_is_recorded_and_nothing_else_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
