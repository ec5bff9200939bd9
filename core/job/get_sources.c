/* core/job/get_sources.c - the git stage: a clone or a fetch into the last job's clone, both as init,
 * fetch and checkout, and the clean-up afterwards (job-execution.md 4.3 to 4.7).
 *
 * What an earlier job left is not trusted: its configuration, hooks and locks go before git looks at
 * them, and what then can't be brought to the wanted commit is replaced by a clone. Its objects are
 * kept: who does not trust the jobs of the same project says GIT_STRATEGY=clone.
 *
 * Credentials come from a helper that reads the environment of the git process; they are never in a
 * URL or in the repository's configuration (hardening.md S8). */
#include <inttypes.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/git_settings.h"
#include "core/job/job.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/quote.h"

#define COMMAND(body, ...) script_command((body), (const char *const[]) { __VA_ARGS__, NULL })

static void add_quoted_path(struct buf *body, const char *dir, const char *name)
{
    autobuf struct buf path = BUF_INIT;

    buf_addf(&path, "%s%s", dir, name);
    quote_word(body, buf_str(&path));
    buf_inherit_error(body, &path);
}

/* A condition: the directory has a repository of its own, and neither is a link to elsewhere. */
static void add_if_repository(const struct job *job, struct buf *body)
{
    buf_add_str(body, "if [ -d ");
    add_quoted_path(body, job->build_dir, "/.git");
    buf_add_str(body, " ] && [ ! -L ");
    add_quoted_path(body, job->build_dir, "/.git");
    buf_add_str(body, " ] && [ ! -L ");
    quote_word(body, job->build_dir);
    buf_add_str(body, " ]; then\n");
}

static void add_removals(const struct job *job, struct buf *body, const char *const *names)
{
    buf_add_str(body, "rm -rf --");
    for (; *names; names++) {
        buf_add_char(body, ' ');
        add_quoted_path(body, job->build_dir, *names);
    }
    buf_add_char(body, '\n');
}

/* Locks and hooks that an interrupted job or its code left behind (4.3). */
static void add_unlocking(const struct job *job, struct buf *body)
{
    static const char *const leftovers[] = { "/.git/index.lock",          "/.git/shallow.lock",
                                             "/.git/HEAD.lock",           "/.git/config.lock",
                                             "/.git/hooks/post-checkout", NULL };

    add_removals(job, body, leftovers);
    buf_add_str(body, "if [ -d ");
    add_quoted_path(body, job->build_dir, "/.git/refs");
    buf_add_str(body, " ]; then find ");
    add_quoted_path(body, job->build_dir, "/.git/refs");
    buf_add_str(body, " -name '*.lock' -type f -exec rm -f -- '{}' ';'; fi\n");
}

/* All that could make git run code of an earlier job, give it credentials, read another repository
 * or convert what it writes. The index stays, as it must for a quick checkout: who forges it hides a
 * changed file from later jobs of the same project. */
static void add_distrust(const struct job *job, struct buf *body)
{
    static const char *const leftovers[] = { "/.git/config", "/.git/commondir", "/.git/hooks",
                                             "/.git/info/attributes", NULL };

    add_removals(job, body, leftovers);
}

/* What is a link is not followed. */
static void add_removal(struct buf *body, const char *dir)
{
    buf_add_str(body, "[ -L ");
    quote_word(body, dir);
    buf_add_str(body, " ] || chmod -R u+rwX -- ");
    quote_word(body, dir);
    buf_add_str(body, " 2> /dev/null || :\n");
    COMMAND(body, "rm", "-rf", "--", dir);
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
    buf_inherit_error(body, &setting);
}

static void add_git(struct buf *body, const char *url)
{
    buf_add_str(body, "git -c ");
    quote_word(body, "http.userAgent=flotilla " FLOTILLA_VERSION);
    add_credential_helper(body, url);
}

/* The words of a variable; `none` stands for no words. */
static void add_flags(const struct job *job, struct buf *body, const char *name,
                      const char *fallback)
{
    const char *text = variables_get(&job->variables, name);

    text = str_empty(text) ? fallback : str_eq(text, "none") ? "" : text;
    for (;;) {
        autobuf struct buf word = BUF_INIT;
        size_t len;

        text += strspn(text, GIT_BLANKS);
        len = strcspn(text, GIT_BLANKS);
        if (len == 0)
            return;
        buf_add(&word, text, len);
        buf_add_char(body, ' ');
        quote_word(body, buf_str(&word));
        buf_inherit_error(body, &word);
        text += len;
    }
}

