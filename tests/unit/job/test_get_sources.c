/* tests/unit/job/test_get_sources.c - mirrors core/job/get_sources.c: what git is refused, and the
 * script; tests/integration/test_get_sources.py runs it against a server. */
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

#define SHA256 START_SHA "111111111111111111111111"
#define GIT_INFO(url, sha, ref, rest)                                                              \
    "{\"git_info\":{\"repo_url\":\"" url "\",\"sha\":\"" sha "\",\"ref\":\"" ref "\"" rest "}}"
#define WITH(key, value) "{\"variables\":[{\"key\":\"" key "\",\"value\":\"" value "\"}]}"
#define GOOD_URL "https://gitlab.example.com/g/p.git"

/* hardening.md V7 and V8. */
static void test_hardening_9_hardening_10_what_git_is_refused(void **unused)
{
    static const struct {
        const char *payload, *want; /* NULL = accepted */
    } cases[] = {
        { GIT_INFO(GOOD_URL, START_SHA, "main", ""), NULL },
        { GIT_INFO(GOOD_URL, SHA256, "feature/x#1", ",\"repo_object_format\":\"sha256\""), NULL },
        { GIT_INFO("http://[::1]:8080/p.git", START_SHA, "main", ",\"refspecs\":[\"+a:b\"]"),
          NULL },
        { GIT_INFO("file:///srv/p.git", START_SHA, "main", ""), NULL },
        { GIT_INFO(GOOD_URL, "main", "main", ""), "git_info.sha: " },
        { GIT_INFO(GOOD_URL, "", "main", ""), "git_info.sha: " },
        { GIT_INFO(GOOD_URL, START_SHA "1", "main", ""), "git_info.sha: " },
        { GIT_INFO(GOOD_URL, "--upload-pack=id", "main", ""), "git_info.sha: " },
        { GIT_INFO(GOOD_URL, START_SHA, "", ""), "git_info.ref: " },
        { GIT_INFO(GOOD_URL, START_SHA, "--upload-pack=id", ""), "git_info.ref: " },
        { GIT_INFO(GOOD_URL, START_SHA, "refs/heads/x\\n\\r\\u001b[2J", ""), "git_info.ref: " },
        { GIT_INFO(GOOD_URL, START_SHA, "x\\u0000y", ""), "git_info.ref: " },
        { GIT_INFO(GOOD_URL, START_SHA, "main", ",\"refspecs\":[\"+a:b\",\"--upload-pack=id\"]"),
          "git_info.refspecs[1]: " },
        { GIT_INFO(GOOD_URL, START_SHA, "main", ",\"refspecs\":[\"a b\"]"),
          "git_info.refspecs[0]: " },
        { GIT_INFO(GOOD_URL, START_SHA, "main", ",\"refspecs\":[\"\"]"), "git_info.refspecs[0]: " },
        { GIT_INFO(GOOD_URL, START_SHA, "main", ",\"refspecs\":[7]"), "git_info.refspecs[0]: " },
        { GIT_INFO(GOOD_URL, START_SHA, "main", ",\"refspecs\":[\"a\\u0000b\"]"),
          "git_info.refspecs[0]: " },
        { GIT_INFO(GOOD_URL, START_SHA, "main", ",\"repo_object_format\":\"md5\""),
          "git_info.repo_object_format: " },
        { GIT_INFO("--upload-pack=id", START_SHA, "main", ""), "git_info.repo_url: " },
        { GIT_INFO("ext::sh -c id", START_SHA, "main", ""), "git_info.repo_url: " },
        { GIT_INFO("https:///p.git", START_SHA, "main", ""), "git_info.repo_url: " },
        { GIT_INFO("https://a b/p.git", START_SHA, "main", ""), "git_info.repo_url: " },
        { GIT_INFO("https://h=x/p.git", START_SHA, "main", ""), "git_info.repo_url: " },
        { "{\"git_info\":null}", "git_info.sha: " },
        { "{\"git_info\":null,\"variables\":[{\"key\":\"GIT_STRATEGY\",\"value\":\"none\"}]}",
          NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojob struct job job = { 0 };
        struct error err = { 0 };
        int r = job_settings(&job, start_frame(cases[i].payload, "{}"), &err);

        if (cases[i].want ? r != -EINVAL || !str_starts(err.message, cases[i].want) : r != 0)
            fail_msg("%s: %d, %s", cases[i].payload, r, err.message);
    }
}

/* What the job itself has wrong ends it with a sentence in its log. */
static void test_what_submodules_are_refused(void **unused)
{
    static const struct {
        const char *payload, *want; /* NULL = accepted */
    } cases[] = {
        { WITH("GIT_SUBMODULE_STRATEGY", "recursive"), NULL },
        { WITH("GIT_SUBMODULE_STRATEGY", "all"), "unknown GIT_SUBMODULE_STRATEGY \"all\": " },
        { WITH("GIT_SUBMODULE_PATHS", "a :(exclude)b"), NULL },
        { WITH("GIT_SUBMODULE_PATHS", "a :(exclude) b"), "GIT_SUBMODULE_PATHS: " },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojob struct job job = start_job(cases[i].payload, "{}");

        if (cases[i].want
                ? job.refused.kind != END_CONFIG || !str_starts(job.refused.message, cases[i].want)
                : job.refused.kind != END_OK)
            fail_msg("%s: %s", cases[i].payload, job.refused.message);
    }
}

static void add_script(struct job *job, struct buf *script)
{
    assert_int_equal(directories_set(job, "/home/u", NULL), 0);
    get_sources_script(job, script);
    assert_int_equal(buf_error(script), 0);
}

static void assert_has(const struct buf *script, const char *text, bool wanted)
{
    if (!strstr(buf_str(script), text) == wanted)
        fail_msg("%s \"%s\" in:\n%s", wanted ? "no" : "there is", text, buf_str(script));
}

/* hardening.md S8: no token in a URL, on a command line or in a file that the script writes. */
static void test_credentials(void **unused)
{
    autojob struct job job = start_job("{}", "{}");
    autobuf struct buf script = BUF_INIT;

    (void) unused;
    add_script(&job, &script);
    assert_has(&script, "glcbt-64_job-token", false);
    assert_has(&script, "'origin' 'https://gitlab.example.com:8443/g/p.git'\n", true);
}

static void test_object_formats(void **unused)
{
    static const struct {
        const char *payload;
        bool option;
    } cases[] = {
        { GIT_INFO(GOOD_URL, START_SHA, "main", ""), false },
        { GIT_INFO(GOOD_URL, START_SHA, "main", ",\"repo_object_format\":\"sha1\""), false },
        { GIT_INFO(GOOD_URL, SHA256, "main", ",\"repo_object_format\":\"sha256\""), true },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autojob struct job job = start_job(cases[i].payload, "{}");
        autobuf struct buf script = BUF_INIT;

        add_script(&job, &script);
        assert_has(&script, "--object-format=sha256", cases[i].option);
    }
}

static void test_checkout_can_be_left_out(void **unused)
{
    autojob struct job job =
        start_job("{\"variables\":[{\"key\":\"GIT_CHECKOUT\",\"value\":\"false\"}]}", "{}");
    autobuf struct buf script = BUF_INIT;

    (void) unused;
    add_script(&job, &script);
    assert_has(&script, "Skipping Git checkout", true);
    assert_has(&script, "'checkout'", false);
    assert_has(&script, "'clean'", false);
    assert_has(&script, "lfs pull", false); /* it needs a commit that is checked out */
}

/* job-execution.md 4.2. */
static void test_clone_url_replaces_the_server(void **unused)
{
    static const char *const bad[] = { "{}", "{\"variables\":[{\"key\":\"CI_PROJECT_PATH\","
                                             "\"value\":\"g/../../p\"}]}" };
    autojob struct job job =
        start_job("{\"variables\":[{\"key\":\"CI_PROJECT_PATH\",\"value\":\"g/p\"}]}",
                  "{\"clone_url\":\"http://mirror.example.com/git\"}");
    autobuf struct buf script = BUF_INIT;

    (void) unused;
    add_script(&job, &script);
    assert_has(&script, "'http://mirror.example.com/git/g/p.git'", true);
    assert_has(&script, "gitlab.example.com:8443/g/p.git", false);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        autojob struct job refused = { 0 };
        struct error err = { 0 };
        json_t *start = start_frame(bad[i], "{\"clone_url\":\"http://mirror.example.com/git\"}");

        assert_int_equal(job_settings(&refused, start, &err), -EINVAL);
        assert_true(str_starts(err.message, "CI_PROJECT_PATH: "));
    }
}

