/* helper/archive/untracked.c - git as a child, its answer read as it comes. */
#include "helper/archive/untracked.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/io.h"
#include "core/base/str.h"
#include "helper/archive/beneath.h"

#define READ_SIZE 65536

extern char **environ;

struct answer {
    struct beneath tree;
    int (*found)(void *ctx, const char *path);
    void *ctx;
    struct buf pending; /* the beginning of a path whose end is yet to come */
};

static int start_git(const char *root, int out_fd, pid_t *ret)
{
    char *const argv[] = { "git", "-C", (char *) (uintptr_t) root, "ls-files", "-o", "-z", NULL };
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0)
        return -r;
    r = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawnp(ret, "git", &actions, NULL, argv, environ);
    (void) posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int one_path(struct answer *answer, char *path)
{
    size_t len = strlen(path);
    struct stat st;
    const char *name;
    int fd;

    if (len > 1 && path[len - 1] == '/') /* another repository */
        path[len - 1] = '\0';
    fd = beneath_parent(&answer->tree, path, &name);
    if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return answer->found(answer->ctx, path);
}

static int whole_paths(struct answer *answer)
{
    size_t from = 0;
    char *end;
    int r = 0;

    while (r == 0 && from < answer->pending.len &&
           (end = memchr(answer->pending.data + from, '\0', answer->pending.len - from)) != NULL) {
        r = one_path(answer, answer->pending.data + from);
        from = (size_t) (end - answer->pending.data) + 1;
    }
    buf_consume(&answer->pending, from);
    return r;
}

static int read_answer(struct answer *answer, int fd)
{
    char chunk[READ_SIZE];
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = io_read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        buf_add(&answer->pending, chunk, (size_t) n);
        r = buf_error(&answer->pending);
        if (r == 0)
            r = whole_paths(answer);
    }
    return r;
}

static int wait_for(pid_t pid, struct error *err)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_errno(err, -errno, "waiting for git");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        return error_set(err, -ECHILD, "git ls-files ended with exit status %d",
                         WEXITSTATUS(status));
    return error_set(err, -ECHILD, "git ls-files was ended by signal %d", WTERMSIG(status));
}

int untracked_find(const char *root, int root_fd, int (*found)(void *ctx, const char *path),
                   void *ctx, struct error *err)
{
    struct answer answer = { BENEATH_INIT(root_fd, BENEATH_NO_LINKS), found, ctx, BUF_INIT };
    int ends[2], r, ended;
    pid_t pid = -1;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(err, -errno, "git ls-files");
    r = start_git(root, ends[1], &pid);
    (void) close(ends[1]);
    if (r == 0)
        r = read_answer(&answer, ends[0]);
    (void) close(ends[0]);
    beneath_done(&answer.tree);
    buf_done(&answer.pending);
    if (pid < 0)
        return error_errno(err, r, "git cannot be started");
    ended = wait_for(pid, err);
    return r < 0 ? error_errno(err, r, "git ls-files") : ended;
}
