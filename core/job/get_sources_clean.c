/* core/job/get_sources_clean.c - what an earlier job left in a directory, and what this one leaves
 * (job-execution.md 4.3, 4.7, 2.7).
 *
 * In a clone that is used again nothing of an earlier job may run in our own git steps or change what
 * they write: its configuration, hooks and attributes go before git looks at them, and submodules'
 * repositories are found where git puts them and nowhere else. Objects, refs and indexes stay: who
 * does not trust the jobs of the same project says GIT_STRATEGY=clone. The account's own
 * configuration is the machine's. */
#include "core/base/str.h"
#include "core/job/get_sources.h"
#include "core/job/git_config.h"
#include "core/job/git_settings.h"
#include "core/job/helper.h"

void clean_if_repository(const struct job *job, struct buf *body)
{
    buf_add_str(body, "if [ -d ");
    quote_path(body, job->build_dir, ".git");
    buf_add_str(body, " ] && [ ! -L ");
    quote_path(body, job->build_dir, ".git");
    buf_add_str(body, " ] && [ ! -L ");
    quote_word(body, job->build_dir);
    buf_add_str(body, " ]; then\n");
}

/* Files below a directory of the repository that `tests`, of find, are true for. */
static void add_search(const struct job *job, struct buf *body, const char *name, const char *tests)
{
    buf_add_str(body, "if [ -d ");
    quote_path(body, job->build_dir, name);
    buf_add_str(body, " ]; then find ");
    quote_path(body, job->build_dir, name);
    buf_addf(body, " %s -prune -exec rm -rf -- '{}' +; fi\n", tests);
}

/* Locks and a hook that an interrupted job left behind. No ref's name ends like a lock's. */
static void add_unlocking(const struct job *job, struct buf *body)
{
    static const char *const leftovers[] = { ".git/index.lock",  ".git/shallow.lock",
                                             ".git/HEAD.lock",   ".git/packed-refs.lock",
                                             ".git/config.lock", ".git/hooks/post-checkout" };

    script_remove(body, job->build_dir, leftovers, ARRAY_LEN(leftovers));
    add_search(job, body, ".git/refs", "-name '*.lock' -type f");
    add_search(job, body, ".git/modules",
               "'(' -name '*.lock' -o -path '*/hooks/post-checkout' ')' -type f");
}

/* All that could make git run code of an earlier job, give it credentials, read another repository
 * or convert or hide what it writes. The index stays, as it must for a quick checkout: who forges it
 * hides a changed file from later jobs of the same project. A submodule that is called like one of
 * these is cloned anew. In any case: macOS's file system does not tell it. */
static void add_distrust(const struct job *job, struct buf *body)
{
    static const char *const leftovers[] = { ".git/config", ".git/config.worktree",
                                             ".git/commondir", ".git/hooks", ".git/info" };

    script_remove(body, job->build_dir, leftovers, ARRAY_LEN(leftovers));
    add_search(job, body, ".git/modules",
               "'(' -type l -o -iname config -o -iname config.worktree -o -iname commondir -o "
               "-iname hooks -o -ipath '*/info/attributes' -o -ipath '*/info/exclude' -o "
               "-ipath '*/info/grafts' ')'");
}

void clean_repository(const struct job *job, struct buf *body)
{
    add_unlocking(job, body);
    if (git_cleans_config(job))
        add_distrust(job, body);
}

/* Git heeds attributes in files that no commit has, while it writes those that the commit has. */
void clean_attributes(const struct job *job, struct buf *body)
{
    if (!git_cleans_config(job))
        return;
    buf_add_str(body, "git ls-files --others -z -- ':(glob)**/.gitattributes' | "
                      "xargs -0 rm -f --\n");
}

/* Files that an earlier job told git not to look at (a sparse checkout, say) would stay as they
 * are. */
void clean_hidden(struct buf *body)
{
    buf_add_str(body, "if git ls-files -v | LC_ALL=C grep '^[a-zS] ' > /dev/null; then\n"
                      "rm -f -- \"$(git rev-parse --git-path index)\"\nfi\n");
}

/* Each file is written anew with the directory that was checked, as git might read another from it.
 * Every `.git` in a submodule's directory is such a link: git makes no other. */
#define PHYSICAL "{ pwd -W 2> /dev/null || pwd; }" /* on Windows `C:/`, as git reads it */

