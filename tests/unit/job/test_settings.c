/* tests/unit/job/test_settings.c - mirrors core/job/settings.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>

#include "core/base/host.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/unit/job/start.h"

static void assert_variable(const struct job *job, const char *key, const char *want)
{
    const char *got = variables_get(&job->variables, key);

    if (want ? !str_eq(got, want) : got != NULL)
        fail_msg("%s is \"%s\", not \"%s\"", key, got ? got : "(unset)", want ? want : "(unset)");
}

/* job-execution.md 3.2. */
static void test_variables_of_the_runner(void **unused)
{
    autojob struct job job = start_job(
        "{\"image\":{\"name\":\"alpine\"},\"variables\":[{\"key\":\"E\",\"value\":\"job\"}]}",
        "{\"builds_dir\":\"/b\",\"environment\":[\"E=runner\",\"ONLY=here=\",\"bad\"]}");
    autofree char *arch = mem_printf("linux/%s", host_architecture());

    (void) unused;
    assert_variable(&job, "CI_JOB_IMAGE", "alpine");
    assert_variable(&job, "CI_RUNNER_SHORT_TOKEN", "abcdefghi");
    assert_variable(&job, "E", "job");
    assert_variable(&job, "ONLY", "here=");
    assert_variable(&job, "CI_JOB_TIMEOUT", "600");
    assert_variable(&job, "CI_CONCURRENT_ID", "3");
    assert_variable(&job, "CI_CONCURRENT_PROJECT_ID", "2");
    assert_variable(&job, "CI_BUILDS_DIR", "/b");
    assert_variable(&job, "CI_PROJECT_DIR", "/b/abcdefghi/2/g/p");
    assert_variable(&job, "RUNNER_TEMP_PROJECT_DIR", "/b/abcdefghi/2/g/p.tmp");
    assert_variable(&job, "CI_RUNNER_EXECUTABLE_ARCH", arch);
    assert_int_equal(job.timeout_ms, 600000);
}

/* job-execution.md 9.5, 3.2 row 11 and 3.3. */
static void test_what_the_configuration_adds(void **unused)
{
    autojob struct job job =
        start_job("{\"variables\":[{\"key\":\"CI_DEBUG_TRACE\",\"value\":\"1\"},"
                  "{\"key\":\"GIT_CHECKOUT\",\"value\":\"no\"},{\"key\":\"X\",\"value\":"
                  "\"$CI_SERVER_TLS_CA_FILE\"},{\"key\":\"CI_PROJECT_DIR\",\"value\":\"mine\"}]}",
                  "{\"builds_dir\":\"/b\",\"slot_cgroup_template\":\"g/$slot-${slot}$other\","
                  "\"debug_trace_disabled\":true,\"tls_ca\":\"$PEM\",\"tls_key\":\"a key\"}");

    (void) unused;
    assert_variable(&job, "GITLAB_RUNNER_SLOT_CGROUP", "g/0-0");
    assert_variable(&job, "CI_DEBUG_TRACE", "false");
    assert_false(job.trace_script);
    assert_variable(&job, "CI_SERVER_TLS_CA_FILE", "$PEM");
    assert_variable(&job, "X", "/b/abcdefghi/2/g/p.tmp/CI_SERVER_TLS_CA_FILE");
    assert_variable(&job, "CI_SERVER_TLS_KEY_FILE", "a key");
    assert_variable(&job, "CI_SERVER_TLS_CERT_FILE", NULL);
    assert_variable(&job, "CI_PROJECT_DIR", "mine");
    assert_string_equal(buf_str(&job.warnings),
                        "GIT_CHECKOUT: expected bool got \"no\", using default value: true\n"
                        "CI_DEBUG_TRACE: usage is disabled on this Runner");
}

/* Each variable would stay in the worker's memory as an object of about 1 KB. */
static void test_variables_are_kept_once(void **unused)
{
    autojob struct job job =
        start_job("{\"variables\":[{\"key\":\"E\",\"value\":\"job\"}]}", "{\"builds_dir\":\"/b\"}");

    (void) unused;
    assert_variable(&job, "E", "job");
    assert_null(json_object_object_get(job.payload, "variables"));
}

