/* core/job/get_sources_repository.c - the project's repository, brought to the job's commit: as init,
 * fetch and checkout, anew or in the clone of an earlier job (job-execution.md 4.4, 4.5).
 *
 * What an earlier job left is not trusted (get_sources_clean.c), and what then can't be brought to the
 * commit is replaced by a clone. */
#include <inttypes.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/get_sources.h"
#include "core/job/git_config.h"
#include "core/job/git_settings.h"

/* Behind a blank. */
static void add_refspecs(const struct job *job, struct buf *body)
{
    json_t *refspecs = git_refspecs(job);

    for (size_t i = 0; refspecs && i < json_object_array_length(refspecs); i++) {
        buf_add_char(body, ' ');
        quote_word(body, json_object_get_string(json_object_array_get_idx(refspecs, i)));
    }
}

/* A clone that was made shallow and shall be whole from now on is told so. */
static void add_fetch(const struct job *job, struct buf *body)
{
    int64_t depth = git_depth(job);

    buf_add_str(body, "whole=\n");
    if (depth <= 0)
        buf_add_str(body, "[ ! -e .git/shallow ] || whole=--unshallow\n");
    sources_add_git(body);
    buf_add_str(body, " fetch --no-recurse-submodules");
    if (depth > 0)
        buf_addf(body, " --depth %" PRId64, depth);
    buf_add_str(body, " ${whole:+\"$whole\"}");
    sources_add_flags(job, body, "GIT_FETCH_EXTRA_FLAGS", "--prune --quiet");
    buf_add_str(body, " -- origin");
    add_refspecs(job, body);
    buf_add_char(body, '\n');
}

static void add_checkout(const struct job *job, struct buf *body)
{
    const char *sha = git_sha(job);
    autobuf struct buf notice = BUF_INIT;

    if (!git_checks_out(job)) {
        script_notice(body, "Skipping Git checkout");
        return;
    }
    buf_addf(&notice, "Checking out %.8s as detached HEAD (ref is %s)...", sha, git_ref(job));
    script_notice(body, buf_str(&notice));
    buf_inherit_error(body, &notice);
    clean_hidden(body);
    clean_attributes(job, body);
    COMMAND(body, "git", "-c", "submodule.recurse=false", "checkout", "-f", "-q", sha, "--");
    if (!str_eq(variables_get(&job->variables, "GIT_CLEAN_FLAGS"), "none")) {
        buf_add_str(body, "git clean");
        sources_add_flags(job, body, "GIT_CLEAN_FLAGS", "-ffdx");
        buf_add_char(body, '\n');
    }
}

/* What a kept configuration says is brought up to date; of a new one, it comes from the template. */
static void add_remote(const struct job *job, struct buf *body, const char *url)
{
    if (git_cleans_config(job)) {
        COMMAND(body, "git", "remote", "add", "--", "origin", url);
        return;
    }
    buf_add_str(body, "git remote add -- origin ");
    quote_word(body, url);
    buf_add_str(body, " 2> /dev/null || ");
    COMMAND(body, "git", "remote", "set-url", "--", "origin", url);
    buf_add_str(body, "git config --replace-all include.path ");
    quote_path(body, job->tmp_dir, GIT_EXTERNAL);
    buf_add_str(body, " '/\\.gitlab-runner\\.ext\\.conf$'\n");
}

static void add_init(const struct job *job, struct buf *body)
{
    buf_add_str(body, "git -c init.defaultBranch=none init --template ");
    quote_path(body, job->tmp_dir, GIT_TEMPLATE);
    if (git_is_sha256(job))
        buf_add_str(body, " --object-format=sha256");
    buf_add_str(body, " -- ");
    quote_word(body, job->build_dir);
    buf_add_char(body, '\n');
}

/* From whatever is in the directory's .git, whose configuration was removed, to the commit. */
static void add_update_function(const struct job *job, struct buf *body, const char *url)
{
    buf_add_str(body, "flotilla_update() {\n");
    add_init(job, body);
    COMMAND(body, "cd", "--", job->build_dir);
    add_remote(job, body, url);
    buf_add_str(body, "[ -z \"$fresh\" ] || ");
    script_notice(body, "Created fresh repository.");
    add_fetch(job, body);
    add_checkout(job, body);
    buf_add_str(body, "}\n");
}

