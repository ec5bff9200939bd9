/* core/job/get_sources.c - the git stage: a clone, as init, fetch and checkout, and the clean-up
 * afterwards (job-execution.md 4.4, 4.5, 4.7).
 *
 * Credentials come from a helper that reads the environment of the git process; they are never in a
 * URL or in the repository's configuration (hardening.md S8). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/job.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/quote.h"

#define COMMAND(body, ...) script_command((body), (const char *const[]) { __VA_ARGS__, NULL })

static const char *text_of(json_t *obj, const char *key)
{
    const char *text = "";

    if (obj)
        (void) json_opt_str(obj, key, &text, NULL);
    return text;
}

/* The URL without user and password. */
static void add_plain_url(struct buf *out, const char *url)
{
    const char *host = strstr(url, "://"), *at;

    if (!host) {
        buf_add_str(out, url);
        return;
    }
    host += 3;
    at = memchr(host, '@', strcspn(host, "/"));
    buf_add(out, url, (size_t) (host - url));
    buf_add_str(out, at ? at + 1 : host);
}

/* A commit is hex digits, a ref has no control bytes and no leading dash (V7). */
static bool sha_valid(const char *sha)
{
    size_t len = strlen(sha);

    return (len == 40 || len == 64) && strspn(sha, "0123456789abcdef") == len;
}

static bool ref_valid(const char *ref)
{
    if (*ref == '-' || !*ref)
        return false;
    for (const char *c = ref; *c; c++)
        if ((unsigned char) *c <= ' ' || *c == 0x7f)
            return false;
    return true;
}

static void refuse(struct buf *body, const char *what)
{
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "The job's %s is not one that git may be given; refused.", what);
    buf_add_str(body, "printf '%s\\n' ");
    quote_word(body, buf_str(&line));
    buf_add_str(body, " >&2\nexit 1\n");
}

/* Locks and hooks that an interrupted job or its code left behind (4.3). */
static void add_cleaning(const struct job *job, struct buf *body)
{
    static const char *const leftovers[] = { "index.lock", "shallow.lock", "HEAD.lock",
                                             "config.lock", "hooks/post-checkout" };

    for (size_t i = 0; i < ARRAY_LEN(leftovers); i++) {
        autobuf struct buf path = BUF_INIT;

        buf_addf(&path, "%s/.git/%s", job->build_dir, leftovers[i]);
        COMMAND(body, "rm", "-f", "--", buf_str(&path));
    }
}

static void add_removal(struct buf *body, const char *dir)
{
    buf_add_str(body, "if [ -e ");
    quote_word(body, dir);
    buf_add_str(body, " ]; then\n  chmod -R u+rwX -- ");
    quote_word(body, dir);
    buf_add_str(body, " 2> /dev/null || :\n  rm -rf -- ");
    quote_word(body, dir);
    buf_add_str(body, "\nfi\n");
}

/* Answers `get` with the job's token from the environment; the text holds no secret. */
#define HELPER                                                                                     \
    "credential.helper=!f() { test \"$1\" = get && printf 'username=gitlab-ci-token\\n"            \
    "password=%s\\n' \"$CI_JOB_TOKEN\"; }; f"

static void add_fetch(const struct job *job, struct buf *body, const char *url, json_t *refspecs,
                      int64_t depth)
{
    char depth_text[32];

    (void) job;
    buf_add_str(body, "git -c ");
    quote_word(body, "http.userAgent=flotilla " FLOTILLA_VERSION);
    if (str_starts(url, "http")) {
        buf_add_str(body, " -c credential.helper= -c ");
        quote_word(body, HELPER);
    }
    buf_add_str(body, " fetch --no-recurse-submodules --prune --quiet");
    if (depth > 0) {
        (void) snprintf(depth_text, sizeof(depth_text), " --depth %" PRId64, depth);
        buf_add_str(body, depth_text);
    }
    buf_add_str(body, " -- origin");
    for (size_t i = 0; refspecs && i < json_object_array_length(refspecs); i++) {
        const char *refspec = json_object_get_string(json_object_array_get_idx(refspecs, i));

        if (!refspec || !ref_valid(refspec))
            continue;
        buf_add_char(body, ' ');
        quote_word(body, refspec);
    }
    buf_add_char(body, '\n');
}

