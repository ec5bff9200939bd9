/* core/job/get_sources_submodules.c - submodules: brought to their commits behind the checkout
 * (job-execution.md 4.6), and their part of the clean-up. Nothing is known of what earlier jobs left
 * in them but what get_sources_clean.c has seen to.
 *
 * They get the job's credentials from the same file as the project (git_config.h): on the command
 * line while they are cloned, and by an include in their own configuration for what the job does in
 * them. */
#include <inttypes.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/get_sources.h"
#include "core/job/git_config.h"
#include "core/job/git_settings.h"

static bool is_recursive(const struct job *job)
{
    return git_submodules(job) == GIT_SUBMODULES_RECURSIVE;
}

/* `git submodule foreach` with one command, which a shell reads in each. */
static void add_foreach(struct buf *body, bool recursive, const struct buf *command)
{
    buf_add_str(body, "git submodule foreach ");
    if (recursive)
        buf_add_str(body, "--recursive ");
    quote_word(body, buf_str(command));
    buf_inherit_error(body, command);
    buf_add_char(body, '\n');
}

static void add_paths(const struct job *job, struct buf *body)
{
    if (str_empty(variables_get(&job->variables, "GIT_SUBMODULE_PATHS")))
        return;
    buf_add_str(body, " --");
    sources_add_flags(job, body, "GIT_SUBMODULE_PATHS", "");
}

static void add_sync(const struct job *job, struct buf *body)
{
    buf_addf(body, "git submodule sync%s", is_recursive(job) ? " --recursive" : "");
    add_paths(job, body);
    buf_add_char(body, '\n');
}

/* What the submodules' configurations were cleaned of, parents first. `sync` alone passes over those
 * that are not known to their parent. */
static void add_remotes(const struct job *job, struct buf *body)
{
    buf_add_str(body, "git submodule init\n");
    add_sync(job, body);
    if (is_recursive(job))
        buf_add_str(body, "git submodule --quiet foreach --recursive "
                          "'git submodule --quiet init && git submodule --quiet sync'\n");
}

static void add_clean(const struct job *job, struct buf *command)
{
    bool none = str_eq(variables_get(&job->variables, "GIT_CLEAN_FLAGS"), "none");

    buf_add_str(command, "git clean");
    if (none)
        buf_add_str(command, " -ffdx");
    else
        sources_add_flags(job, command, "GIT_CLEAN_FLAGS", "-ffdx");
    buf_add_char(command, '\n');
}

void submodules_add_reset(const struct job *job, struct buf *body)
{
    autobuf struct buf command = BUF_INIT;

    buf_add_str(&command, "set -e\n");
    clean_hidden(&command);
    add_clean(job, &command);
    buf_add_str(&command, "git reset --hard\n");
    add_foreach(body, is_recursive(job), &command);
}

static void add_update(const struct job *job, struct buf *body)
{
    int64_t depth = git_submodule_depth(job);
    autobuf struct buf include = BUF_INIT;

    buf_addf(&include, "include.path=%s/" GIT_EXTERNAL, job->tmp_dir);
    sources_add_git(body);
    buf_add_str(body, " -c ");
    quote_word(body, buf_str(&include));
    buf_inherit_error(body, &include);
    buf_add_str(body, " -c fetch.recurseSubmodules=false submodule update --init");
    if (is_recursive(job))
        buf_add_str(body, " --recursive");
    if (depth > 0)
        buf_addf(body, " --depth %" PRId64, depth);
    sources_add_flags(job, body, "GIT_SUBMODULE_UPDATE_FLAGS", "");
    add_paths(job, body);
    buf_add_char(body, '\n');
}

static bool wants_remote_heads(const struct job *job)
{
    autobuf struct buf flags = BUF_INIT;

    sources_add_flags(job, &flags, "GIT_SUBMODULE_UPDATE_FLAGS", "");
    return strstr(buf_str(&flags), " '--remote'") != NULL;
}