static void test_refusals_name_the_field(void **unused)
{
    static const struct {
        const char *payload, *want;
    } cases[] = {
        { "{\"steps\":[{\"name\":\"script\",\"script\":[\"true\",\"echo a\\u0000; rm x\"]}]}",
          "steps[0].script[1]: must be text without NUL bytes" },
        { "{\"hooks\":[{\"name\":\"pre_get_sources_script\",\"script\":[\"a\\u0000\"]}]}",
          "hooks[0].script[0]: must be text without NUL bytes" },
        { "{\"steps\":[{\"name\":\"script\",\"script\":[1]}]}",
          "steps[0].script[0]: must be text without NUL bytes" },
        { "{\"variables\":[{\"key\":\"X\",\"value\":\"a\\u0000\"}]}",
          "variable X: value: has a NUL byte" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojob struct job job = { 0 };
        struct error err = { 0 };

        assert_true(job_settings(&job, start_frame(cases[i].payload, "{}"), &err) < 0);
        assert_string_equal(err.message, cases[i].want);
    }
}

/* What a line of the log becomes; the caller frees. */
static char *logged(struct job *job, const char *line)
{
    autoclose int spool = memfd_create("spool", MFD_CLOEXEC);
    struct buf text = BUF_INIT;
    struct error err = { 0 };
    char part[4096];
    ssize_t n;

    if (job_open_trace(job, spool, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(trace_line(job->trace, TRACE_PLAIN, "%s", line), 0);
    assert_int_equal(trace_finish(job->trace, false), 0);
    assert_int_equal(lseek(spool, 0, SEEK_SET), 0);
    while ((n = read(spool, part, sizeof(part))) > 0)
        buf_add(&text, part, (size_t) n);
    return buf_take(&text);
}

/* hardening.md M1. */
static void test_what_the_log_hides(void **unused)
{
    static const char *const secrets[] = { "glcbt-64_job-token", "ssh-password", "masked-value",
                                           "registry-password", "dependency-token" };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        autojob struct job job =
            start_job("{\"variables\":[{\"key\":\"M\",\"value\":\"masked-value\",\"masked\":true},"
                      "{\"key\":\"FF_TIMESTAMPS\",\"value\":\"false\"}],"
                      "\"credentials\":[{\"password\":\"registry-password\"}],"
                      "\"dependencies\":[{\"token\":\"dependency-token\"}]}",
                      "{\"builds_dir\":\"/b\"}");
        autofree char *line = mem_printf("<%s> plain", secrets[i]);
        autofree char *text = logged(&job, line);

        if (strstr(text, secrets[i]) || !strstr(text, "[MASKED]") || !strstr(text, "plain"))
            fail_msg("%s is shown: %s", secrets[i], text);
    }
}

/* A value that is not final when the masks are made must not become another under them. */
static void test_masked_value_may_not_name_an_unknown_directory(void **unused)
{
    autojob struct job job = start_job(
        "{\"variables\":[{\"key\":\"M\",\"value\":\"$CI_PROJECT_DIR-x\",\"masked\":true}]}", "{}");
    autofree char *text = logged(&job, "x");
    struct error err = { 0 };

    (void) unused;
    assert_non_null(text);
    assert_int_equal(directories_set(&job, "/home/u", &err), -EINVAL);
    assert_non_null(strstr(err.message, "variable M"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables_of_the_runner),
        cmocka_unit_test(test_what_the_configuration_adds),
        cmocka_unit_test(test_variables_are_kept_once),
        cmocka_unit_test(test_refusals_name_the_field),
        cmocka_unit_test(test_what_the_log_hides),
        cmocka_unit_test(test_masked_value_may_not_name_an_unknown_directory),
    };

    return cmocka_run_group_tests_name("job-settings", tests, NULL, NULL);
}
