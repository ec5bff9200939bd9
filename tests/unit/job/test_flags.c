/* tests/unit/job/test_flags.c - mirrors core/job/flags.c: whose word counts (job-execution.md 2.8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "tests/unit/job/start.h"

#define SAID(value) "{\"variables\":[{\"key\":\"FF_TIMESTAMPS\",\"value\":\"" value "\"}]}"
#define SET(value) "{\"builds_dir\":\"/b\",\"feature_flags\":{\"FF_TIMESTAMPS\":" value "}}"
#define UNSET "{\"builds_dir\":\"/b\"}"
#define ENVIRONMENT "{\"builds_dir\":\"/b\",\"environment\":[\"FF_TIMESTAMPS=0\"]}"
#define WARNING(value) "FF_TIMESTAMPS: expected bool got \"" value "\", using default value: true"

static size_t definitions(const struct job *job, const char *key)
{
    size_t n = 0;

    for (size_t i = 0; i < job->variables.n; i++)
        n += str_eq(job->variables.items[i].key, key);
    return n;
}

/* Also job-execution.md 10.1, case 2: one value is exported, whoever said it. */
static void test_job_execution_10_1_2_precedence_of_flags(void **unused)
{
    static const struct {
        const char *why, *payload, *runner;
        bool want;
        const char *warning;
    } cases[] = {
        { "default", "{}", UNSET, true, "" },
        { "the job's variable", SAID("F"), UNSET, false, "" },
        { "the configuration beats it", SAID("true"), SET("false"), false, "" },
        { "the runner's environment", "{}", ENVIRONMENT, false, "" },
        { "the job's beats the environment's", SAID("1"), ENVIRONMENT, true, "" },
        { "no bool", SAID("yes"), UNSET, true, WARNING("yes") },
        { "case counts", SAID("fALSE"), UNSET, true, WARNING("fALSE") },
        { "no bool, and nobody asks", SAID("yes"), SET("false"), false, "" },
        { "empty is not set", SAID(""), UNSET, true, "" },
        { "by another variable",
          "{\"variables\":[{\"key\":\"FF_TIMESTAMPS\",\"value\":\"$A\"},"
          "{\"key\":\"A\",\"value\":\"False\"}]}",
          UNSET, false, "" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojob struct job job = start_job(cases[i].payload, cases[i].runner);
        const char *got = variables_get(&job.variables, "FF_TIMESTAMPS");

        if (job.flags[FF_TIMESTAMPS] != cases[i].want ||
            !str_eq(got, cases[i].want ? "true" : "false") ||
            definitions(&job, "FF_TIMESTAMPS") != 1 ||
            !str_eq(buf_str(&job.warnings), cases[i].warning))
            fail_msg("%s: '%s', warned '%s'", cases[i].why, got, buf_str(&job.warnings));
    }
}

static void test_jobs_see_each_flag_and_the_header_those_that_differ(void **unused)
{
    autojob struct job job = start_job(SAID("false"), "{\"builds_dir\":\"/b\",\"feature_flags\":"
                                                      "{\"FF_CONCRETE\":true,\"FF_USE_FASTZIP\":"
                                                      "true}}");
    autobuf struct buf shown = BUF_INIT;

    (void) unused;
    for (size_t i = 0; i < FEATURE_FLAG_COUNT; i++) {
        assert_true(str_starts(job.variables.items[i].key, "FF_"));
        assert_true(str_eq(variable_value(&job.variables.items[i]), "true") ||
                    str_eq(variable_value(&job.variables.items[i]), "false"));
    }
    flags_describe(&job, &shown);
    assert_string_equal(buf_str(&shown), "FF_CONCRETE:true, FF_TIMESTAMPS:false");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_execution_10_1_2_precedence_of_flags),
        cmocka_unit_test(test_jobs_see_each_flag_and_the_header_those_that_differ),
    };

    return cmocka_run_group_tests_name("job-flags", tests, NULL, NULL);
}
