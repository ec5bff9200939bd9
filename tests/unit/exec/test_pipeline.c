/* tests/unit/exec/test_pipeline.c - mirrors core/exec/pipeline.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/exec/ci_yaml.h"
#include "core/exec/pipeline.h"

static struct ci_config *config_of(const char *text)
{
    struct config_findings findings = { 0 };
    struct ci_config *config = NULL;

    if (ci_config_parse("f", text, strlen(text), NULL, NULL, &config, &findings, NULL) < 0)
        fail_msg("%s", findings.items[0].text);
    return config;
}

/* One letter a job, in the order of the file. */
static void assert_states(const struct pipeline *pipeline, const char *want, const char *why)
{
    autobuf struct buf got = BUF_INIT;

    for (size_t i = 0; i < pipeline->n_jobs; i++)
        buf_add_char(&got, "wrgRPAFSCMB"[pipeline->jobs[i].state]);
    if (!str_eq(buf_str(&got), want))
        fail_msg("%s: %s, not %s", why, buf_str(&got), want);
}

/* What happens, a word each: +N job N starts, =N passes, !N:CODE fails with an exit code, ~N is
 * canceled, X cancels the rest. */
static void play(struct pipeline *pipeline, const char *events)
{
    for (const char *at = events; *at; at += strcspn(at, " "), at += *at == ' ') {
        int64_t id = at[1] - '0';

        if (*at == '+')
            pipeline_started(pipeline, id, 10);
        else if (*at == '=')
            pipeline_finished(pipeline, id, true, 0, NULL, 20);
        else if (*at == '!')
            pipeline_finished(pipeline, id, false, at[3] - '0', "script_failure", 20);
        else if (*at == '~')
            pipeline_finished(pipeline, id, false, 0, "job_canceled", 20);
        else
            pipeline_cancel(pipeline);
    }
}

#define THREE_STAGES                                                                               \
    "a: {stage: build, script: s}\nb: {stage: build, script: s, allow_failure: {exit_codes: 7}}\n" \
    "c: {stage: test, script: s}\nd: {stage: deploy, script: s}\n"
#define WHENS                                                                                      \
    "a: {stage: build, script: s}\nb: {stage: build, script: s, when: on_failure}\n"               \
    "c: {stage: test, script: s}\nd: {stage: test, script: s, when: on_failure}\n"                 \
    "e: {stage: test, script: s, when: always}\nf: {stage: deploy, script: s}\n"
#define MANUAL                                                                                     \
    "a: {stage: build, script: s, when: manual}\nb: {stage: test, script: s}\n"                    \
    "c: {stage: test, script: s, when: manual, allow_failure: false}\n"                            \
    "d: {stage: deploy, script: s}\ne: {stage: deploy, script: s, needs: [b, a]}\n"                \
    "f: {stage: deploy, script: s, needs: [b]}\ng: {stage: deploy, script: s, when: always, "      \
    "needs: [a]}\n"
#define RETRIES                                                                                    \
    "a: {stage: build, script: s, retry: {max: 2, when: runner_system_failure, exit_codes: "       \
    "[7]}}\n"                                                                                      \
    "b: {stage: build, script: s, retry: {max: 1, when: always}, allow_failure: true}\nc: "        \
    "{stage: test, script: s}\n"
#define NEEDED_SKIP                                                                                \
    "a: {stage: build, script: s}\nb: {stage: test, script: s, when: on_failure}\n"                \
    "c: {stage: deploy, script: s, needs: [a, b]}\nd: {stage: deploy, script: s}\n"
#define DAG                                                                                        \
    "a: {stage: build, script: s}\nb: {stage: build, script: s}\n"                                 \
    "c: {stage: test, script: s, needs: [a]}\nd: {stage: test, script: s}\n"                       \
    "e: {stage: deploy, script: s, needs: []}\nf: {stage: deploy, script: s, needs: [c, d]}\n"