static void add_fetch_of_heads(const struct job *job, struct buf *body)
{
    autobuf struct buf command = BUF_INIT;

    buf_add_str(&command, "git fetch origin '+refs/heads/*:refs/remotes/origin/*'");
    add_foreach(body, is_recursive(job), &command);
}

/* One that an earlier job's commit had and the last one's had not may need the second try: it gets its
 * remote when it is there. */
static void add_update_or_retry(const struct job *job, struct buf *body)
{
    buf_add_str(body, "if ");
    add_update(job, body);
    buf_add_str(body, "then\n");
    script_notice(body, "Updated submodules");
    add_sync(job, body);
    buf_add_str(body, "else\n");
    script_warning(body, "Updating submodules failed. Retrying...");
    if (wants_remote_heads(job))
        add_fetch_of_heads(job, body);
    add_sync(job, body);
    add_update(job, body);
    submodules_add_reset(job, body);
    buf_add_str(body, "fi\n");
}

static void add_function(const struct job *job, struct buf *body)
{
    autobuf struct buf command = BUF_INIT;

    buf_add_str(body, "flotilla_submodules() {\n");
    add_remotes(job, body);
    submodules_add_reset(job, body);
    add_update_or_retry(job, body);
    add_clean(job, &command);
    add_foreach(body, is_recursive(job), &command);
    buf_add_str(body, "}\n");
}

/* As for the project itself: when the server answers, it is what is here that can't be used. */
static void add_anew(const struct job *job, struct buf *body)
{
    buf_add_str(body, "set +o errexit\n( set -o errexit; flotilla_submodules )\nstatus=$?\n"
                      "set -o errexit\nif [ \"$status\" -ne 0 ]; then\n"
                      "[ -z \"$fresh\" ] || exit \"$status\"\n");
    sources_add_git(body);
    buf_add_str(body, " ls-remote -- origin HEAD > /dev/null 2>&1 || exit \"$status\"\n");
    script_warning(body, "What earlier jobs left of the submodules cannot be used: they are cloned "
                         "anew");
    buf_add_str(body, "rm -rf -- .git/modules\n");
    clean_submodule_links(job, body);
    buf_add_str(body, "git submodule --quiet deinit --all --force\nflotilla_submodules\nfi\n");
}

static void add_credentials(const struct job *job, struct buf *body)
{
    autobuf struct buf command = BUF_INIT;

    script_notice(body, "Configuring submodules to use parent git credentials...");
    buf_add_str(&command, "git config --replace-all include.path ");
    quote_path(&command, job->tmp_dir, GIT_EXTERNAL);
    add_foreach(body, true, &command);
}

static void add_large_files(const struct job *job, struct buf *body)
{
    autobuf struct buf command = BUF_INIT;

    if (variables_flag(&job->variables, "GIT_LFS_SKIP_SMUDGE", false))
        return;
    buf_add_str(&command, "git lfs pull");
    buf_add_str(body, "if git lfs version > /dev/null 2>&1; then\n");
    script_notice(body, "Pulling LFS files...");
    add_foreach(body, is_recursive(job), &command);
    buf_add_str(body, "fi\n");
}

void submodules_add(const struct job *job, struct buf *body)
{
    int64_t depth = git_submodule_depth(job);
    autobuf struct buf notice = BUF_INIT;

    if (git_submodules(job) == GIT_SUBMODULES_NONE) {
        script_notice(body, "Skipping Git submodules setup");
        return;
    }
    buf_addf(&notice, "Updating/initializing submodules%s",
             is_recursive(job) ? " recursively" : "");
    if (depth > 0)
        buf_addf(&notice, " with git depth set to %" PRId64, depth);
    buf_add_str(&notice, "...");
    script_notice(body, buf_str(&notice));
    buf_inherit_error(body, &notice);
    add_function(job, body);
    add_anew(job, body);
    add_credentials(job, body);
    add_large_files(job, body);
}