static void add_fresh(const struct job *job, struct buf *body)
{
    script_remove_tree(body, job->build_dir);
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
    autobuf struct buf include = BUF_INIT;

    buf_add_str(body, "set +o errexit\n( set -o errexit; flotilla_update )\nstatus=$?\n"
                      "set -o errexit\nif [ \"$status\" -ne 0 ]; then\n");
    sources_add_git(body);
    buf_addf(&include, "include.path=%s/" GIT_EXTERNAL, job->tmp_dir);
    buf_add_str(body, " -c ");
    quote_word(body, buf_str(&include));
    buf_inherit_error(body, &include);
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

    clean_if_repository(job, body);
    buf_addf(body, "format=$(git config --default %s --file ", format);
    quote_path(body, job->build_dir, ".git/config");
    buf_addf(body, " --get extensions.objectFormat 2> /dev/null) || format=%s\n", format);
    clean_repository(job, body);
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

static bool wants_native_clone(const struct job *job)
{
    return git_strategy(job) == GIT_CLONE && job->flags[FF_USE_GIT_NATIVE_CLONE];
}

/* "Fetching changes", or "Cloning repository for main", and how much of it. */
static void add_notice(const struct job *job, struct buf *body, const char *what, const char *ref)
{
    int64_t depth = git_depth(job);
    autobuf struct buf notice = BUF_INIT;

    buf_addf(&notice, "%s%s", what, ref);
    if (depth > 0)
        buf_addf(&notice, " with git depth set to %" PRId64, depth);
    buf_add_str(&notice, "...");
    script_notice(body, buf_str(&notice));
    buf_inherit_error(body, &notice);
}

static void add_clone_command(const struct job *job, struct buf *body, const char *url)
{
    const char *ref = git_ref(job);
    int64_t depth = git_depth(job);

    sources_add_git(body);
    buf_add_str(body, " clone --no-checkout --template ");
    quote_path(body, job->tmp_dir, GIT_TEMPLATE);
    if (depth > 0)
        buf_addf(body, " --depth %" PRId64, depth);
    buf_add_str(body, str_starts(ref, "refs/") ? " --revision " : " --branch ");
    quote_word(body, ref);
    sources_add_flags(job, body, "GIT_CLONE_EXTRA_FLAGS", "");
    buf_add_str(body, " -- ");
    quote_word(body, url);
    buf_add_char(body, ' ');
    quote_word(body, job->build_dir);
    buf_add_char(body, '\n');
}

/* FF_USE_GIT_NATIVE_CLONE. The branch may have gone on since the job was made: then its commit is
 * fetched as ever. */
static void add_native_clone(const struct job *job, struct buf *body, const char *url)
{
    buf_add_str(body, "version=$(git version)\nversion=${version#git version }\n"
                      "minor=${version#*.} minor=${minor%%[!0-9]*}\n"
                      "if [ \"${version%%.*}\" -gt 2 ] || [ \"${minor:-0}\" -ge 49 ]; then\n");
    add_notice(job, body, "Cloning repository for ", git_ref(job));
    script_remove_tree(body, job->build_dir);
    add_clone_command(job, body, url);
    COMMAND(body, "cd", "--", job->build_dir);
    buf_add_str(body, "fresh=1\nif ! ");
    COMMAND(body, "git", "cat-file", "-e", git_sha(job));
    buf_add_str(body, "then\n");
    add_fetch(job, body);
    buf_add_str(body, "fi\n");
    add_checkout(job, body);
    buf_add_str(body, "else\n");
    script_warning(body, "FF_USE_GIT_NATIVE_CLONE needs git 2.49 or newer on the instance: the "
                         "repository is fetched");
    add_notice(job, body, "Fetching changes", "");
    add_fresh(job, body);
    buf_add_str(body, "fi\n");
}

void repository_add(const struct job *job, struct buf *body)
{
    autobuf struct buf url = BUF_INIT;

    git_add_remote_url(job, &url);
    add_update_function(job, body, buf_str(&url));
    buf_add_str(body, "fresh=\n");
    if (wants_native_clone(job)) {
        add_native_clone(job, body, buf_str(&url));
    } else {
        add_notice(job, body, "Fetching changes", "");
        if (git_strategy(job) == GIT_FETCH)
            add_reuse(job, body, buf_str(&url));
        else
            add_fresh(job, body);
    }
    buf_inherit_error(body, &url);
}
