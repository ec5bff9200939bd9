/* tests/unit/job/sources.h - a job's get_sources stage, run by real git for the bare repository g/p.git
 * of a test's directory. Include it after cmocka.h. */
#pragma once

#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"
#include "tests/harness/shell.h"
#include "tests/unit/job/start.h"

/* Where a job works below its HOME: a `file:` URL names no project (directories.c). */
#define PROJECT "builds/abcdefghi/2/project-9"

#define WITH(key, value) "{\"key\":\"" key "\",\"value\":\"" value "\"},"
/* Whether git-lfs is installed is not to matter. */
#define LEAVE_LFS "{\"key\":\"GIT_LFS_SKIP_SMUDGE\",\"value\":\"true\"}"

#define AUTHOR                                                                                     \
    "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b\n"

/* Runs text as it is, in `dir`; it must succeed. */
static void must(const char *dir, const char *text, struct buf *out)
{
    autobuf struct buf script = BUF_INIT, errors = BUF_INIT;

    buf_addf(&script, "set -e\n%s", text);
    if (harness_run_shell(HARNESS_BASH, dir, &script, out, &errors) != 0)
        fail_msg("%s: %s%s", text, buf_str(out), buf_str(&errors));
}

/* The stage of a job below `home`, of a runner with these settings; its status. What it says is in
 * `out`. */
static int run_sources(const char *dir, enum harness_shell shell, const char *home, const char *sha,
                       const char *git_info, const char *variables, const char *runner,
                       struct buf *out)
{
    autofree char *payload =
        mem_printf("{\"allow_git_fetch\":true,\"git_info\":{\"repo_url\":\"file://%s/g/p.git\","
                   "\"sha\":\"%s\",\"ref\":\"main\",\"refspecs\":[\"+%s:refs/pipelines/"
                   "1\"]%s},\"variables\":[%s" LEAVE_LFS "]}",
                   dir, sha, sha, git_info, variables);
    autojob struct job job = { 0 };
    autobuf struct buf body = BUF_INIT, script = BUF_INIT, errors = BUF_INIT;
    struct error err = { 0 };
    int status;

    assert_int_equal(job_settings(&job, start_frame(payload, runner), &err), 0);
    assert_int_equal(directories_set(&job, home, NULL), 0);
    assert_true(str_ends(job.build_dir, "/" PROJECT));
    get_sources_script(&job, &body);
    assert_int_equal(stage_script(&job, buf_str(&body), STAGE_VARIABLES, &script), 0);
    status = harness_run_shell(shell, home, &script, out, &errors);
    buf_add_str(out, buf_str(&errors));
    return status;
}

static void assert_said(const char *why, const struct buf *out, const char *text, bool wanted)
{
    if (!strstr(buf_str(out), text) == wanted)
        fail_msg("%s: %s \"%s\" in:\n%s", why, wanted ? "no" : "there is", text, buf_str(out));
}