static void add_clone(const struct job *job, struct buf *body, json_t *git)
{
    autobuf struct buf url = BUF_INIT, notice = BUF_INIT;
    const char *sha = text_of(git, "sha"), *ref = text_of(git, "ref");
    json_t *refspecs = NULL;
    int64_t depth = 0;

    (void) json_opt_i64(git, "depth", 0, INT32_MAX, &depth, NULL);
    (void) json_opt_array(git, "refspecs", &refspecs, NULL);
    add_plain_url(&url, text_of(git, "repo_url"));
    if (!sha_valid(sha)) {
        refuse(body, "commit");
        return;
    }
    if (!ref_valid(ref)) {
        refuse(body, "branch or tag");
        return;
    }
    if (!ref_valid(buf_str(&url))) {
        refuse(body, "repository URL");
        return;
    }
    if (depth > 0)
        buf_addf(&notice, "Fetching changes with git depth set to %" PRId64 "...", depth);
    else
        buf_add_str(&notice, "Fetching changes...");
    script_notice(body, buf_str(&notice));
    add_cleaning(job, body);
    add_removal(body, job->build_dir);
    COMMAND(body, "mkdir", "-p", "--", job->build_dir);
    COMMAND(body, "git", "-c", "init.defaultBranch=none", "init", "--quiet", job->build_dir);
    COMMAND(body, "cd", "--", job->build_dir);
    script_notice(body, "Created fresh repository.");
    COMMAND(body, "git", "config", "fetch.recurseSubmodules", "false");
    COMMAND(body, "git", "config", "credential.interactive", "never");
    COMMAND(body, "git", "config", "gc.autoDetach", "false");
    COMMAND(body, "git", "remote", "add", "origin", buf_str(&url));
    add_fetch(job, body, buf_str(&url), refspecs, depth);
    buf_clear(&notice);
    buf_addf(&notice, "Checking out %.8s as detached HEAD (ref is %s)...", sha, ref);
    script_notice(body, buf_str(&notice));
    COMMAND(body, "git", "-c", "submodule.recurse=false", "checkout", "-f", "-q", sha);
    COMMAND(body, "git", "clean", "-ffdx", "-q");
    script_notice(body, "Skipping Git submodules setup");
}

static void own_begin(const struct job *job, struct buf *body)
{
    script_own_begin(body);
    for (size_t i = 0; i < job->variables.n; i++)
        if (script_name_is_hostile(job->variables.items[i].key))
            script_unset(body, job->variables.items[i].key);
}

void get_sources_script(const struct job *job, struct buf *body)
{
    const char *strategy = variables_get(&job->variables, "GIT_STRATEGY");
    json_t *git = NULL;

    (void) json_opt_object(job->payload, "git_info", &git, NULL);
    script_export(body, "GIT_TERMINAL_PROMPT", "0");
    script_export(body, "GCM_INTERACTIVE", "Never");
    own_begin(job, body);
    if (str_eq(strategy, "none")) {
        script_notice(body, "Skipping Git repository setup");
        COMMAND(body, "mkdir", "-p", "--", job->build_dir);
    } else if (str_eq(strategy, "empty")) {
        script_notice(body, "Skipping Git repository setup and creating an empty build directory");
        add_removal(body, job->build_dir);
        COMMAND(body, "mkdir", "-p", "--", job->build_dir);
    } else {
        add_clone(job, body, git);
        script_own_end(body);
        return;
    }
    script_notice(body, "Skipping Git checkout");
    script_notice(body, "Skipping Git submodules setup");
    script_own_end(body);
}

void cleanup_script(const struct job *job, struct buf *body)
{
    static const char *const own[] = { "gitlab_runner_env", "stage.pid" };

    script_own_begin(body);
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        autobuf struct buf path = BUF_INIT;

        buf_addf(&path, "%s/%s", job->tmp_dir, own[i]);
        COMMAND(body, "rm", "-f", "--", buf_str(&path));
    }
    for (size_t i = 0; i < job->variables.n; i++) {
        autobuf struct buf path = BUF_INIT;

        if (!job->variables.items[i].file)
            continue;
        buf_addf(&path, "%s/%s", job->tmp_dir, job->variables.items[i].key);
        COMMAND(body, "rm", "-f", "--", buf_str(&path));
    }
    add_cleaning(job, body);
    script_own_end(body);
}