/* A clone that was made shallow and shall be whole from now on is told so. */
static void add_fetch(const struct job *job, struct buf *body, const char *url)
{
    json_t *refspecs = git_refspecs(job);
    int64_t depth = git_depth(job);

    buf_add_str(body, "whole=\n");
    if (depth <= 0)
        buf_add_str(body, "[ ! -e .git/shallow ] || whole=--unshallow\n");
    add_git(body, url);
    buf_add_str(body, " fetch --no-recurse-submodules");
    if (depth > 0)
        buf_addf(body, " --depth %" PRId64, depth);
    buf_add_str(body, " ${whole:+\"$whole\"}");
    add_flags(job, body, "GIT_FETCH_EXTRA_FLAGS", "--prune --quiet");
    buf_add_str(body, " -- origin");
    for (size_t i = 0; refspecs && i < json_object_array_length(refspecs); i++) {
        buf_add_char(body, ' ');
        quote_word(body, json_object_get_string(json_object_array_get_idx(refspecs, i)));
    }
    buf_add_char(body, '\n');
}

static void add_checkout(const struct job *job, struct buf *body)
{
    const char *sha = git_sha(job);
    autobuf struct buf notice = BUF_INIT;

    if (!variables_flag(&job->variables, "GIT_CHECKOUT", true)) {
        script_notice(body, "Skipping Git checkout");
        return;
    }
    buf_addf(&notice, "Checking out %.8s as detached HEAD (ref is %s)...", sha, git_ref(job));
    script_notice(body, buf_str(&notice));
    buf_inherit_error(body, &notice);
    /* Files that an earlier job told git not to look at (a sparse checkout, say) would stay as they
     * are. */
    buf_add_str(body, "if git ls-files -v | LC_ALL=C grep '^[a-zS] ' > /dev/null; then\n"
                      "rm -f -- .git/index\nfi\n");
    COMMAND(body, "git", "-c", "submodule.recurse=false", "checkout", "-f", "-q", sha, "--");
    if (str_eq(variables_get(&job->variables, "GIT_CLEAN_FLAGS"), "none"))
        return;
    buf_add_str(body, "git clean");
    add_flags(job, body, "GIT_CLEAN_FLAGS", "-ffdx");
    buf_add_char(body, '\n');
}

/* From whatever is in the directory's .git, whose configuration was removed, to the commit. */
static void add_update_function(const struct job *job, struct buf *body, const char *url)
{
    buf_add_str(body, "flotilla_update() {\n");
    if (git_is_sha256(job))
        COMMAND(body, "git", "-c", "init.defaultBranch=none", "init", "--object-format=sha256",
                "--", job->build_dir);
    else
        COMMAND(body, "git", "-c", "init.defaultBranch=none", "init", "--", job->build_dir);
    COMMAND(body, "cd", "--", job->build_dir);
    COMMAND(body, "git", "config", "fetch.recurseSubmodules", "false");
    COMMAND(body, "git", "config", "credential.interactive", "never");
    COMMAND(body, "git", "config", "gc.autoDetach", "false");
    COMMAND(body, "git", "remote", "add", "--", "origin", url);
    buf_add_str(body, "[ -z \"$fresh\" ] || ");
    script_notice(body, "Created fresh repository.");
    add_fetch(job, body, url);
    add_checkout(job, body);
    buf_add_str(body, "}\n");
}

static void add_fresh(const struct job *job, struct buf *body)
{
    add_removal(body, job->build_dir);
    buf_add_str(body, "fresh=1\nflotilla_update\n");
}

static void add_replacement(const struct job *job, struct buf *body, const char *why)
{
    autobuf struct buf text = BUF_INIT;

    buf_addf(&text, "%s %s and is replaced by a clone", job->build_dir, why);
    script_warning(body, buf_str(&text));
    buf_inherit_error(body, &text);
    add_fresh(job, body);
}

/* Who failed, the clone or the server? When the server answers, it is the clone that can't be used.
 * The attempt is a command of its own, as errexit holds in no condition. */
static void add_update_or_fresh(const struct job *job, struct buf *body, const char *url)
{
    buf_add_str(body, "set +o errexit\n( set -o errexit; fresh=; flotilla_update )\nstatus=$?\n"
                      "set -o errexit\nif [ \"$status\" -ne 0 ]; then\n");
    add_git(body, url);
    buf_add_str(body, " ls-remote -- ");
    quote_word(body, url);
    buf_add_str(body, " HEAD > /dev/null 2>&1 || exit \"$status\"\n");
    add_replacement(job, body, "holds a repository that cannot be brought to the wanted commit");
    buf_add_str(body, "fi\n");
}

