/* tests/unit/job/test_directories.c - mirrors core/job/directories.c, and what it is for: paths that
 * hold after a `cd`, in scripts that run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"
#include "tests/harness/shell.h"
#include "tests/unit/job/start.h"

#define CLONE_PATH(path) "{\"variables\":[{\"key\":\"GIT_CLONE_PATH\",\"value\":\"" path "\"}]}"
#define CUSTOM(root) "{\"custom_build_dir\":true,\"builds_dir\":" root "}"

/* job-execution.md 3.1. */
static void test_project_directory(void **unused)
{
    static const struct {
        const char *why, *payload, *runner, *want;
    } cases[] = {
        { "below the login directory", "{}", "{}", "/home/u/builds/abcdefghi/2/g/p" },
        { "below another relative root", "{}", "{\"builds_dir\":\"ci/b\"}",
          "/home/u/ci/b/abcdefghi/2/g/p" },
        { "an absolute root asks nobody", "{}", "{\"builds_dir\":\"/b\"}", "/b/abcdefghi/2/g/p" },
        { "strategy empty",
          "{\"variables\":[{\"key\":\"S\",\"value\":\"empty\"},"
          "{\"key\":\"GIT_STRATEGY\",\"value\":\"$S\"}]}",
          "{}", "/home/u/builds/abcdefghi/2/g/p-empty" },
        { "no way up",
          "{\"variables\":[{\"key\":\"GIT_STRATEGY\",\"value\":\"none\"}],"
          "\"git_info\":{\"repo_url\":\"https://h/g/../../p.git\"}}",
          "{}", "/home/u/builds/abcdefghi/2/project-9" },
        { "no host",
          "{\"variables\":[{\"key\":\"GIT_STRATEGY\",\"value\":\"none\"}],"
          "\"git_info\":{\"repo_url\":\"g/p.git\"}}",
          "{}", "/home/u/builds/abcdefghi/2/project-9" },
        { "one for all jobs of the project", "{}", "{\"common_build_dir\":true}",
          "/home/u/builds/g/p" },
        { "the job's own", CLONE_PATH("$CI_BUILDS_DIR/./x//y/"), CUSTOM("\"/b\""), "/b/x/y" },
        { "the job's own below a relative root", CLONE_PATH("$CI_BUILDS_DIR/x"), CUSTOM("\"ci/b\""),
          "/home/u/ci/b/x" },
        { "and in the words of the peer", CLONE_PATH("ci/b/x"), CUSTOM("\"ci/b\""),
          "/home/u/ci/b/x" },
        { "a name that begins with dots is one", CLONE_PATH("/b/..foo"), CUSTOM("\"/b\""),
          "/b/..foo" },
        { "the root itself", CLONE_PATH("/b"), CUSTOM("\"/b/\""), "/b" },
        { "on Windows", "{}", "{\"builds_dir\":\"C:\\\\ci\\\\b\"}", "C:/ci/b/abcdefghi/2/g/p" },
        { "on Windows with slashes", "{}", "{\"builds_dir\":\"d:/b\"}", "d:/b/abcdefghi/2/g/p" },
        { "the job's own on Windows", CLONE_PATH("C:\\\\b\\\\x"), CUSTOM("\"C:/b\""), "C:/b/x" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojob struct job job = start_job(cases[i].payload, cases[i].runner);

        if (!job.build_dir)
            assert_int_equal(directories_set(&job, "/home/u", NULL), 0);
        if (!str_eq(job.build_dir, cases[i].want))
            fail_msg("%s: %s, not %s", cases[i].why, job.build_dir, cases[i].want);
        assert_string_equal(variables_get(&job.variables, "CI_PROJECT_DIR"), cases[i].want);
    }
}

/* job-execution.md 3.1; `..` is refused wherever it leads (hardening.md V9). */
static void test_clone_paths_that_are_refused(void **unused)
{
    static const char not_allowed[] =
        "setting GIT_CLONE_PATH is not allowed, enable `custom_build_dir` feature";
    static const struct {
        const char *path, *runner, *want;
    } cases[] = {
        { "/b/x", "{\"builds_dir\":\"/b\"}", not_allowed },
        { "/etc", CUSTOM("\"/b\""), "the GIT_CLONE_PATH=\"/etc\" has to be within \"/b\"" },
        { "D:/b/x", CUSTOM("\"C:/b\""), "the GIT_CLONE_PATH=\"D:/b/x\" has to be within \"C:/b\"" },
        { "C:\\\\b\\\\..\\\\etc", CUSTOM("\"C:/b\""),
          "the GIT_CLONE_PATH=\"C:\\b\\..\\etc\" has to be within \"C:/b\"" },
        { "/bc", CUSTOM("\"/b\""), "the GIT_CLONE_PATH=\"/bc\" has to be within \"/b\"" },
        { "x", CUSTOM("\"/b\""), "the GIT_CLONE_PATH=\"x\" has to be within \"/b\"" },
        { "/b/a/../c", CUSTOM("\"/b\""),
          "the GIT_CLONE_PATH=\"/b/a/../c\" has to be within \"/b\"" },
        { "/b/..\\\\etc", CUSTOM("\"/b\""),
          "the GIT_CLONE_PATH=\"/b/..\\etc\" has to be within \"/b\"" },
        { "/b/a\\u001b", CUSTOM("\"/b\""), NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *payload = mem_printf(
            "{\"variables\":[{\"key\":\"GIT_CLONE_PATH\",\"value\":\"%s\"}]}", cases[i].path);
        autojob struct job job = start_job(payload, cases[i].runner);

        if (job.refused.kind != END_CONFIG ||
            (cases[i].want && !str_eq(job.refused.message, cases[i].want)))
            fail_msg("%s: %s", cases[i].path, job.refused.message);
    }
}

/* job-execution.md 10.5 row 27, and 3.1: neither token nor slot. */
static void test_cache_directory(void **unused)
{
    static const struct {
        const char *payload, *runner, *want;
    } cases[] = {
        { "{\"cache\":[{}]}", "{}", "/home/u/cache/g/p" },
        { "{\"cache\":[{}]}", "{\"cache_dir\":\"ci/c\"}", "/home/u/ci/c/g/p" },
        { "{\"cache\":[{}]}", "{\"builds_dir\":\"/b\"}", "/home/u/cache/g/p" },
        { "{\"cache\":[{}]}", "{\"cache_dir\":\"/c\"}", "/c/g/p" },
        { "{\"cache\":[{}],\"variables\":[{\"key\":\"GIT_STRATEGY\",\"value\":\"empty\"}]}",
          "{\"cache_dir\":\"/c\",\"builds_dir\":\"/b\"}", "/c/g/p-empty" },
        { "{\"cache\":[{}]}", "{\"cache_dir\":\"C:\\\\c\"}", "C:/c/g/p" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojob struct job job = start_job(cases[i].payload, cases[i].runner);

        if (!job.build_dir || !job.cache_dir)
            assert_int_equal(directories_set(&job, "/home/u", NULL), 0);
        assert_string_equal(job.cache_dir, cases[i].want);
    }
}

static void test_what_an_instance_may_answer(void **unused)
{
    static const struct {
        const char *answer, *want; /* NULL = refused */
    } cases[] = {
        { "/", "/builds" },
        { "/srv", "/srv/builds" },
        { "/home/a b/", "/home/a b/builds" },
        { "C:/Users/a b", "C:/Users/a b/builds" },
        { "C:/", "C:/builds" },
        { "C:/../x", NULL },
        { "C:x", NULL },
        { NULL, NULL },
        { "", NULL },
        { "home", NULL },
        { "/a/../etc", NULL },
        { "/a\x1b[2J", NULL },
        { "/a//b", NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojob struct job job = start_job("{}", "{}");
        struct error err = { 0 };
        int r = directories_set(&job, cases[i].answer, &err);

        if (cases[i].want ? r != 0 : r != -EPROTO)
            fail_msg("%s: %d, %s", cases[i].answer ? cases[i].answer : "(none)", r, err.message);
        if (cases[i].want)
            assert_string_equal(variables_get(&job.variables, "CI_BUILDS_DIR"), cases[i].want);
    }
}

static void run(const struct job *job, enum harness_shell shell, const char *dir, const char *body,
                const char *want)
{
    autobuf struct buf script = BUF_INIT, out = BUF_INIT, errors = BUF_INIT;
    int status;

    assert_int_equal(stage_script(job, body, STAGE_VARIABLES, &script), 0);
    status = harness_run_shell(shell, dir, &script, &out, &errors);
    if (status != 0 || !str_eq(buf_str(&out), want))
        fail_msg("%s: status %d, printed \"%s\", not \"%s\"; %s", harness_shell_names[shell],
                 status, buf_str(&out), want, buf_str(&errors));
}

/* job-execution.md 2.4, with the default builds_dir. */
static void test_job_execution_10_5_30_32_33_files_and_handed_on_variables(void **unused)
{
    (void) unused;
    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        autojob struct job job =
            start_job("{\"variables\":[{\"key\":\"CONF\",\"value\":\"a $B c\",\"file\":true},"
                      "{\"key\":\"B\",\"value\":\"it's\"},{\"key\":\"REF\",\"value\":\"-f=$CONF\"},"
                      "{\"key\":\"BIN\",\"value\":\"-I$CI_PROJECT_DIR/bin\"}]}",
                      "{}");
        autofree char *want = NULL;

        assert_int_equal(directories_set(&job, dir, NULL), 0);
        want = mem_printf("a it's c|a it's c|-I%s/bin\n", job.build_dir);
        run(&job, shell, dir,
            "mkdir -p \"$CI_PROJECT_DIR\"; cd \"$CI_PROJECT_DIR\"\n"
            "cat \"$CONF\"; printf '|'; cat \"${REF#-f=}\"; printf '|%s\\n' \"$BIN\"\n"
            "echo X=1 >> \"$GITLAB_ENV\"; echo data > \"$RUNNER_TEMP_PROJECT_DIR/mine\"\n",
            want);
        run(&job, shell, dir,
            "cd \"$CI_PROJECT_DIR\"; printf '%s|' \"$X\"; cat \"$RUNNER_TEMP_PROJECT_DIR/mine\"\n",
            "1|data\n");
    }
}

/* xtrace shows a quoted value in a form that no mask knows (hardening.md M8). */
static void test_debug_trace_shows_no_secret(void **unused)
{
    (void) unused;
    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        autojob struct job job = start_job(
            "{\"variables\":[{\"key\":\"S\",\"value\":\"hunter'secret99\",\"masked\":true},"
            "{\"key\":\"CI_DEBUG_TRACE\",\"value\":\"true\"}]}",
            "{}");
        autobuf struct buf script = BUF_INIT, out = BUF_INIT, errors = BUF_INIT;

        assert_int_equal(directories_set(&job, dir, NULL), 0);
        assert_int_equal(stage_script(&job, "printf 'shown\\n'\n", STAGE_VARIABLES, &script), 0);
        assert_int_equal(harness_run_shell(shell, dir, &script, &out, &errors), 0);
        assert_non_null(strstr(buf_str(&errors), "shown"));
        assert_null(strstr(buf_str(&errors), "hunter"));
        assert_null(strstr(buf_str(&errors), "secret99"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_project_directory),
        cmocka_unit_test(test_clone_paths_that_are_refused),
        cmocka_unit_test(test_cache_directory),
        cmocka_unit_test(test_what_an_instance_may_answer),
        cmocka_unit_test(test_job_execution_10_5_30_32_33_files_and_handed_on_variables),
        cmocka_unit_test(test_debug_trace_shows_no_secret),
    };

    return cmocka_run_group_tests_name("job-directories", tests, NULL, NULL);
}
