/* core/exec/child.c - one process, from posix_spawn() to its exit status.
 *
 * Its standard error goes to a memory file, so that only one pipe has to be read. */
#include "core/exec/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/fs.h"
#include "core/base/str.h"

extern char **environ;

#define OUTPUT_MAX ((size_t) 1 << 20)
#define WORDS_MAX ((size_t) 300)

static int spawn(const struct child *child, int out_fd, int err_fd, pid_t *ret)
{
    const char *const *env = child->environment;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    int r;

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
          : posix_spawnp(ret, child->argv[0], &actions, &attributes,
                         (char **) (uintptr_t) child->argv,
                         env ? (char **) (uintptr_t) env : environ);
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

int child_run(const struct child *child, struct buf *out, struct buf *words)
{
    autobuf struct buf output = BUF_INIT;
    autoclose int err_fd = memfd_create("stderr", MFD_CLOEXEC), read_fd = -1, write_fd = -1;
    int fds[2], r, status;
    pid_t pid = -1;

    if (err_fd < 0 || pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    read_fd = fds[0];
    write_fd = fds[1];
    output.max = child->max ? child->max : OUTPUT_MAX;
    r = spawn(child, write_fd, err_fd, &pid);
    if (r < 0)
        return r;
    (void) close(take_fd(&write_fd));
    r = read_all(read_fd, &output);
    (void) close(take_fd(&read_fd));
    status = wait_for(pid);
    if (r < 0)
        return r;
    words_of(err_fd, words);
    if (out)
        buf_add(out, output.data, output.len);
    return status == 0 && buf_error(&output) ? buf_error(&output) : status;
}