/* Into what an earlier job left, where that is a repository of the same kind. */
static void add_reuse(const struct job *job, struct buf *body, const char *url)
{
    const char *format = git_is_sha256(job) ? "sha256" : "sha1";

    add_if_repository(job, body);
    buf_addf(body, "format=$(git config --default %s --file ", format);
    add_quoted_path(body, job->build_dir, "/.git/config");
    buf_addf(body, " --get extensions.objectFormat 2> /dev/null) || format=%s\n", format);
    add_unlocking(job, body);
    add_distrust(job, body);
    buf_addf(body, "if [ \"$format\" != %s ]; then\n", format);
    add_replacement(job, body, "holds a repository of another object format");
    buf_add_str(body, "else\n");
    add_update_or_fresh(job, body, url);
    buf_add_str(body, "fi\nelif [ -n \"$(ls -A -- ");
    quote_word(body, job->build_dir);
    buf_add_str(body, " 2> /dev/null)\" ]; then\n");
    add_replacement(job, body, "is no Git repository of its own");
    buf_add_str(body, "else\n");
    add_fresh(job, body);
    buf_add_str(body, "fi\n");
}

/* Git must not take a directory above for the repository, nor one object for another. */
static void add_git_limits(const struct job *job, struct buf *body)
{
    const char *slash = strrchr(job->build_dir, '/');
    autobuf struct buf parent = BUF_INIT;

    buf_add(&parent, job->build_dir, (size_t) (slash - job->build_dir));
    script_export(body, "GIT_CEILING_DIRECTORIES", buf_str(&parent));
    buf_inherit_error(body, &parent);
    script_export(body, "GIT_NO_REPLACE_OBJECTS", "1");
}

static void add_clone(const struct job *job, struct buf *body, enum git_strategy strategy)
{
    autobuf struct buf url = BUF_INIT, notice = BUF_INIT;
    int64_t depth = git_depth(job);

    git_add_remote_url(job, &url);
    add_git_limits(job, body);
    if (depth > 0)
        buf_addf(&notice, "Fetching changes with git depth set to %" PRId64 "...", depth);
    else
        buf_add_str(&notice, "Fetching changes...");
    script_notice(body, buf_str(&notice));
    buf_inherit_error(body, &notice);
    add_update_function(job, body, buf_str(&url));
    buf_inherit_error(body, &url);
    if (strategy == GIT_FETCH)
        add_reuse(job, body, buf_str(&url));
    else
        add_fresh(job, body);
    if (git_wants_submodules(job))
        script_warning(body, "Submodules are not supported yet: they are left empty");
    else
        script_notice(body, "Skipping Git submodules setup");
}

static void add_directory(const struct job *job, struct buf *body, enum git_strategy strategy)
{
    if (strategy == GIT_EMPTY) {
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

static struct script_commands hook_commands(const struct job *job, const char *name)
{
    return job_commands(job, str_starts(name, "pre_") ? "pre_clone_script" : "post_clone_script");
}

static void add_runner_hook(const struct job *job, struct buf *body, const char *name)
{
    const char *command = text_of(job->runner, name, "");

    if (*command)
        script_user_command(body, command, hook_commands(job, name), 0);
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
        script_user_commands(body, lines, hook_commands(job, name));
    }
}

void get_sources_script(const struct job *job, struct buf *body)
{
    enum git_strategy strategy = git_strategy(job);
    bool clone = strategy == GIT_CLONE || strategy == GIT_FETCH;

    script_export(body, "GIT_TERMINAL_PROMPT", "0");
    script_export(body, "GCM_INTERACTIVE", "Never");
    if (clone) {
        add_runner_hook(job, body, "pre_get_sources_script");
        add_job_hooks(job, body, "pre_get_sources_script");
    }
    stage_own_begin(job, body);
    if (clone)
        add_clone(job, body, strategy);
    else
        add_directory(job, body, strategy);
    script_own_end(body);
    if (clone) {
        COMMAND(body, "cd", "--", job->build_dir);
        add_job_hooks(job, body, "post_get_sources_script");
        add_runner_hook(job, body, "post_get_sources_script");
    }
}

/* Before the second attempt (2.7), without git: the first may have failed before it took away what
 * an earlier job left. */
void clear_worktree_script(const struct job *job, struct buf *body)
{
    stage_own_begin(job, body);
    script_notice(body, "Deleting tracked and untracked files...");
    add_if_repository(job, body);
    COMMAND(body, "cd", "--", job->build_dir);
    buf_add_str(body, "find . ! -name . -prune ! -name .git -exec rm -rf -- '{}' +\nfi\n");
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
        buf_inherit_error(body, &path);
    }
    for (size_t i = 0; i < job->variables.n; i++) {
        autobuf struct buf path = BUF_INIT;

        if (!job->variables.items[i].file)
            continue;
        buf_addf(&path, "%s/%s", job->tmp_dir, job->variables.items[i].key);
        COMMAND(body, "rm", "-f", "--", buf_str(&path));
        buf_inherit_error(body, &path);
    }
    add_if_repository(job, body);
    add_unlocking(job, body);
    buf_add_str(body, "fi\n");
    script_own_end(body);
}
