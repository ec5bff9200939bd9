/* core/provider/program.c - host->run: spawn, collect, wait, kill when the time is over. */
#include "core/provider/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/clock.h"
#include "core/base/environment.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/provider/memory.h"

#define OUTPUT_MAX ((size_t) 1024 * 1024)

struct program {
    pid_t pid;
    int pid_fd, out, err, cancel_fd;
    int64_t deadline_mono_ms;
    char tail[512]; /* the end of standard error, for the failure's sentence */
    size_t tail_len, out_bytes;
    flt_output_sink sink;
    void *arg;
};

static int spawn_program(struct program *program, const char *const *argv, int out, int err)
{
    static const char *const ours[] = { "LD_", "FLOTILLA_", NULL };
    autofree char **environment = environment_without(ours);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int r;

    if (!environment)
        return -ENOMEM;
    (void) sigemptyset(&none);
    (void) sigfillset(&all);
    (void) posix_spawn_file_actions_init(&actions);
    (void) posix_spawnattr_init(&attributes);
    (void) posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void) posix_spawn_file_actions_adddup2(&actions, out, 1);
    (void) posix_spawn_file_actions_adddup2(&actions, err, 2);
    (void) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                     POSIX_SPAWN_SETSIGDEF);
    (void) posix_spawnattr_setsigmask(&attributes, &none);
    (void) posix_spawnattr_setsigdefault(&attributes, &all);
    memory_limit_lift();
    r = posix_spawn(&program->pid, argv[0], &actions, &attributes, (char *const *) (uintptr_t) argv,
                    environment);
    memory_limit_restore();
    (void) posix_spawn_file_actions_destroy(&actions);
    (void) posix_spawnattr_destroy(&attributes);
    return -r;
}

static void keep_tail(struct program *program, const char *data, size_t len)
{
    size_t size = sizeof(program->tail) - 1, keep;

    if (len > size) {
        data += len - size;
        len = size;
    }
    keep = MIN(program->tail_len, size - len);
    memmove(program->tail, program->tail + program->tail_len - keep, keep);
    memcpy(program->tail + keep, data, len);
    program->tail_len = keep + len;
    program->tail[program->tail_len] = '\0';
}

/* Beyond the limit, or once the sink has said stop, the rest is dropped: never a hole. */
static void pass_output(struct program *program, const char *data, size_t len)
{
    size_t fits = MIN(len, OUTPUT_MAX - program->out_bytes);

    program->out_bytes += fits;
    if (fits > 0 && program->sink && program->sink(program->arg, data, (uint32_t) fits) != 0)
        program->sink = NULL;
}

/* Takes what is there; false at the end of the stream. */
static bool drain(struct program *program, int fd, bool is_error)
{
    char chunk[4096];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        if (is_error)
            keep_tail(program, chunk, (size_t) n);
        else
            pass_output(program, chunk, (size_t) n);
    }
}

/* Waits for the program's own end, not for the end of its pipes: a daemon it leaves may keep those.
 */
static int32_t pump(struct program *program)
{
    struct pollfd fds[] = { { .fd = program->pid_fd, .events = POLLIN },
                            { .fd = program->out, .events = POLLIN },
                            { .fd = program->err, .events = POLLIN },
                            { .fd = program->cancel_fd, .events = POLLIN } };

    for (;;) {
        int64_t left = program->deadline_mono_ms - clock_mono_ms(&clock_system);
        int n = poll(fds, ARRAY_LEN(fds), left > 0 ? (int) MIN(left, (int64_t) 60000) : 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FLT_E_INTERNAL;
        if (fds[1].revents && !drain(program, program->out, false))
            fds[1].fd = -1;
        if (fds[2].revents && !drain(program, program->err, true))
            fds[2].fd = -1;
        if (fds[0].revents) {
            (void) drain(program, program->out, false);
            (void) drain(program, program->err, true);
            return FLT_OK;
        }
        if (fds[3].revents)
            return FLT_E_CANCELLED;
        if (left <= 0)
            return FLT_E_TIMEOUT;
    }
}

static int32_t reap(const struct program *program, int32_t why)
{
    int status = 0;

    if (why != FLT_OK)
        (void) kill(-program->pid, SIGKILL);
    while (waitpid(program->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (why != FLT_OK)
        return why;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int32_t refuse(struct program_result *ret, int32_t code, const char *what, const char *why)
{
    (void) snprintf(ret->text, sizeof(ret->text), "%s: %s", what, why);
    return code;
}

/* Both ends of a pipe whose reading end never blocks. */
static int open_pipe(int *ret_read, int *ret_write)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    *ret_read = fds[0];
    *ret_write = fds[1];
    return fs_set_nonblock(fds[0]);
}

int32_t program_run(const char *const *argv, int64_t deadline_mono_ms, int cancel_fd,
                    flt_output_sink sink, void *arg, struct program_result *ret)
{
    autoclose int out = -1, out_end = -1, err = -1, err_end = -1, pid_fd = -1;
    struct program program = {
        .cancel_fd = cancel_fd, .deadline_mono_ms = deadline_mono_ms, .sink = sink, .arg = arg
    };
    int32_t code;
    int r;

    if (!argv || !argv[0] || argv[0][0] != '/')
        return refuse(ret, FLT_E_INVALID, argv && argv[0] ? argv[0] : "(no program)",
                      "a program must be named by its absolute path");
    if ((r = open_pipe(&out, &out_end)) < 0 || (r = open_pipe(&err, &err_end)) < 0)
        return refuse(ret, FLT_E_INTERNAL, argv[0], strerror(-r));
    r = spawn_program(&program, argv, out_end, err_end);
    if (r == -EACCES)
        return refuse(ret, FLT_E_INTERNAL, argv[0],
                      "permission denied; a provider's programs lie below /usr, /opt, ~/bin or "
                      "~/.local/bin, or are named by its settings or credentials");
    if (r < 0)
        return refuse(ret, FLT_E_INTERNAL, argv[0], strerror(-r));
    (void) close(take_fd(&out_end));
    (void) close(take_fd(&err_end));
    pid_fd = (int) syscall(SYS_pidfd_open, program.pid, 0);
    program.pid_fd = pid_fd;
    program.out = out;
    program.err = err;
    code = reap(&program, pid_fd < 0 ? FLT_E_INTERNAL : pump(&program));
    (void) snprintf(ret->text, sizeof(ret->text), "%s", program.tail);
    return code;
}
