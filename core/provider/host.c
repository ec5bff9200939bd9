/* core/provider/host.c - the host table that a plugin gets: logging, failing, time, cancel,
 * programs. */
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
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/provider/session.h"

#define RUN_OUTPUT_MAX ((size_t) 1024 * 1024)

extern char **environ;

static void host_log(flt_call *call, int32_t level, const char *text)
{
    if (level < FLT_LOG_ERROR || level > FLT_LOG_DEBUG)
        level = FLT_LOG_INFO;
    session_log(call->session, (enum log_level) level, text ? text : "");
}

static int32_t host_fail(flt_call *call, int32_t code, int64_t retry_after_ms, const char *text)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, text ? text : "", text ? strlen(text) : 0, sizeof(call->message) - 8);
    (void) snprintf(call->message, sizeof(call->message), "%s", buf_str(&shown));
    call->retry_after_ms = retry_after_ms > 0 ? retry_after_ms : 0;
    return code;
}

static int64_t host_time_left_ms(flt_call *call)
{
    return call->deadline_mono_ms - clock_mono_ms(&clock_system);
}

static int32_t host_cancelled(flt_call *call)
{
    return session_is_cancelled(call->session) || host_time_left_ms(call) <= 0;
}

static int32_t host_cancel_fd(flt_call *call)
{
    return session_cancel_fd(call->session);
}

static const char *host_request_id(flt_call *call)
{
    return call->request_id;
}

static int64_t host_epoch(flt_call *call)
{
    return call->epoch;
}

static const char *host_state_dir(flt_call *call)
{
    return session_state_dir(call->session);
}

static void host_describe_group(flt_call *call, const struct flt_group_info *info)
{
    if (!info || info->struct_size < sizeof(uint32_t) * 2)
        return;
    memcpy(&call->info, info, MIN((size_t) info->struct_size, sizeof(call->info)));
    if (call->info.identity)
        (void) snprintf(call->identity, sizeof(call->identity), "%s", call->info.identity);
    call->info.identity = call->identity;
}

/* Programs. */

struct program {
    pid_t pid;
    int pid_fd, out, err;
    char tail[512]; /* the end of standard error, for the failure's sentence */
    size_t tail_len, out_bytes;
    flt_output_sink sink;
    void *arg;
};

static bool inherited(const char *entry)
{
    return !str_starts(entry, "LD_") && !str_starts(entry, "FLOTILLA_");
}

static char **clean_environment(void)
{
    size_t n = 0, kept = 0;
    char **copy;

    while (environ[n])
        n++;
    copy = mem_array(n + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++)
        if (inherited(environ[i]))
            copy[kept++] = environ[i];
    return copy;
}

static int spawn_program(struct program *program, const char *const *argv, int out, int err)
{
    autofree char **environment = clean_environment();
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
    r = posix_spawn(&program->pid, argv[0], &actions, &attributes, (char *const *) (uintptr_t) argv,
                    environment);
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
        if (is_error) {
            keep_tail(program, chunk, (size_t) n);
        } else if (program->out_bytes + (size_t) n <= RUN_OUTPUT_MAX) {
            program->out_bytes += (size_t) n;
            if (program->sink)
                (void) program->sink(program->arg, chunk, (uint32_t) n);
        }
    }
}

/* Waits for the program's own end, not for the end of its pipes: a daemon it leaves may keep those.
 */
static int32_t pump(flt_call *call, struct program *program)
{
    struct pollfd fds[] = { { .fd = program->pid_fd, .events = POLLIN },
                            { .fd = program->out, .events = POLLIN },
                            { .fd = program->err, .events = POLLIN },
                            { .fd = session_cancel_fd(call->session), .events = POLLIN } };

    for (;;) {
        int64_t left = host_time_left_ms(call);
        int n = poll(fds, ARRAY_LEN(fds), left > 0 ? (int) MIN(left, (int64_t) 60000) : 0);

        if (n < 0 && errno != EINTR)
            return FLT_E_INTERNAL;
        if (fds[1].revents && !drain(program, program->out, false))
            fds[1].fd = -1;
        if (fds[2].revents && !drain(program, program->err, true))
            fds[2].fd = -1;
        if (n > 0 && fds[0].revents) {
            (void) drain(program, program->out, false);
            (void) drain(program, program->err, true);
            return FLT_OK;
        }
        if (n > 0 && fds[3].revents)
            return FLT_E_CANCELLED;
        if (host_time_left_ms(call) <= 0)
            return FLT_E_TIMEOUT;
    }
}

static int32_t reap(flt_call *call, struct program *program, int32_t why)
{
    int status = 0;

    if (why != FLT_OK)
        (void) kill(-program->pid, SIGKILL);
    while (waitpid(program->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (program->tail_len > 0)
        session_log(call->session, LOG_LEVEL_DEBUG, program->tail);
    if (why != FLT_OK)
        return why;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int32_t host_run(flt_call *call, const char *const *argv, flt_output_sink sink, void *arg)
{
    struct program program = { .pid_fd = -1, .out = -1, .err = -1, .sink = sink, .arg = arg };
    autoclose int out = -1, out_end = -1, err = -1, err_end = -1, pid_fd = -1;
    int fds[2];
    int32_t why;
    int r;

    if (!argv || !argv[0] || argv[0][0] != '/')
        return host_fail(call, FLT_E_INVALID, 0, "a program must be named by its absolute path");
    if (pipe2(fds, O_CLOEXEC) < 0)
        return host_fail(call, FLT_E_INTERNAL, 0, "no pipe for a program");
    out = fds[0];
    out_end = fds[1];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return host_fail(call, FLT_E_INTERNAL, 0, "no pipe for a program");
    err = fds[0];
    err_end = fds[1];
    r = spawn_program(&program, argv, out_end, err_end);
    if (r < 0) {
        (void) snprintf(call->message, sizeof(call->message), "%s cannot be started: %s", argv[0],
                        strerror(-r));
        return FLT_E_INTERNAL;
    }
    (void) close(take_fd(&out_end));
    (void) close(take_fd(&err_end));
    pid_fd = (int) syscall(SYS_pidfd_open, program.pid, 0);
    program.pid_fd = pid_fd;
    program.out = out;
    program.err = err;
    why = pid_fd < 0 || fs_set_nonblock(out) < 0 || fs_set_nonblock(err) < 0 ? FLT_E_INTERNAL
                                                                             : pump(call, &program);
    r = reap(call, &program, why);
    if (r != 0 && program.tail_len > 0)
        (void) host_fail(call, r, 0, program.tail);
    return r;
}

const struct flt_host session_host = { .struct_size = sizeof(struct flt_host),
                                       .abi_minor = FLT_ABI_MINOR,
                                       .log = host_log,
                                       .fail = host_fail,
                                       .time_left_ms = host_time_left_ms,
                                       .cancelled = host_cancelled,
                                       .cancel_fd = host_cancel_fd,
                                       .request_id = host_request_id,
                                       .epoch = host_epoch,
                                       .run = host_run,
                                       .describe_group = host_describe_group,
                                       .state_dir = host_state_dir };
