/* tests/unit/base/test_fault.c - mirrors core/base/fault.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "tests/harness/harness.h"

/* Passes two effects twice, in a child; returns its wait status. */
static int run_effects(const char *log, const char *kill_at)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        int done = 0;

        (void) setenv("FLOTILLA_EFFECTS_LOG", log, 1);
        if (kill_at)
            (void) setenv("FLOTILLA_KILL_AT", kill_at, 1);
        for (int i = 0; i < 2; i++) {
            EFFECT("patch", done++);
            EFFECT("job_close", done++);
        }
        _exit(done);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_statement_runs_once_for_each_effect(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *log = harness_path(dir, "effects");

    assert_int_equal(WEXITSTATUS(run_effects(log, NULL)), 4);
}

static void test_points_are_recorded_in_order(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *log = harness_path(dir, "effects");
    autofree char *text = NULL;

    harness_need_faults();
    (void) run_effects(log, NULL);
    text = harness_read(dir, "effects");
    assert_string_equal(text, "patch.before\npatch.after\njob_close.before\njob_close.after\n"
                              "patch.before\npatch.after\njob_close.before\njob_close.after\n");
}

static void test_process_dies_at_the_point_named(void **unused)
{
    static const struct {
        const char *why, *kill_at;
        size_t points; /* in the record when it ends */
        int killed;
    } cases[] = {
        { "the first passing", "patch.before:1", 1, 1 },
        { "the second", "patch.before:2", 5, 1 },
        { "after the effect", "job_close.after:1", 4, 1 },
        { "the longer name is another point", "patch.befor:1", 8, 0 },
        { "never passed that often", "patch.before:3", 8, 0 },
    };

    harness_need_faults();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        autofree char *log = harness_path(dir, "effects");
        int status = run_effects(log, cases[i].kill_at);
        autofree char *text = harness_read(dir, "effects");
        size_t points = 0;

        for (const char *at = text; (at = strchr(at, '\n')); at++)
            points++;
        if (points != cases[i].points ||
            (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) != cases[i].killed)
            fail_msg("%s: status %x after %zu points", cases[i].why, (unsigned) status, points);
    }
}

static void test_limits_are_replaced_by_name(void **unused)
{
    if (!harness_has_faults())
        harness_skip("this build has no seams");
    (void) setenv("FLOTILLA_LIMITS", "grace_long=5,grace=70,patience=x", 1);
    assert_int_equal(fault_limit_ms("grace", 1), 70);
    assert_int_equal(fault_limit_ms("grace_long", 1), 5);
    assert_int_equal(fault_limit_ms("patience", 1), 1);
    assert_int_equal(fault_limit_ms("other", 1), 1);
    (void) unsetenv("FLOTILLA_LIMITS");
    assert_int_equal(fault_limit_ms("grace", 1), 1);
}

static void test_the_wall_clock_goes_wrong_by_what_a_file_says(void **unused)
{
    static const struct {
        const char *text;
        int64_t wrong_ms;
    } cases[] = {
        { "0", 0 }, { "-3600000", -3600000 }, { "86400000", 86400000 }, { "", 0 }, { "noon", 0 }
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "clock");

    (void) unused;
    harness_need_faults();
    assert_int_equal(setenv("FLOTILLA_WALL_CLOCK", path, 1), 0);
    assert_int_equal(fault_wall_ms(5), 5); /* no file */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autofclose FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_true(fputs(cases[i].text, file) >= 0 && fflush(file) == 0);
        assert_int_equal(fault_wall_ms(5), 5 + cases[i].wrong_ms);
    }
    assert_int_equal(unsetenv("FLOTILLA_WALL_CLOCK"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statement_runs_once_for_each_effect),
        cmocka_unit_test(test_points_are_recorded_in_order),
        cmocka_unit_test(test_process_dies_at_the_point_named),
        cmocka_unit_test(test_limits_are_replaced_by_name),
        cmocka_unit_test(test_the_wall_clock_goes_wrong_by_what_a_file_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
