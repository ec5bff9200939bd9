/* core/exec/git.c - one git process, from posix_spawn() to its exit status.
 *
 * Its standard error goes to a memory file, so that only one pipe has to be read. */
#include "core/exec/git.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

extern char **environ;

#define OUTPUT_MAX ((size_t) 1 << 20)
#define WORDS_MAX ((size_t) 300)
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

static int spawn(const struct git_run *run, int out_fd, int err_fd, pid_t *ret)
{
    const char *argv[MAX_ARGS] = { "git", "-C", run->dir };
    autofree const char **env = environment(run);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    size_t n = 3;
    int r;

    if (!env)
        return -ENOMEM;
    for (const char *const *arg = run->args; *arg && n + 1 < MAX_ARGS; arg++)
        argv[n++] = *arg;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        (void) posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    (void) sigemptyset(&signals);
    (void) sigaddset(&signals, SIGPIPE);
    r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    r = r ? r : posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    r = r ? r : posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
    r = r ? r : posix_spawnattr_setsigdefault(&attributes, &signals);
    r = r ? r : posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    /* posix_spawn() takes the arrays without const and leaves them alone. */
    r = r ? r
          : posix_spawnp(ret, "git", &actions, &attributes, (char **) (uintptr_t) argv,
                         (char **) (uintptr_t) env);
    (void) posix_spawnattr_destroy(&attributes);
    (void) posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int read_all(int fd, struct buf *out)
{
    char part[4096];

    for (;;) {
        ssize_t n = read(fd, part, sizeof(part));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        buf_add(out, part, (size_t) n);
    }
}

/* The last words on standard error, in one line. */
static void words_of(int err_fd, struct buf *out)
{
    autobuf struct buf text = BUF_INIT;

    text.max = OUTPUT_MAX;
    (void) lseek(err_fd, 0, SEEK_SET);
    (void) read_all(err_fd, &text);
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\n' || text.data[i] == '\t')
            text.data[i] = ' ';
    str_display(out, buf_str(&text), text.len, WORDS_MAX);
}

static int wait_for(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int git_run(const struct git_run *run, struct buf *out, struct error *err)
{
    autobuf struct buf output = BUF_INIT, words = BUF_INIT;
    autoclose int err_fd = memfd_create("git-stderr", MFD_CLOEXEC), read_fd = -1, write_fd = -1;
    int fds[2], r, status;
    pid_t pid = -1;

    if (err_fd < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return error_errno(err, -errno, "git %s", run->args[0]);
    read_fd = fds[0];
    write_fd = fds[1];
    output.max = run->max ? run->max : OUTPUT_MAX;
    r = spawn(run, write_fd, err_fd, &pid);
    if (r == -ENOENT)
        return error_set(err, r, "git is not installed, or not in PATH");
    if (r < 0)
        return error_errno(err, r, "git %s", run->args[0]);
    (void) close(take_fd(&write_fd));
    r = read_all(read_fd, &output);
    (void) close(take_fd(&read_fd));
    status = wait_for(pid);
    if (r < 0 || status < 0)
        return error_errno(err, r < 0 ? r : status, "git %s", run->args[0]);
    if (status != 0) {
        words_of(err_fd, &words);
        return error_set(err, -EREMOTEIO, "git %s: %s", run->args[0],
                         words.len ? buf_str(&words) : "failed without a word");
    }
    while (output.len > 0 && output.data[output.len - 1] == '\n')
        output.data[--output.len] = '\0';
    if (out)
        buf_add(out, output.data, output.len);
    return buf_error(&output)
               ? error_set(err, buf_error(&output), "git %s: too much output", run->args[0])
               : 0;
}