#define HOOKS                                                                                      \
    "\"hooks\":[{\"name\":\"post_get_sources_script\",\"script\":[\"echo 3\"]},"                   \
    "{\"name\":\"pre_get_sources_script\",\"script\":[\"echo 2 $LD_PRELOAD\",\"export P=x\"]}]"
#define RUNNER_HOOKS                                                                               \
    "{\"pre_get_sources_script\":\"echo 1\",\"post_get_sources_script\":\"echo 4 $P; pwd\"}"

static size_t position(const struct buf *script, const char *text)
{
    const char *at = strstr(buf_str(script), text);

    if (!at)
        fail_msg("no \"%s\" in:\n%s", text, buf_str(script));
    return (size_t) (at - script->data);
}

/* job-execution.md 1.5; the job's own code sees all of the job's variables, git does not. */
static void test_hooks_in_their_order_around_our_own(void **unused)
{
    static const char *const order[] = { "\necho 1\n",        "\necho 2 $LD_PRELOAD\n",
                                         "\nexport P=x\n",    "\nunset LD_PRELOAD\n",
                                         " init --template ", "\n)\n",
                                         "\necho 3\n",        "\necho 4 $P; pwd\n" };
    autojob struct job job = start_job(
        "{\"variables\":[{\"key\":\"LD_PRELOAD\",\"value\":\"/x.so\"}]," HOOKS "}", RUNNER_HOOKS);
    autobuf struct buf script = BUF_INIT;

    (void) unused;
    add_script(&job, &script);
    for (size_t i = 1; i < ARRAY_LEN(order); i++)
        assert_true(position(&script, order[i - 1]) < position(&script, order[i]));
}

