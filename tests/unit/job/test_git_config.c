/* tests/unit/job/test_git_config.c - mirrors core/job/git_config.c: what git itself reads from the
 * files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/git_config.h"
#include "tests/harness/harness.h"
#include "tests/harness/shell.h"
#include "tests/unit/job/start.h"

#define VARIABLE(key, value) "{\"key\":\"" key "\",\"value\":\"" value "\"}"
#define REPO "https://gitlab.example.com:8443"
#define HELPER(origin) "credential." origin ".helper=\ncredential." origin ".helper=!f() { "
#define RUNNER "{\"url\":\"https://runner.example.com/gitlab\"}"
#define MIRROR                                                                                     \
    "{\"url\":\"https://runner.example.com\",\"clone_url\":\"http://mirror.example.com/git\"}"

/* What git lists of the file for the job. */
static void list(struct job *job, const char *correlation, struct buf *out)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autobuf struct buf text = BUF_INIT, script = BUF_INIT, errors = BUF_INIT;

    assert_int_equal(directories_set(job, "/home/a \"b\\", NULL), 0);
    git_config_external(job, correlation, &text);
    assert_int_equal(buf_error(&text), 0);
    harness_write(dir, "ext", buf_str(&text));
    buf_add_str(&script, "git config -f ext --list");
    if (harness_run_shell(HARNESS_DASH, dir, &script, out, &errors) != 0)
        fail_msg("%s: %s", buf_str(&text), buf_str(&errors));
}

static void test_what_git_reads(void **unused)
{
    static const struct {
        const char *why, *variables, *runner, *has, *has_not;
    } cases[] = {
        { "no other helper of the machine hears of the token", "", "{}", HELPER(REPO), "runner" },
        { "the runner's own name of the server", "", RUNNER,
          HELPER("https://runner.example.com") "test", "gitlab/" },
        { "a mirror gets the job's token, too", VARIABLE("CI_PROJECT_PATH", "g/p"), MIRROR,
          HELPER("http://mirror.example.com"), NULL },
        { "and what submodules may name", VARIABLE("CI_PROJECT_PATH", "g/p"), MIRROR, HELPER(REPO),
          NULL },
        { "each server once", "", "{\"url\":\"" REPO "/x\"}", HELPER(REPO), "/x" },
        { "requests carry the id", "", "{}",
          "http." REPO ".extraheader=X-Gitaly-Correlation-ID: abc\n", NULL },
        { "bundles are used", "", "{}", "transfer.bundleuri=true\n", "insteadof" },
        { "or not", VARIABLE("FF_USE_GIT_BUNDLE_URIS", "false"), "{}", REPO, "bundleuri" },
        { "the token goes with the first request", VARIABLE("FF_USE_GIT_PROACTIVE_AUTH", "true"),
          "{}", "http." REPO ".proactiveauth=basic\n", NULL },
        { "or when the server asks for it", "", "{}", REPO, "proactiveauth" },
        { "certificates",
          VARIABLE("CI_SERVER_TLS_CA_FILE", "x") "," VARIABLE(
              "CI_SERVER_TLS_CERT_FILE", "y") "," VARIABLE("CI_SERVER_TLS_KEY_FILE", "z"),
          "{}",
          "http." REPO ".sslcainfo=/home/a \"b\\/builds/abcdefghi/2/g/p.tmp/CI_SERVER_TLS_CA_FILE\n"
          "http." REPO ".sslcert=/home/a \"b\\/builds/abcdefghi/2/g/p.tmp/CI_SERVER_TLS_CERT_FILE\n"
          "http." REPO ".sslkey=/home/a \"b\\/builds/abcdefghi/2/g/p.tmp/CI_SERVER_TLS_KEY_FILE\n",
          NULL },
        { "no certificates", VARIABLE("CI_SERVER_TLS_CA_FILE", ""), "{}", REPO, "ssl" },
        { "SSH becomes HTTP",
          VARIABLE("GIT_SUBMODULE_FORCE_HTTPS", "true") "," VARIABLE("CI_SERVER_HOST", "host"),
          RUNNER,
          "url.https://runner.example.com/gitlab/.insteadof=ssh://git@host:22/\n"
          "url.https://runner.example.com/gitlab/.insteadof=ssh://git@host/\n"
          "url.https://runner.example.com/gitlab/.insteadof=git@host:\n",
          NULL },
        { "SSH on a port of its own",
          VARIABLE("GIT_SUBMODULE_FORCE_HTTPS", "true") "," VARIABLE(
              "CI_SERVER_HOST", "host") "," VARIABLE("CI_SERVER_SHELL_SSH_HOST",
                                                     "ssh.host") "," VARIABLE("CI_SERVER_SHELL_SSH_"
                                                                              "PORT",
                                                                              "2222"),
          RUNNER, "url.https://runner.example.com/gitlab/.insteadof=ssh://git@ssh.host:2222/\n",
          "git@ssh.host:\n" },
        { "no SSH server known", VARIABLE("GIT_SUBMODULE_FORCE_HTTPS", "true"), RUNNER, REPO,
          "insteadof" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *payload = mem_printf("{\"variables\":[%s]}", cases[i].variables);
        autojob struct job job = start_job(payload, cases[i].runner);
        autobuf struct buf out = BUF_INIT;

        list(&job, "abc", &out);
        if (!strstr(buf_str(&out), cases[i].has) ||
            (cases[i].has_not && strstr(buf_str(&out), cases[i].has_not)) ||
            strstr(buf_str(&out), "glcbt-64_job-token"))
            fail_msg("%s:\n%s", cases[i].why, buf_str(&out));
    }
}

/* A repository that is not behind HTTP has no credentials and needs none. */
static void test_files_need_no_credentials(void **unused)
{
    autojob struct job job = start_job(
        "{\"git_info\":{\"repo_url\":\"file:///srv/p.git\",\"ref\":\"main\",\"sha\":\"" START_SHA
        "\"}}",
        "{}");
    autobuf struct buf out = BUF_INIT;

    (void) unused;
    list(&job, NULL, &out);
    assert_string_equal(buf_str(&out), "transfer.bundleuri=true\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_git_reads),
        cmocka_unit_test(test_files_need_no_credentials),
    };

    return cmocka_run_group_tests_name("job-git_config", tests, NULL, NULL);
}
