/* core/job/directories.c - where a job works on its instance (job-execution.md 3.1, hardening.md
 * V9).
 *
 * A relative builds_dir lies below the login directory, which only the instance knows. It is asked
 * once, so that every path in a script and in a variable is absolute and holds after any `cd`. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/entry.h"
#include "core/job/job.h"

#define PATH_MAX_LEN 4096
#define ASK_MS 30000

/* A path component from outside: no way up, nothing that ends a line. */
static bool component_valid(const char *text, size_t len)
{
    if (len == 0 || (len == 1 && text[0] == '.') || (len == 2 && memcmp(text, "..", 2) == 0))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
            return false;
    return true;
}

bool path_is_sound(const char *path, size_t len)
{
    bool valid = len > 0 && len <= PATH_MAX_LEN / 2;

    for (size_t at = 0; valid && at <= len;) {
        const char *slash = memchr(path + at, '/', len - at);
        size_t part = slash ? (size_t) (slash - path) - at : len - at;

        valid = component_valid(path + at, part);
        at += part + 1;
    }
    return valid;
}

/* "C:/" or "C:\". */
static bool has_drive(const char *path)
{
    char letter = *path;

    return ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) &&
           path[1] == ':' && (path[2] == '/' || path[2] == '\\');
}

static bool is_absolute(const char *path)
{
    return *path == '/' || has_drive(path);
}

/* Windows reads both, and everything that is made of a path here knows slashes. */
static char *with_slashes(char *path)
{
    for (char *c = path; c && has_drive(path) && *c; c++)
        if (*c == '\\')
            *c = '/';
    return path;
}

/* "https://user@host/group/project.git" → "group/project"; "project-ID" when that says nothing
 * usable. */
static char *project_path(const char *url, int64_t project_id)
{
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    size_t len = 0;

    if (path && path > host + 3) {
        path += strspn(path, "/");
        len = strcspn(path, "?#");
        if (len > 4 && strncmp(path + len - 4, ".git", 4) == 0)
            len -= 4;
    }
    return len > 0 && path_is_sound(path, len) ? mem_strndup(path, len)
                                               : mem_printf("project-%" PRId64, project_id);
}

/* Without empty components and `.`; a backslash is a slash. NULL where a component can't be. */
static char *clean_path(const char *path)
{
    struct buf clean = BUF_INIT;
    bool valid = true;

    while (*path && valid) {
        size_t len = strcspn(path, "/\\");

        if (len > 0 && !(len == 1 && *path == '.')) {
            valid = component_valid(path, len);
            buf_add_char(&clean, '/');
            buf_add(&clean, path, len);
        }
        path += len + (path[len] != '\0');
    }
    if (valid && clean.len > 0 && clean.len <= PATH_MAX_LEN / 2)
        return buf_take(&clean);
    buf_done(&clean);
    return NULL;
}

/* GIT_CLONE_PATH, where the configuration allows it: anywhere below the root, and no way up in it
 * (hardening.md V9). A relative one is below the login directory, as the root is then. */
static int custom_dir(struct job *job, const char *root, const char *given, char **ret,
                      struct error *err)
{
    size_t login_len = is_absolute(job->builds_root) ? 0 : strlen(root) - strlen(job->builds_root);
    autofree char *joined =
        is_absolute(given) ? mem_strdup(given) : mem_printf("%.*s%s", (int) login_len, root, given);
    autofree char *path = joined ? clean_path(joined) : NULL;
    autofree char *clean_root = clean_path(root);
    size_t len = clean_root ? strlen(clean_root) : 0;
    bool allowed = false;

    (void) json_opt_bool(job->runner, "custom_build_dir", &allowed, NULL);
    if (!allowed)
        return error_set(
            err, -EPERM,
            "setting GIT_CLONE_PATH is not allowed, enable `custom_build_dir` feature");
    if (!path || strncmp(path, clean_root ? clean_root : "", len) != 0 ||
        (path[len] && path[len] != '/'))
        return error_set(err, -EPERM, "the GIT_CLONE_PATH=\"%s\" has to be within \"%s\"", given,
                         root);
    *ret = has_drive(path + 1) ? mem_strdup(path + 1) : take_ptr(path);
    return *ret ? 0 : error_set(err, -ENOMEM, "job: out of memory");
}