static void test_jobs_start_when_what_they_wait_for_is_over(void **unused)
{
    static const struct {
        const char *why, *file, *events, *want;
        bool done, passed;
    } cases[] = {
        { "the first stage is ready at once", THREE_STAGES, "", "rrww", false, false },
        { "half a stage is not enough", THREE_STAGES, "+1 =1", "Prww", false, false },
        { "the whole stage opens the next", THREE_STAGES, "=1 =2", "PPrw", false, false },
        { "a failure is waited for to the end of its stage", THREE_STAGES, "!1:1", "Frww", false,
          false },
        { "the others of its stage still run", THREE_STAGES, "!1:1 +2", "FRww", false, false },
        { "then all later stages are skipped", THREE_STAGES, "!1:1 =2", "FPSS", true, false },
        { "an allowed exit code goes on", THREE_STAGES, "=1 !2:7", "PArw", false, false },
        { "another exit code does not", THREE_STAGES, "=1 !2:6", "PFSS", true, false },
        { "all well", THREE_STAGES, "=1 !2:7 =3 =4", "PAPP", true, true },
        { "a canceled job counts as a failure", THREE_STAGES, "~1 =2", "CPSS", true, false },
        { "needs replace stages", DAG, "=1", "Prrwrw", false, false },
        { "no needs at all start at once", DAG, "", "rrwwrw", false, false },
        { "a need that fails skips only what needs it", DAG, "!1:1 =2", "FPSSrS", false, false },
        { "two needs are both waited for", DAG, "=1 =2 =3", "PPPrrw", false, false },
        { "and both over it starts", DAG, "=1 =2 =3 =4", "PPPPrr", false, false },
        { "cancelling keeps what runs", DAG, "+1 X", "RCCCCC", false, false },
        { "and ends when that ends", DAG, "+1 X ~1", "CCCCCC", true, false },
        { "what runs on failure is skipped when there is none, and skips nothing", WHENS, "=1",
          "PSrSrw", false, false },
        { "and it is no failure of the pipeline", WHENS, "=1 =3 =5 =6", "PSPSPP", true, true },
        { "on failure, and always, run after one", WHENS, "!1:1", "FSSrrw", false, false },
        { "what they do mends nothing", WHENS, "!1:1 =4 =5", "FSSPPS", true, false },
        { "a job that was canceled is no failure that one runs on", WHENS, "~1", "CSSSSS", true,
          false },
        { "an optional manual job stops nobody but what needs it", MANUAL, "", "MrMwSwr", false,
          false },
        { "one that may not fail stops the stages behind it", MANUAL, "=2", "MPMBSrr", false,
          false },
        { "what waits for a person is no failure", MANUAL, "=2 =6 =7", "MPMBSPP", true, true },
        { "a needed job that does not run skips what needs it", NEEDED_SKIP, "=1", "PSSr", false,
          false },
        { "a failure that is not listed is not tried again", RETRIES, "!1:1", "Frw", false, false },
        { "an exit code that is listed is, with another id", RETRIES, "!1:7", "rrw", false, false },
        { "as often as it may be", RETRIES, "!1:7 !4:7 !5:7", "Frw", false, false },
        { "the last try counts", RETRIES, "!1:7 !4:7 =5 !2:1 =6", "PPr", false, false },
        { "an allowed failure is tried again first", RETRIES, "=1 !2:1 !4:1", "PAr", false, false },
        { "nothing is tried again once the pipeline is canceled", RETRIES, "+1 X !1:7", "FCC", true,
          false },
        { "the end is final", THREE_STAGES, "=1 !1:1 +1", "Prww", false, false },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(ci_config_free) struct ci_config *config = config_of(cases[i].file);
        auto_ptr(pipeline_free) struct pipeline *pipeline = NULL;

        assert_int_equal(pipeline_new(config, NULL, 5, &pipeline, NULL), 0);
        play(pipeline, cases[i].events);
        assert_states(pipeline, cases[i].want, cases[i].why);
        if (pipeline_done(pipeline) != cases[i].done)
            fail_msg("%s: done is wrong", cases[i].why);
        if (pipeline_passed(pipeline) != cases[i].passed)
            fail_msg("%s: passed is wrong", cases[i].why);
    }
}

