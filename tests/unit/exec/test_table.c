/* tests/unit/exec/test_table.c - mirrors core/exec/table.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/exec/ci_yaml.h"
#include "core/exec/table.h"

struct fixture {
    struct ci_config *config;
    struct pipeline *pipeline;
};

static struct fixture fixture_of(const char *text)
{
    struct config_findings findings = { 0 };
    struct fixture f = { 0 };
    struct error err = { 0 };

    if (ci_config_parse("f", text, strlen(text), NULL, NULL, &f.config, &findings, &err) < 0 ||
        pipeline_new(f.config, NULL, 0, &f.pipeline, &err) < 0)
        fail_msg("%s", err.message);
    config_findings_done(&findings);
    return f;
}

static void fixture_done(struct fixture *f)
{
    pipeline_free(f->pipeline);
    ci_config_free(f->config);
}

static void assert_table(const struct fixture *f, int64_t took_ms, const char *want)
{
    autobuf struct buf table = BUF_INIT;

    table_format(&table, f->pipeline, took_ms);
    assert_string_equal(buf_str(&table), want);
}

static void test_a_row_tells_state_times_and_instance(void **unused)
{
    struct fixture f = fixture_of("stages: [one, two]\n"
                                  "last: {stage: two, script: s}\n"
                                  "good: {stage: one, script: s}\n"
                                  "bad: {stage: one, script: s}\n");

    (void) unused;
    pipeline_set_instance(f.pipeline, 2, "i-1");
    pipeline_started(f.pipeline, 2, 1250);
    pipeline_finished(f.pipeline, 2, true, 0, NULL, 61300);
    pipeline_finished(f.pipeline, 3, false, 0, "runner_system_failure", 2000);
    assert_table(&f, 61399,
                 "job   stage  state                          wait s  run s  instance\n"
                 "good  one    passed                            1.2   60.0  i-1\n"
                 "bad   one    failed, runner_system_failure     2.0      -  -\n"
                 "last  two    skipped                             -      -  -\n"
                 "pipeline failed in 61.3 s\n");
    fixture_done(&f);
}

static void test_an_exit_code_says_more_than_a_reason(void **unused)
{
    struct fixture f = fixture_of("a: {script: s, allow_failure: true}\n");

    (void) unused;
    pipeline_started(f.pipeline, 1, 0);
    pipeline_finished(f.pipeline, 1, false, 3, "script_failure", 100);
    assert_table(&f, 0,
                 "job  stage  state                          wait s  run s  instance\n"
                 "a    test   failed (allowed), exit code 3     0.0    0.1  -\n"
                 "pipeline passed in 0.0 s\n");
    fixture_done(&f);
}

static void test_a_canceled_job_needs_no_reason(void **unused)
{
    struct fixture f = fixture_of("a: {script: s}\n");

    (void) unused;
    pipeline_finished(f.pipeline, 1, false, 0, "job_canceled", 100);
    assert_table(&f, 0,
                 "job  stage  state     wait s  run s  instance\n"
                 "a    test   canceled     0.1      -  -\n"
                 "pipeline failed in 0.0 s\n");
    fixture_done(&f);
}

static void test_an_interrupted_pipeline_did_not_fail(void **unused)
{
    struct fixture f = fixture_of("a: {script: s}\n");

    (void) unused;
    pipeline_cancel(f.pipeline);
    assert_table(&f, 0,
                 "job  stage  state     wait s  run s  instance\n"
                 "a    test   canceled       -      -  -\n"
                 "pipeline interrupted in 0.0 s\n");
    fixture_done(&f);
}

/* hardening_18: names come from the file. */
static void test_names_are_shown_and_not_obeyed(void **unused)
{
    struct fixture f = fixture_of("\"\\e[2Jx\": {script: s}\n\"\xc3\xa9\": {script: s}\n");

    (void) unused;
    assert_table(&f, 0,
                 "job       stage  state  wait s  run s  instance\n"
                 "\\x1b[2Jx  test   ready       -      -  -\n"
                 "\xc3\xa9         test   ready       -      -  -\n"
                 "pipeline failed in 0.0 s\n");
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_tells_state_times_and_instance),
        cmocka_unit_test(test_an_exit_code_says_more_than_a_reason),
        cmocka_unit_test(test_a_canceled_job_needs_no_reason),
        cmocka_unit_test(test_an_interrupted_pipeline_did_not_fail),
        cmocka_unit_test(test_names_are_shown_and_not_obeyed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
