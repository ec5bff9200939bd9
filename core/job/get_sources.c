/* core/job/get_sources.c - the git stage from top to bottom: the job's hooks around it, the files that
 * git is configured by, and which of its parts follow each other (job-execution.md 4.4, 4.5).
 *
 * Credentials come from a helper that reads the environment of the git process; they are never in a
 * URL, on a command line or in the repository's configuration (hardening.md S8). */
#include <string.h>

#include "core/base/host.h"
#include "core/base/str.h"
#include "core/job/get_sources.h"
#include "core/job/git_config.h"
#include "core/job/git_settings.h"

/* Of the manager, as the peer's. */
void sources_add_git(struct buf *body)
{
    autobuf struct buf agent = BUF_INIT;

    buf_addf(&agent, "http.userAgent=flotilla " FLOTILLA_VERSION " linux/%s", host_architecture());
    buf_add_str(body, "git -c ");
    quote_word(body, buf_str(&agent));
    buf_inherit_error(body, &agent);
}

void sources_add_flags(const struct job *job, struct buf *body, const char *name,
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

/* Git must not take a directory above for the repository, nor one object for another; nor what may be
 * in the login directory. */
static void add_git_limits(const struct job *job, struct buf *text)
{
    const char *slash = strrchr(job->build_dir, '/');
    autobuf struct buf parent = BUF_INIT;

    buf_add(&parent, job->build_dir, (size_t) (slash - job->build_dir));
    script_export(text, "GIT_CEILING_DIRECTORIES", buf_str(&parent));
    buf_inherit_error(text, &parent);
    script_export(text, "GIT_NO_REPLACE_OBJECTS", "1");
    COMMAND(text, "cd", "/");
    /* Large files come all at once, behind the checkout. */
    script_export(text, "GIT_LFS_SKIP_SMUDGE", "1");
}

static void add_file(const struct job *job, struct buf *body, const char *name,
                     const struct buf *content)
{
    job->shell->write_file(body, job->tmp_dir, name, buf_str(content));
    buf_inherit_error(body, content);
}

/* Requests carry an id that shows in GitLab's logs, too. */
static void add_external(const struct job *job, struct buf *body, bool tells)
{
    autobuf struct buf external = BUF_INIT, notice = BUF_INIT;
    const char *id = text_of(job->start, "correlation_id", "");

    git_config_external(job, tells ? id : NULL, &external);
    add_file(job, body, GIT_EXTERNAL, &external);
    buf_addf(&notice, "Gitaly correlation ID: %s", id);
    if (tells)
        shell_notice(job->shell, body, buf_str(&notice));
    buf_inherit_error(body, &notice);
}

static bool tells_correlation(const struct job *job)
{
    autobuf struct buf url = BUF_INIT;

    git_add_remote_url(job, &url);
    return str_starts(buf_str(&url), "http") && job->flags[FF_USE_GITALY_CORRELATION_ID] &&
           !str_empty(text_of(job->start, "correlation_id", ""));
}

/* Git anywhere in the job has its credentials, not only in its project. */
static bool wants_global(const struct job *job)
{
    return job->flags[FF_GIT_URLS_WITHOUT_TOKENS] &&
           !variables_get(&job->variables, "GIT_CONFIG_GLOBAL");
}

void sources_export(const struct job *job, struct buf *body)
{
    autobuf struct buf path = BUF_INIT;

    if (!wants_global(job))
        return;
    buf_addf(&path, "%s/" GIT_GLOBAL, job->tmp_dir);
    job->shell->export(body, "GIT_CONFIG_GLOBAL", buf_str(&path));
    buf_inherit_error(body, &path);
}

/* What an earlier job put in their places is not written to. */
static void add_configuration(const struct job *job, struct buf *body, bool clone)
{
    static const char *const files[] = { GIT_TEMPLATE, GIT_EXTERNAL, GIT_GLOBAL };
    autobuf struct buf template = BUF_INIT, global = BUF_INIT, dir = BUF_INIT;

    job->shell->remove(body, job->tmp_dir, files, ARRAY_LEN(files));
    if (clone) {
        buf_addf(&dir, "%s/" GIT_TEMPLATE, job->tmp_dir);
        job->shell->make_directory(body, buf_str(&dir));
        buf_inherit_error(body, &dir);
        git_config_template(job, &template);
        add_file(job, body, GIT_TEMPLATE "/config", &template);
    }
    if (clone || wants_global(job))
        add_external(job, body, clone && tells_correlation(job));
    if (wants_global(job)) {
        git_config_global(job, &global);
        add_file(job, body, GIT_GLOBAL, &global);
    }
}

/* Once, however many jobs come. */
static void add_safe_directory(const struct job *job, struct buf *body)
{
    bool wanted = false;

    (void) json_opt_bool(job->runner, "safe_directory_checkout", &wanted, NULL);
    if (!wanted)
        return;
    buf_add_str(body, "git config --global --get-all safe.directory | grep -qxF -- ");
    quote_word(body, job->build_dir);
    buf_add_str(body, " || ");
    COMMAND(body, "git", "config", "--global", "--add", "safe.directory", job->build_dir);
}

static void add_large_files(const struct job *job, struct buf *body)
{
    if (!git_checks_out(job) || variables_flag(&job->variables, "GIT_LFS_SKIP_SMUDGE", false))
        return;
    buf_add_str(body, "if git lfs version > /dev/null 2>&1; then\n");
    sources_add_git(body);
    buf_add_str(body, " lfs pull\nprintf '\\n'\nfi\n");
}

static void add_sources(const struct job *job, struct buf *body)
{
    autobuf struct buf text = BUF_INIT;

    add_configuration(job, body, true);
    add_git_limits(job, &text);
    add_safe_directory(job, &text);
    repository_add(job, &text);
    COMMAND(&text, "cd", "--", job->build_dir);
    clean_submodule_links(job, &text);
    add_large_files(job, &text);
    submodules_add(job, &text);
    stage_own_sh(job, body, &text, true);
}

static void add_directory(const struct job *job, struct buf *body, enum git_strategy strategy)
{
    const struct shell *shell = job->shell;

    add_configuration(job, body, false);
    if (strategy == GIT_EMPTY) {
        shell_notice(shell, body,
                     "Skipping Git repository setup and creating an empty build directory");
        shell->remove_tree(body, job->build_dir);
    } else {
        shell_notice(shell, body, "Skipping Git repository setup");
    }
    shell->make_directory(body, job->build_dir);
    shell_notice(shell, body, "Skipping Git checkout");
    shell_notice(shell, body, "Skipping Git submodules setup");
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
        shell_user_command(job->shell, body, command, hook_commands(job, name), 0);
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
        shell_user_commands(job->shell, body, lines, hook_commands(job, name));
    }
}

void get_sources_script(const struct job *job, struct buf *body)
{
    enum git_strategy strategy = git_strategy(job);
    bool clone = strategy == GIT_CLONE || strategy == GIT_FETCH;
    autobuf struct buf external = BUF_INIT;

    job->shell->export(body, "GIT_TERMINAL_PROMPT", "0");
    job->shell->export(body, "GCM_INTERACTIVE", "Never");
    buf_addf(&external, "%s/" GIT_EXTERNAL, job->tmp_dir);
    job->shell->export(body, "GLR_EXT_GIT_CONFIG_PATH", buf_str(&external));
    buf_inherit_error(body, &external);
    if (clone) {
        add_runner_hook(job, body, "pre_get_sources_script");
        add_job_hooks(job, body, "pre_get_sources_script");
    }
    stage_own_begin(job, body);
    if (clone)
        add_sources(job, body);
    else
        add_directory(job, body, strategy);
    job->shell->own_end(body);
    if (clone) {
        job->shell->change_directory(body, job->build_dir);
        add_job_hooks(job, body, "post_get_sources_script");
        add_runner_hook(job, body, "post_get_sources_script");
    }
}
