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

/* The directories below an absolute root, the variables that name them, and those that refer to
 * these. */
static int set_root(struct job *job, const char *root, struct error *err)
{
    struct variables *list = &job->variables;
    int r;

    job->build_dir = mem_printf("%s/%s", root, job->project_dir);
    job->tmp_dir = mem_printf("%s/%s.tmp", root, job->project_dir);
    if (!job->build_dir || !job->tmp_dir)
        return error_set(err, -ENOMEM, "job: out of memory");
    r = variables_add(list, "CI_BUILDS_DIR", root);
    if (r == 0)
        r = variables_add(list, "CI_PROJECT_DIR", job->build_dir);
    if (r == 0)
        r = variables_add(list, "RUNNER_TEMP_PROJECT_DIR", job->tmp_dir);
    return r == 0 ? variables_expand(list, job->tmp_dir, err)
                  : error_set(err, r, "job: out of memory");
}

int directories_plan(struct job *job, struct error *err)
{
    const char *url = "", *owner = "runner", *strategy;
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
    if (path)
        job->project_dir = mem_printf("%s/%" PRId64 "/%s%s", owner, slot, path,
                                      str_eq(strategy, "empty") ? "-empty" : "");
    if (!job->project_dir)
        return error_set(err, -ENOMEM, "job: out of memory");
    return *job->builds_root == '/' ? set_root(job, job->builds_root, err) : 0;
}

static int collect(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct buf *out = arg;

    if (!is_stderr)
        buf_add(out, data, len);
    return buf_error(out);
}

/* The last line: what a profile prints comes before it. */
static char *last_line(struct buf *out)
{
    char *line = out->data, *newline;

    if (!line || out->data[out->len - 1] != '\n')
        return NULL;
    out->data[out->len - 1] = '\0';
    newline = strrchr(line, '\n');
    return newline ? newline + 1 : line;
}

int directories_set(struct job *job, const char *login_dir, struct error *err)
{
    size_t len = login_dir ? strlen(login_dir) : 0;
    autofree char *root = NULL;

    while (len > 0 && login_dir[len - 1] == '/')
        len--;
    if (!login_dir || *login_dir != '/' || (len > 0 && !path_is_sound(login_dir + 1, len - 1)))
        return error_set(err, -EPROTO, "instance %s does not say what its login directory is",
                         job->instance);
    root = mem_printf("%.*s/%s", (int) len, login_dir, job->builds_root);
    return root ? set_root(job, root, err) : error_set(err, -ENOMEM, "job: out of memory");
}

struct end directories_find(struct job *job)
{
    autobuf struct buf out = { .max = 64 * 1024 };
    struct ssh_exec exec = { .command = "pwd",
                             .on_output = collect,
                             .arg = &out,
                             .deadline_mono_ms = clock_mono_ms(&clock_system) + ASK_MS };
    struct ssh_exit exit = { 0 };
    struct error err = { 0 };
    int r;

    if (job->build_dir)
        return (struct end) { .kind = END_OK };
    r = ssh_exec(job->ssh, &exec, &exit, &err);
    if (r == 0)
        r = directories_set(job, exit.status == 0 ? last_line(&out) : NULL, &err);
    if (r == -ETIMEDOUT)
        r = -EPROTO;
    return r < 0 ? end_from_error(job, r, err.message) : (struct end) { .kind = END_OK };
}