static void test_no_hooks_without_a_clone(void **unused)
{
    autojob struct job job = start_job(
        "{\"variables\":[{\"key\":\"GIT_STRATEGY\",\"value\":\"none\"}]," HOOKS "}", RUNNER_HOOKS);
    autobuf struct buf script = BUF_INIT;

    (void) unused;
    add_script(&job, &script);
    assert_has(&script, "echo", false);
}

/* job-execution.md 10.5 rows 13 and 14, run. */
static void test_strategies_none_and_empty(void **unused)
{
    static const char *const strategies[] = { "none", "empty" };

    (void) unused;
    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++)
        for (size_t i = 0; i < ARRAY_LEN(strategies); i++) {
            auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
            autofree char *payload = mem_printf(
                "{\"variables\":[{\"key\":\"GIT_STRATEGY\",\"value\":\"%s\"}]}", strategies[i]);
            autojob struct job job = start_job(payload, "{}");
            autobuf struct buf body = BUF_INIT, script = BUF_INIT, out = BUF_INIT,
                               errors = BUF_INIT;

            assert_int_equal(directories_set(&job, dir, NULL), 0);
            buf_add_str(&body, "mkdir -p \"$CI_PROJECT_DIR\"; touch \"$CI_PROJECT_DIR/old\"\n");
            get_sources_script(&job, &body);
            buf_add_str(&body, "ls \"$CI_PROJECT_DIR\"\n");
            assert_int_equal(stage_script(&job, buf_str(&body), STAGE_VARIABLES, &script), 0);
            if (harness_run_shell(shell, dir, &script, &out, &errors) != 0)
                fail_msg("%s: %s", harness_shell_names[shell], buf_str(&errors));
            assert_int_equal(str_ends(buf_str(&out), "\nold\n"), i == 0);
            assert_has(&out, "Skipping Git checkout", true);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_9_hardening_10_what_git_is_refused),
        cmocka_unit_test(test_what_submodules_are_refused),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_object_formats),
        cmocka_unit_test(test_checkout_can_be_left_out),
        cmocka_unit_test(test_clone_url_replaces_the_server),
        cmocka_unit_test(test_hooks_in_their_order_around_our_own),
        cmocka_unit_test(test_no_hooks_without_a_clone),
        cmocka_unit_test(test_strategies_none_and_empty),
    };

    return cmocka_run_group_tests_name("job-get_sources", tests, NULL, NULL);
}