static const char relink[] =
    "modules=$1; shift\n"
    "for link do\n"
    "  dir=${link%/.git} to=\n"
    "  if [ -f \"$link\" ] && [ ! -L \"$link\" ]; then\n"
    "    to=$(sed -n 's/^gitdir: //p;q' \"$link\")\n"
    "    to=$(cd -- \"$dir\" && cd -P -- \"${to:-.}\" 2> /dev/null && " PHYSICAL ") || to=\n"
    "  fi\n"
    "  rm -rf -- \"$link\"\n"
    "  case $to in\n"
    "  \"${modules:-/dev/null}\"/*) printf 'gitdir: %s\\n' \"$to\" > \"$link\" ;;\n"
    "  esac\n"
    "done\n";

/* Names with newlines pass through sed as others do. */
void clean_submodule_links(const struct job *job, struct buf *body)
{
    if (!git_cleans_config(job))
        return;
    buf_add_str(body, "modules=$(cd -P .git/modules 2> /dev/null && " PHYSICAL ") || modules=\n"
                      "git ls-files --stage -z | tr '\\000\\n' '\\n\\001' | "
                      "sed -n 's/^160000 [0-9a-f]* [0-3]\t/.\\//p' | tr '\\n\\001' '\\000\\n' | "
                      "xargs -0 sh -c ");
    quote_word(body, "for dir do find \"$dir\" -name .git -prune -print0; done 2> /dev/null");
    buf_add_str(body, " sh | xargs -0 sh -c ");
    quote_word(body, relink);
    buf_add_str(body, " sh \"$modules\"\n");
}

/* Before the second attempt (2.7), without git: the first may have failed before it took away what
 * an earlier job left. */
void clear_worktree_script(const struct job *job, struct buf *body)
{
    autobuf struct buf text = BUF_INIT;

    stage_own_begin(job, body);
    script_notice(&text, "Deleting tracked and untracked files...");
    clean_if_repository(job, &text);
    COMMAND(&text, "cd", "--", job->build_dir);
    buf_add_str(&text, "find . ! -name . -prune ! -name .git -exec rm -rf -- '{}' +\nfi\n");
    stage_own_sh(job, body, &text, true);
    job->shell->own_end(body);
}

/* Of a clone without its configuration, the next job must still know what kind it is. */
static void add_kind(const struct job *job, struct buf *body)
{
    if (!git_is_sha256(job) || !git_cleans_config(job))
        return;
    buf_add_str(body, "printf '[core]\\n\\trepositoryformatversion = 1\\n"
                      "[extensions]\\n\\tobjectFormat = sha256\\n' > ");
    quote_path(body, job->build_dir, ".git/config");
    buf_add_char(body, '\n');
}

/* FF_ENABLE_JOB_CLEANUP: the files of the job go, too. */
static void add_job_cleanup(const struct job *job, struct buf *body)
{
    switch (git_strategy(job)) {
    case GIT_NONE:
        script_notice(body, "Skipping build directory cleanup step");
        return;
    case GIT_CLONE:
    case GIT_EMPTY:
        script_remove_tree(body, job->build_dir);
        return;
    case GIT_FETCH:
        break;
    }
    clean_if_repository(job, body);
    COMMAND(body, "cd", "--", job->build_dir);
    clean_submodule_links(job, body);
    clean_attributes(job, body);
    if (!str_eq(variables_get(&job->variables, "GIT_CLEAN_FLAGS"), "none")) {
        buf_add_str(body, "git clean");
        sources_add_flags(job, body, "GIT_CLEAN_FLAGS", "-ffdx");
        buf_add_char(body, '\n');
    }
    COMMAND(body, "git", "reset", "--hard");
    if (git_submodules(job) != GIT_SUBMODULES_NONE)
        submodules_add_reset(job, body);
    buf_add_str(body, "fi\n");
}

void private_files_script(const struct job *job, struct buf *body)
{
    static const char *const own[] = { "gitlab_runner_env", GIT_EXTERNAL, GIT_GLOBAL, HELPER_FILE };

    job->shell->remove(body, job->tmp_dir, own, ARRAY_LEN(own));
    for (size_t i = 0; i < job->variables.n; i++)
        if (job->variables.items[i].file)
            job->shell->remove(body, job->tmp_dir,
                               (const char *const[]) { job->variables.items[i].key }, 1);
}

/* The job's own configuration and hooks go first: they must not run in what follows. */
void cleanup_script(const struct job *job, struct buf *body)
{
    autobuf struct buf text = BUF_INIT;

    stage_own_begin(job, body);
    private_files_script(job, body);
    job->shell->remove(body, job->tmp_dir, (const char *const[]) { "stage.pid" }, 1);
    clean_if_repository(job, &text);
    clean_repository(job, &text);
    add_kind(job, &text);
    buf_add_str(&text, "fi\n");
    if (job->flags[FF_ENABLE_JOB_CLEANUP])
        add_job_cleanup(job, &text);
    stage_own_sh(job, body, &text, false);
    job->shell->own_end(body);
}
