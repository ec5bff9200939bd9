/* core/exec/git.c - git's words and environment (git.h); child.c runs it. */
#include "core/exec/git.h"

#include <errno.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/child.h"

extern char **environ;

#define MAX_ARGS 32

/* A variable such as GIT_DIR or GIT_INDEX_FILE, set by a hook that we may run under, would make git
 * look elsewhere. */
static const char *const own_variables[] = { "LC_ALL=C", "GIT_TERMINAL_PROMPT=0",
                                             "GIT_OPTIONAL_LOCKS=0" };

/* The strings are borrowed. */
static const char **environment(const struct git_run *run)
{
    size_t count = ARRAY_LEN(own_variables) + 1, at = 0;
    const char **list;

    for (char **item = environ; *item; item++)
        count++;
    for (const char *const *item = run->variables; item && *item; item++)
        count++;
    list = mem_array(count, sizeof(*list));
    if (!list)
        return NULL;
    for (char **item = environ; *item; item++)
        if (!str_starts(*item, "GIT_") && !str_starts(*item, "LC_ALL="))
            list[at++] = *item;
    for (size_t i = 0; i < ARRAY_LEN(own_variables); i++)
        list[at++] = own_variables[i];
    for (const char *const *item = run->variables; item && *item; item++)
        list[at++] = *item;
    return list;
}

int git_run(const struct git_run *run, struct buf *out, struct error *err)
{
    autobuf struct buf output = BUF_INIT, words = BUF_INIT;
    const char *argv[MAX_ARGS] = { "git", "-C", run->dir };
    autofree const char **env = environment(run);
    const struct child child = { argv, env, run->max };
    size_t n = 3;
    int status;

    if (!env)
        return error_set(err, -ENOMEM, "git %s: out of memory", run->args[0]);
    for (const char *const *arg = run->args; *arg && n + 1 < MAX_ARGS; arg++)
        argv[n++] = *arg;
    status = child_run(&child, &output, &words);
    if (status == -ENOENT)
        return error_set(err, status, "git is not installed, or not in PATH");
    if (status == -EFBIG)
        return error_set(err, status, "git %s: too much output", run->args[0]);
    if (status < 0)
        return error_errno(err, status, "git %s", run->args[0]);
    if (status > 0)
        return error_set(err, -EREMOTEIO, "git %s: %s", run->args[0],
                         words.len ? buf_str(&words) : "failed without a word");
    while (output.len > 0 && output.data[output.len - 1] == '\n')
        output.data[--output.len] = '\0';
    if (out)
        buf_add(out, output.data, output.len);
    return 0;
}