static void test_impossible_needs_are_errors(void **unused)
{
    static const struct {
        const char *why, *file, *want;
    } cases[] = {
        { "itself", "a: {script: s, needs: [a]}\n",
          "jobs wait for each other: 'a' (f:1) needs 'a' (f:1)" },
        { "two", "a: {script: s, needs: [b]}\nb: {script: s, needs: [a]}\n",
          "jobs wait for each other: 'a' (f:1) needs 'b' (f:2) needs 'a' (f:1)" },
        { "three, entered from outside",
          "z: {script: s, needs: [a]}\na: {script: s, needs: [b]}\nb: {script: s, needs: [c]}\n"
          "c: {script: s, needs: [a]}\n",
          "jobs wait for each other: 'a' (f:2) needs 'b' (f:3) needs 'c' (f:4) needs 'a' "
          "(f:2)" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(ci_config_free) struct ci_config *config = config_of(cases[i].file);
        auto_ptr(pipeline_free) struct pipeline *pipeline = NULL;
        struct error err = { 0 };

        if (pipeline_new(config, NULL, 0, &pipeline, &err) != -EINVAL)
            fail_msg("%s: was taken", cases[i].why);
        if (!str_eq(err.message, cases[i].want))
            fail_msg("%s: %s", cases[i].why, err.message);
    }
}

static void test_selected_jobs_do_not_wait_for_others(void **unused)
{
    static const char *const names[] = { "c", "f" };
    static const struct ci_selection selection = { names, ARRAY_LEN(names) };
    auto_ptr(ci_config_free) struct ci_config *config = config_of(DAG);
    auto_ptr(pipeline_free) struct pipeline *pipeline = NULL;

    (void) unused;
    assert_int_equal(pipeline_new(config, &selection, 0, &pipeline, NULL), 0);
    assert_states(pipeline, "rw", "c needs only what is not selected, f needs c");
    pipeline_finished(pipeline, 3, true, 0, NULL, 1);
    assert_states(pipeline, "Pr", "ids are those of the file");
}

static void test_taking_gives_the_earliest_stage_first_and_each_job_once(void **unused)
{
    auto_ptr(ci_config_free) struct ci_config *config =
        config_of("a: {stage: test, script: s, needs: []}\nb: {stage: build, script: s}\n");
    auto_ptr(pipeline_free) struct pipeline *pipeline = NULL;

    (void) unused;
    assert_int_equal(pipeline_new(config, NULL, 0, &pipeline, NULL), 0);
    assert_string_equal(pipeline_take(pipeline)->job->name, "b");
    assert_string_equal(pipeline_take(pipeline)->job->name, "a");
    assert_null(pipeline_take(pipeline));
    pipeline_give_back(pipeline, 2);
    assert_true(pipeline_has_ready(pipeline));
    assert_string_equal(pipeline_take(pipeline)->job->name, "b");
    pipeline_started(pipeline, 2, 30);
    pipeline_give_back(pipeline, 2);
    assert_null(pipeline_take(pipeline));
}

static void test_times_are_those_of_the_caller(void **unused)
{
    auto_ptr(ci_config_free) struct ci_config *config = config_of(THREE_STAGES);
    auto_ptr(pipeline_free) struct pipeline *pipeline = NULL;

    (void) unused;
    assert_int_equal(pipeline_new(config, NULL, 5, &pipeline, NULL), 0);
    play(pipeline, "+1 =1 +2 =2");
    assert_int_equal(pipeline->jobs[0].ready_ms, 5);
    assert_int_equal(pipeline->jobs[0].started_ms, 10);
    assert_int_equal(pipeline->jobs[0].ended_ms, 20);
    assert_int_equal(pipeline->jobs[2].ready_ms, 20);
    assert_int_equal(pipeline->jobs[2].started_ms, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_start_when_what_they_wait_for_is_over),
        cmocka_unit_test(test_impossible_needs_are_errors),
        cmocka_unit_test(test_selected_jobs_do_not_wait_for_others),
        cmocka_unit_test(test_taking_gives_the_earliest_stage_first_and_each_job_once),
        cmocka_unit_test(test_times_are_those_of_the_caller),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
