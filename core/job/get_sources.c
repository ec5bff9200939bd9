/* core/job/get_sources.c - the git stage: a clone, as init, fetch and checkout, and the clean-up
 * afterwards (job-execution.md 4.4, 4.5, 4.7).
 *
 * Credentials come from a helper that reads the environment of the git process; they are never in a
 * URL or in the repository's configuration (hardening.md S8). */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/job.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/quote.h"

#define COMMAND(body, ...) script_command((body), (const char *const[]) { __VA_ARGS__, NULL })

static json_t *git_info(const struct job *job)
{
    json_t *git = NULL;

    (void) json_opt_object(job->payload, "git_info", &git, NULL);
    return git;
}

static json_t *refspecs_of(json_t *git)
{
    json_t *refspecs = NULL;

    (void) json_opt_array(git, "refspecs", &refspecs, NULL);
    return refspecs;
}

static bool is_clone(const struct job *job)
{
    const char *strategy = variables_get(&job->variables, "GIT_STRATEGY");

    return !str_eq(strategy, "none") && !str_eq(strategy, "empty");
}

/* What git is given, checked before anything runs (hardening.md V7, V8). */

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

/* `git init` knows these two; "" is sha1, without the option that an old git lacks. */
static bool object_format_valid(const char *format)
{
    return !*format || str_eq(format, "sha1") || str_eq(format, "sha256");
}

/* The URL without user and password, or clone_url with the project's path (job-execution.md 4.2).
 */
static void add_remote_url(const struct job *job, struct buf *out)
{
    const char *clone_url = text_of(job->runner, "clone_url", "");
    const char *url = text_of(git_info(job), "repo_url", ""), *host = strstr(url, "://"), *at;

    if (*clone_url) {
        buf_addf(out, "%s/%s.git", clone_url, variables_get(&job->variables, "CI_PROJECT_PATH"));
        return;
    }
    if (!host) {
        buf_add_str(out, url);
        return;
    }
    host += 3;
    at = memchr(host, '@', strcspn(host, "/"));
    buf_add(out, url, (size_t) (host - url));
    buf_add_str(out, at ? at + 1 : host);
}