static int set_build_dir(struct job *job, const char *root, struct error *err)
{
    const char *custom = variables_get(&job->variables, "GIT_CLONE_PATH");
    int r = 0;

    if (str_empty(custom))
        job->build_dir = mem_printf("%s/%s", root, job->project_dir);
    else
        r = custom_dir(job, root, custom, &job->build_dir, err);
    if (job->build_dir)
        job->tmp_dir = mem_printf("%s.tmp", job->build_dir);
    return r < 0 || job->tmp_dir ? r : error_set(err, -ENOMEM, "job: out of memory");
}

/* No caches asked for: no directory needed. */
static bool has_caches(const struct job *job)
{
    return entries_of(job->payload, "cache") != NULL;
}

/* Where the project's caches are; `login_dir` is what a relative cache_dir lies below. */
static int set_cache_dir(struct job *job, const char *login_dir, struct error *err)
{
    const char *root = text_of(job->runner, "cache_dir", "");

    if (str_empty(root))
        root = "cache";
    if (is_absolute(root))
        job->cache_dir = with_slashes(mem_printf("%s/%s", root, job->cache_path));
    else
        job->cache_dir = with_slashes(mem_printf("%s/%s/%s", login_dir, root, job->cache_path));
    return job->cache_dir ? 0 : error_set(err, -ENOMEM, "job: out of memory");
}

/* The directories below an absolute root, the variables that name them, and those that refer to
 * these: GIT_CLONE_PATH may refer to the root. */
static int set_root(struct job *job, const char *given, struct error *err)
{
    struct variables *list = &job->variables;
    autofree char *root = with_slashes(mem_strdup(given));
    int r = root ? variables_fill(list, "CI_BUILDS_DIR", root) : -ENOMEM;

    if (r < 0)
        return error_set(err, r, "job: out of memory");
    if (!str_empty(variables_get(list, "GIT_CLONE_PATH")))
        r = variables_expand(list, "", err);
    if (r == 0)
        r = set_build_dir(job, root, err);
    if (r < 0)
        return r;
    r = variables_fill(list, "CI_PROJECT_DIR", job->build_dir);
    if (r == 0)
        r = variables_add(list, "RUNNER_TEMP_PROJECT_DIR", job->tmp_dir);
    return r == 0 ? variables_expand(list, job->tmp_dir, err)
                  : error_set(err, r, "job: out of memory");
}

int directories_plan(struct job *job, struct error *err)
{
    const char *url = "", *owner = "runner", *strategy;
    bool common = false;
    int64_t project_id = 0, slot = 0;
    json_t *git = NULL, *info = NULL;
    autofree char *path = NULL;

    (void) json_opt_object(job->payload, "git_info", &git, NULL);
    (void) json_opt_str(git, "repo_url", &url, NULL);
    (void) json_opt_object(job->payload, "job_info", &info, NULL);
    (void) json_opt_i64(info, "project_id", 0, INT64_MAX, &project_id, NULL);
    (void) json_opt_i64(job->slot, "concurrent_project_id", 0, INT64_MAX, &slot, NULL);
    (void) json_opt_str(job->runner, "short_token", &owner, NULL);
    (void) json_opt_str(job->runner, "builds_dir", &job->builds_root, NULL);
    if (str_empty(job->builds_root))
        job->builds_root = "builds";
    strategy = variables_get(&job->variables, "GIT_STRATEGY");
    path = project_path(url, project_id);
    (void) json_opt_bool(job->runner, "common_build_dir", &common, NULL);
    if (path)
        job->cache_path = mem_printf("%s%s", path, str_eq(strategy, "empty") ? "-empty" : "");
    if (job->cache_path && common)
        job->project_dir = mem_strdup(job->cache_path);
    else if (job->cache_path)
        job->project_dir = mem_printf("%s/%" PRId64 "/%s", owner, slot, job->cache_path);
    if (!job->project_dir)
        return error_set(err, -ENOMEM, "job: out of memory");
    if (is_absolute(text_of(job->runner, "cache_dir", "")) && set_cache_dir(job, "", err) < 0)
        return -ENOMEM;
    return is_absolute(job->builds_root) ? set_root(job, job->builds_root, err) : 0;
}

