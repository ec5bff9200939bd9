/* core/job/git_settings.c - what the job asks git for (git_settings.h): git_info of the payload, and
 * the GIT_ variables. */
#include "core/job/git_settings.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/job.h"

static json_t *git_info(const struct job *job)
{
    json_t *git = NULL;

    (void) json_opt_object(job->payload, "git_info", &git, NULL);
    return git;
}

json_t *git_refspecs(const struct job *job)
{
    json_t *refspecs = NULL;

    (void) json_opt_array(git_info(job), "refspecs", &refspecs, NULL);
    return refspecs;
}

int64_t git_depth(const struct job *job)
{
    int64_t depth = 0;

    (void) json_opt_i64(git_info(job), "depth", 0, INT32_MAX, &depth, NULL);
    return depth;
}

const char *git_sha(const struct job *job)
{
    return text_of(git_info(job), "sha", "");
}

const char *git_ref(const struct job *job)
{
    return text_of(git_info(job), "ref", "");
}

bool git_is_sha256(const struct job *job)
{
    return str_eq(text_of(git_info(job), "repo_object_format", ""), "sha256");
}

bool git_checks_out(const struct job *job)
{
    return variables_flag(&job->variables, "GIT_CHECKOUT", true);
}

static const char *const strategies[] = {
    [GIT_CLONE] = "clone", [GIT_FETCH] = "fetch", [GIT_NONE] = "none", [GIT_EMPTY] = "empty"
};

static enum git_strategy default_strategy(const struct job *job)
{
    bool may_fetch = false;

    (void) json_opt_bool(job->payload, "allow_git_fetch", &may_fetch, NULL);
    return may_fetch ? GIT_FETCH : GIT_CLONE;
}

static bool strategy_known(const char *text, enum git_strategy *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(strategies); i++)
        if (str_eq(text, strategies[i])) {
            *ret = (enum git_strategy) i;
            return true;
        }
    return false;
}

enum git_strategy git_strategy(const struct job *job)
{
    enum git_strategy strategy = default_strategy(job);

    (void) strategy_known(variables_get(&job->variables, "GIT_STRATEGY"), &strategy);
    return strategy;
}

static const char *const submodule_strategies[] = { [GIT_SUBMODULES_NONE] = "none",
                                                    [GIT_SUBMODULES_NORMAL] = "normal",
                                                    [GIT_SUBMODULES_RECURSIVE] = "recursive" };

static bool submodules_known(const char *text, enum git_submodules *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(submodule_strategies); i++)
        if (str_eq(text, submodule_strategies[i])) {
            *ret = (enum git_submodules) i;
            return true;
        }
    return str_empty(text);
}

enum git_submodules git_submodules(const struct job *job)
{
    enum git_submodules strategy = GIT_SUBMODULES_NONE;

    (void) submodules_known(variables_get(&job->variables, "GIT_SUBMODULE_STRATEGY"), &strategy);
    return strategy;
}

static bool submodule_depth_known(const struct job *job, int64_t *ret)
{
    const char *text = variables_get(&job->variables, "GIT_SUBMODULE_DEPTH");

    return str_empty(text) || parse_i64(text, INT32_MIN, INT32_MAX, ret) == 0;
}

int64_t git_submodule_depth(const struct job *job)
{
    int64_t depth = git_depth(job);

    (void) submodule_depth_known(job, &depth);
    return MAX(depth, (int64_t) 0);
}

/* By default the jobs of an instance that is used again are not trusted; a job that takes a directory
 * as it is has asked for what is in it. */
bool git_cleans_config(const struct job *job)
{
    bool cleans = git_strategy(job) != GIT_NONE;

    (void) json_opt_bool(job->runner, "clean_git_config", &cleans, NULL);
    return cleans;
}