/* `file` is for `flotilla exec`, whose instances are on the machine of the repository. */
static bool remote_url_valid(const char *url)
{
    static const char host_chars[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";
    size_t scheme = str_starts(url, "https://") ? 8 : str_starts(url, "http://") ? 7 : 0;
    size_t host = strcspn(url + scheme, "/");

    if (!ref_valid(url))
        return false;
    return scheme > 0 ? host > 0 && strspn(url + scheme, host_chars) == host
                      : str_starts(url, "file:///");
}

static int check_remote_url(const struct job *job, struct error *err)
{
    const char *project = variables_get(&job->variables, "CI_PROJECT_PATH");
    autobuf struct buf url = BUF_INIT;

    if (*text_of(job->runner, "clone_url", "") &&
        (!project || !path_is_sound(project, strlen(project))))
        return error_set(err, -EINVAL,
                         "CI_PROJECT_PATH: must be the project's path, which clone_url needs");
    add_remote_url(job, &url);
    return remote_url_valid(buf_str(&url))
               ? 0
               : error_set(err, -EINVAL,
                           "git_info.repo_url: must be http:// or https:// with a host, without "
                           "blanks and control bytes");
}

int get_sources_check(const struct job *job, struct error *err)
{
    json_t *git = git_info(job), *refspecs = refspecs_of(git);

    if (!is_clone(job))
        return 0;
    if (!sha_valid(text_of(git, "sha", "")))
        return error_set(err, -EINVAL, "git_info.sha: must be 40 or 64 hex digits");
    if (!ref_valid(text_of(git, "ref", "")))
        return error_set(err, -EINVAL,
                         "git_info.ref: is empty, begins with '-', or has blanks or control bytes");
    for (size_t i = 0; refspecs && i < json_object_array_length(refspecs); i++) {
        json_t *item = json_object_array_get_idx(refspecs, i);

        if (!json_object_is_type(item, json_type_string) ||
            strlen(json_object_get_string(item)) != (size_t) json_object_get_string_len(item) ||
            !ref_valid(json_object_get_string(item)))
            return error_set(err, -EINVAL,
                             "git_info.refspecs[%zu]: is empty, begins with '-', or has blanks or "
                             "control bytes",
                             i);
    }
    if (!object_format_valid(text_of(git, "repo_object_format", "")))
        return error_set(err, -EINVAL, "git_info.repo_object_format: must be sha1 or sha256");
    return check_remote_url(job, err);
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

/* A helper that answers `get` with the job's token from the environment, for the remote's own
 * scheme, host and port alone: a server that redirects to another gets that one no token. */
static void add_credential_helper(struct buf *body, const char *url)
{
    static const char helper[] = "!f() { test \"$1\" = get && printf 'username=gitlab-ci-token\\n"
                                 "password=%s\\n' \"$CI_JOB_TOKEN\"; }; f";
    autobuf struct buf setting = BUF_INIT;
    const char *host = strstr(url, "://");

    if (!str_starts(url, "http") || !host)
        return;
    buf_add_str(&setting, "credential.");
    buf_add(&setting, url, (size_t) (host + 3 - url) + strcspn(host + 3, "/"));
    buf_addf(&setting, ".helper=%s", helper);
    buf_add_str(body, " -c credential.helper= -c ");
    quote_word(body, buf_str(&setting));
}

static void add_fetch(struct buf *body, const char *url, json_t *refspecs, int64_t depth)
{
    buf_add_str(body, "git -c ");
    quote_word(body, "http.userAgent=flotilla " FLOTILLA_VERSION);
    add_credential_helper(body, url);
    buf_add_str(body, " fetch --no-recurse-submodules --prune --quiet");
    if (depth > 0)
        buf_addf(body, " --depth %" PRId64, depth);
    buf_add_str(body, " -- origin");
    for (size_t i = 0; refspecs && i < json_object_array_length(refspecs); i++) {
        buf_add_char(body, ' ');
        quote_word(body, json_object_get_string(json_object_array_get_idx(refspecs, i)));
    }
    buf_add_char(body, '\n');
}

static void add_init(const struct job *job, struct buf *body, json_t *git)
{
    bool sha256 = str_eq(text_of(git, "repo_object_format", ""), "sha256");

    add_removal(body, job->build_dir);
    COMMAND(body, "mkdir", "-p", "--", job->build_dir);
    if (sha256)
        COMMAND(body, "git", "-c", "init.defaultBranch=none", "init", "--quiet",
                "--object-format=sha256", "--", job->build_dir);
    else
        COMMAND(body, "git", "-c", "init.defaultBranch=none", "init", "--quiet", "--",
                job->build_dir);
    COMMAND(body, "cd", "--", job->build_dir);
    script_notice(body, "Created fresh repository.");
    COMMAND(body, "git", "config", "fetch.recurseSubmodules", "false");
    COMMAND(body, "git", "config", "credential.interactive", "never");
    COMMAND(body, "git", "config", "gc.autoDetach", "false");
}

static void add_checkout(const struct job *job, struct buf *body, json_t *git)
{
    const char *sha = text_of(git, "sha", "");
    autobuf struct buf notice = BUF_INIT;

    if (!variables_flag(&job->variables, "GIT_CHECKOUT", true)) {
        script_notice(body, "Skipping Git checkout");
        return;
    }
    buf_addf(&notice, "Checking out %.8s as detached HEAD (ref is %s)...", sha,
             text_of(git, "ref", ""));
    script_notice(body, buf_str(&notice));
    COMMAND(body, "git", "-c", "submodule.recurse=false", "checkout", "-f", "-q", sha, "--");
    COMMAND(body, "git", "clean", "-ffdx", "-q");
}

static void add_clone(const struct job *job, struct buf *body)
{
    json_t *git = git_info(job);
    autobuf struct buf url = BUF_INIT, notice = BUF_INIT;
    int64_t depth = 0;

    (void) json_opt_i64(git, "depth", 0, INT32_MAX, &depth, NULL);
    add_remote_url(job, &url);
    if (depth > 0)
        buf_addf(&notice, "Fetching changes with git depth set to %" PRId64 "...", depth);
    else
        buf_add_str(&notice, "Fetching changes...");
    script_notice(body, buf_str(&notice));
    add_init(job, body, git);
    COMMAND(body, "git", "remote", "add", "--", "origin", buf_str(&url));
    add_fetch(body, buf_str(&url), refspecs_of(git), depth);
    add_checkout(job, body, git);
    script_notice(body, "Skipping Git submodules setup");
}

static void add_directory(const struct job *job, struct buf *body)
{
    if (str_eq(variables_get(&job->variables, "GIT_STRATEGY"), "empty")) {
        script_notice(body, "Skipping Git repository setup and creating an empty build directory");
        add_removal(body, job->build_dir);
    } else {
        script_notice(body, "Skipping Git repository setup");
    }
    COMMAND(body, "mkdir", "-p", "--", job->build_dir);
    script_notice(body, "Skipping Git checkout");
    script_notice(body, "Skipping Git submodules setup");
}

/* Hooks see the job's variables as its script does (job-execution.md 1.5). */

static void add_runner_hook(const struct job *job, struct buf *body, const char *name)
{
    const char *command = text_of(job->runner, name, "");

    if (*command)
        script_user_command(body, command);
}

static void add_job_hooks(const struct job *job, struct buf *body, const char *name)
{
    json_t *hooks = NULL;

    (void) json_opt_array(job->payload, "hooks", &hooks, NULL);
    for (size_t i = 0; hooks && i < json_object_array_length(hooks); i++) {
        json_t *hook = json_object_array_get_idx(hooks, i), *lines = NULL;

        if (!str_eq(text_of(hook, "name", ""), name))
            continue;
        (void) json_opt_array(hook, "script", &lines, NULL);
        script_user_commands(body, lines);
    }
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
    bool clone = is_clone(job);

    script_export(body, "GIT_TERMINAL_PROMPT", "0");
    script_export(body, "GCM_INTERACTIVE", "Never");
    if (clone) {
        add_runner_hook(job, body, "pre_get_sources_script");
        add_job_hooks(job, body, "pre_get_sources_script");
    }
    own_begin(job, body);
    if (clone)
        add_clone(job, body);
    else
        add_directory(job, body);
    script_own_end(body);
    if (clone) {
        COMMAND(body, "cd", "--", job->build_dir);
        add_job_hooks(job, body, "post_get_sources_script");
        add_runner_hook(job, body, "post_get_sources_script");
    }
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