static int collect(void *arg, bool is_stderr, const void *data, size_t len)
{
    return is_stderr ? 0 : output_keep(arg, data, len);
}

int output_keep(struct buf *out, const void *data, size_t len)
{
    size_t added = MIN(len, (size_t) OUTPUT_KEPT), room = OUTPUT_KEPT - added;

    if (out->len > room)
        buf_consume(out, out->len - room);
    buf_add(out, (const char *) data + len - added, added);
    return buf_error(out);
}

char *output_last_line(struct buf *out)
{
    char *line = out->data, *newline;

    if (!line || out->data[out->len - 1] != '\n')
        return NULL;
    out->data[out->len - 1] = '\0';
    newline = memrchr(line, '\n', out->len - 1); /* what comes before may hold NUL bytes */
    return newline ? newline + 1 : line;
}

int directories_set(struct job *job, const char *login_dir, struct error *err)
{
    size_t len = login_dir ? strlen(login_dir) : 0, skipped;
    autofree char *home = NULL, *root = NULL;

    while (len > 0 && login_dir[len - 1] == '/')
        len--;
    skipped = login_dir && has_drive(login_dir) ? 3 : 1;
    if (!login_dir || !is_absolute(login_dir) ||
        (len >= skipped && !path_is_sound(login_dir + skipped, len - skipped)))
        return error_set(err, -EPROTO, "instance %s does not say what its login directory is",
                         job->instance);
    home = mem_strndup(login_dir, len);
    root = home ? mem_printf("%s/%s", home, job->builds_root) : NULL;
    if (!root)
        return error_set(err, -ENOMEM, "job: out of memory");
    if (!job->cache_dir && set_cache_dir(job, home, err) < 0)
        return -ENOMEM;
    return job->build_dir ? 0 : set_root(job, root, err);
}

/* The last line, where the script came to its end. A status that was lost on its way tells that our commands are read
 * by a PowerShell. */
static int set_from_answer(struct job *job, const struct remote_exit *exit, struct buf *out,
                           struct error *err)
{
    bool nested = job->shell->is_powershell && exit->status == 1 && out->len > 0;

    if (exit->status != SHELL_ASKED && !nested)
        return error_set(err, -EPROTO,
                         "instance %s does not say what its login directory is: %s ended with "
                         "status %d",
                         job->instance, job->shell->name, exit->status);
    job->nested_shell = nested;
    return directories_set(job, output_last_line(out), err);
}

struct end directories_find(struct job *job, int64_t until_ms)
{
    autobuf struct buf out = BUF_INIT, command = BUF_INIT, script = BUF_INIT;
    struct remote_exec exec = { .on_output = collect,
                                .arg = &out,
                                .deadline_mono_ms = MIN(clock_mono_ms(&clock_system) + ASK_MS,
                                                        stage_deadline(job, until_ms)) };
    struct remote_exit exit = { 0 };
    struct error err = { 0 };
    int r;

    if (job->build_dir && (job->cache_dir || !has_caches(job)) && !job->shell->is_powershell)
        return (struct end) { .kind = END_OK };
    job->shell->add_command(job->shell, &command, false);
    job->shell->ask_directory(&script);
    if (buf_error(&command) < 0 || buf_error(&script) < 0)
        return end_make(END_SYSTEM, "the instance cannot be asked: memory is short");
    exec.command = buf_str(&command);
    exec.input = script.data;
    exec.input_len = script.len;
    r = remote_exec(job->remote, &exec, &exit, &err);
    if (r == 0)
        r = set_from_answer(job, &exit, &out, &err);
    if (r == -EPERM)
        return end_make(END_CONFIG, err.message);
    if (r == -ETIMEDOUT && clock_mono_ms(&clock_system) < stage_deadline(job, until_ms))
        r = -EPROTO;
    return r < 0 ? end_from_error(job, r, err.message) : (struct end) { .kind = END_OK };
}