void git_settings_warn(struct job *job)
{
    const char *strategy = variables_get(&job->variables, "GIT_STRATEGY");
    enum git_strategy known;
    int64_t depth;

    if (!str_empty(strategy) && !strategy_known(strategy, &known))
        job_warn(job,
                 "GIT_STRATEGY: expected either 'clone', 'fetch', 'none' or 'empty' got "
                 "\"%s\", using default value '%s'",
                 strategy, strategies[default_strategy(job)]);
    if (!submodule_depth_known(job, &depth))
        job_warn(job, "GIT_SUBMODULE_DEPTH: expected int got \"%s\", using default value: %" PRId64,
                 variables_get(&job->variables, "GIT_SUBMODULE_DEPTH"), git_depth(job));
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

void git_add_repo_url(const struct job *job, struct buf *out)
{
    const char *url = text_of(git_info(job), "repo_url", ""), *host = strstr(url, "://"), *at;

    if (!host) {
        buf_add_str(out, url);
        return;
    }
    host += 3;
    at = memchr(host, '@', strcspn(host, "/"));
    buf_add(out, url, (size_t) (host - url));
    buf_add_str(out, at ? at + 1 : host);
}

/* The payload's, or clone_url with the project's path (job-execution.md 4.2). */
void git_add_remote_url(const struct job *job, struct buf *out)
{
    const char *clone_url = text_of(job->runner, "clone_url", "");

    if (*clone_url)
        buf_addf(out, "%s/%s.git", clone_url, variables_get(&job->variables, "CI_PROJECT_PATH"));
    else
        git_add_repo_url(job, out);
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
    git_add_remote_url(job, &url);
    if (buf_error(&url) < 0)
        return error_set(err, buf_error(&url), "git_info.repo_url: out of memory");
    return remote_url_valid(buf_str(&url))
               ? 0
               : error_set(err, -EINVAL,
                           "git_info.repo_url: must be http:// or https:// with a host, without "
                           "blanks and control bytes");
}

static int check_refspecs(const struct job *job, struct error *err)
{
    json_t *refspecs = git_refspecs(job);

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
    return 0;
}

/* The peer fails such jobs, too, rather than leave them without their sources (3.3): the job's own
 * mistake. */
static int check_submodules(const struct job *job, struct error *err)
{
    const char *text = variables_get(&job->variables, "GIT_SUBMODULE_STRATEGY");
    const char *paths = variables_get(&job->variables, "GIT_SUBMODULE_PATHS");
    enum git_submodules known;

    if (!submodules_known(text, &known))
        return error_set(
            err, -EPERM,
            "unknown GIT_SUBMODULE_STRATEGY \"%.64s\": must be none, normal or recursive", text);
    for (; paths && *paths; paths += strcspn(paths, GIT_BLANKS)) {
        paths += strspn(paths, GIT_BLANKS);
        if (strcspn(paths, GIT_BLANKS) == 10 && str_starts(paths, ":(exclude)"))
            return error_set(
                err, -EPERM,
                "GIT_SUBMODULE_PATHS: ':(exclude)' must have its path right behind it, "
                "without a blank");
    }
    return 0;
}

int git_settings_check(const struct job *job, struct error *err)
{
    enum git_strategy strategy = git_strategy(job);
    json_t *git = git_info(job);
    int r;

    if (strategy == GIT_NONE || strategy == GIT_EMPTY)
        return 0;
    if (!sha_valid(text_of(git, "sha", "")))
        return error_set(err, -EINVAL, "git_info.sha: must be 40 or 64 hex digits");
    if (!ref_valid(text_of(git, "ref", "")))
        return error_set(err, -EINVAL,
                         "git_info.ref: is empty, begins with '-', or has blanks or control bytes");
    if (!object_format_valid(text_of(git, "repo_object_format", "")))
        return error_set(err, -EINVAL, "git_info.repo_object_format: must be sha1 or sha256");
    r = check_refspecs(job, err);
    if (r == 0)
        r = check_submodules(job, err);
    return r == 0 ? check_remote_url(job, err) : r;
}
