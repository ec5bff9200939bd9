/* tests/unit/exec/test_ci_artifacts.c - mirrors core/exec/ci_artifacts.c: what a job keeps, and the
 * sentence of every finding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "tests/unit/exec/ci_dump.h"

struct example {
    const char *why, *text, *want;
};

static void expect_all(const struct example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ci_dump_expect(examples[i].why, examples[i].text, NULL, examples[i].want);
}

static void test_entries_are_those_that_gitlab_makes(void **unused)
{
    static const struct example examples[] = {
        { "paths make an archive", "a: {script: s, artifacts: {paths: [x, y/]}}\n",
          "a@test script[s] keeps archive as - of zip paths[x|y/] on_success\n" },
        { "every keyword of an archive",
          "a: {script: s, artifacts: {paths: [x], exclude: [x/y], untracked: true, name: "
          "$CI_JOB_NAME, "
          "when: on_failure, expire_in: 1 week}}\n",
          "a@test script[s] keeps archive as $CI_JOB_NAME of zip paths[x] but[x/y] untracked "
          "on_failure for 1 week\n" },
        { "untracked files alone make one", "a: {script: s, artifacts: {untracked: true}}\n",
          "a@test script[s] keeps archive as - of zip untracked on_success\n" },
        { "an exclude alone makes none", "a: {script: s, artifacts: {exclude: [x]}}\n",
          "a@test script[s]\n" },
        { "a report is kept always, by GitLab's name and format, however long the archive is",
          "a: {script: s, artifacts: {when: on_success, expire_in: never, reports: {junit: r.xml, "
          "dotenv: [a.env, b.env], sast: s.json}}}\n",
          "a@test script[s] keeps junit as junit.xml of gzip paths[r.xml] always for never keeps "
          "dotenv as .env of gzip paths[a.env|b.env] always for never keeps sast as "
          "gl-sast-report.json of raw paths[s.json] always for never\n" },
        { "a report of coverage is one of its format",
          "a: {script: s, artifacts: {reports: {coverage_report: {coverage_format: jacoco, path: "
          "c.xml}}}}\n",
          "a@test script[s] keeps jacoco as jacoco-coverage.xml of gzip paths[c.xml] always\n" },
        { "those of default, unless the job has its own",
          "default: {artifacts: {paths: [x]}}\na: {script: s}\n"
          "b: {script: s, artifacts: {paths: [y]}}\nc: {script: s, inherit: {default: false}}\n",
          "a@test script[s] keeps archive as - of zip paths[x] on_success\n"
          "b@test script[s] keeps archive as - of zip paths[y] on_success\nc@test script[s]\n" },
        { "nothing", "a: {script: s, artifacts: {}}\nb: {script: s, artifacts: null}\n",
          "a@test script[s]\nb@test script[s]\n" },
    };

    (void) unused;
    expect_all(examples, ARRAY_LEN(examples));
}

static void test_what_is_wrong_is_told_with_its_place(void **unused)
{
    static const struct example examples[] = {
        { "what is of no use here is passed over",
          "a: {script: s, artifacts: {paths: [x], expose_as: x, public: false, access: none}}\n",
          "W f:1:40: job 'a': 'expose_as' is not supported, ignoring: there are no merge requests "
          "here\n"
          "W f:1:54: job 'a': 'public' is not supported, ignoring: nobody but later jobs can see "
          "them\n"
          "W f:1:69: job 'a': 'access' is not supported, ignoring: nobody but later jobs can see "
          "them\na@test script[s] keeps archive as - of zip paths[x] on_success\n" },
        { "a word that is none", "a: {script: s, artifacts: {path: [x]}}\n",
          "E f:1:28: job 'a': 'path' is no keyword; did you mean 'paths'?\n" },
        { "a report that is none", "a: {script: s, artifacts: {reports: {junits: x}}}\n",
          "E f:1:38: job 'a': 'reports' has no report 'junits'; did you mean 'junit'?\n" },
        { "an archive is no report", "a: {script: s, artifacts: {reports: {archive: x}}}\n",
          "E f:1:38: job 'a': 'reports' has no report 'archive'\n" },
        { "kinds", "a: {script: s, artifacts: [x]}\n",
          "E f:1:27: job 'a': 'artifacts' must be a mapping with 'paths' or 'reports', not a "
          "list\n" },
        { "when", "a: {script: s, artifacts: {paths: [x], when: manual}}\n",
          "E f:1:46: job 'a': 'when' must be on_success, on_failure or always, not the string "
          "'manual'\n" },
        { "expire_in", "a: {script: s, artifacts: {paths: [x], expire_in: soon}}\n",
          "E f:1:51: job 'a': 'expire_in' must be a duration such as '1 week', or never, not the "
          "string 'soon'\n" },
        { "coverage", "a: {script: s, artifacts: {reports: {coverage_report: c.xml}}}\n",
          "E f:1:55: job 'a': 'coverage_report' must be a mapping with 'coverage_format' and "
          "'path', not the string 'c.xml'\n" },
        { "a default is told once",
          "default: {artifacts: {untracked: 7}}\na: {script: s}\nb: {script: s}\n",
          "E f:1:34: 'untracked' must be true or false, not the number 7\n" },
    };

    (void) unused;
    expect_all(examples, ARRAY_LEN(examples));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_are_those_that_gitlab_makes),
        cmocka_unit_test(test_what_is_wrong_is_told_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
