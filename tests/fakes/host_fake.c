/* tests/fakes/host_fake.c - see the header. One call at a time, as the ABI promises a plugin. */

#include "tests/fakes/host_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static struct fake_call *call_of(flt_call *call)
{
    return (struct fake_call *) (void *) call;
}

int64_t fake_now_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void fake_call_init(struct fake_call *call, const char *state_dir, int64_t time_ms)
{
    memset(call, 0, sizeof(*call));
    call->deadline_ms = fake_now_ms() + time_ms;
    call->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    call->state_dir = state_dir;
}

void fake_call_done(struct fake_call *call)
{
    (void) close(call->cancel_fd);
    call->cancel_fd = -1;
}

void fake_call_cancel(struct fake_call *call)
{
    (void) eventfd_write(call->cancel_fd, 1);
}

static void host_log(flt_call *opaque, int32_t level, const char *text)
{
    struct fake_call *call = call_of(opaque);
    size_t len = strlen(call->log);

    (void) snprintf(call->log + len, sizeof(call->log) - len, "%d %s\n", (int) level, text);
}

static int32_t host_fail(flt_call *opaque, int32_t code, int64_t retry_after_ms, const char *text)
{
    struct fake_call *call = call_of(opaque);

    call->fail_code = code;
    call->retry_after_ms = retry_after_ms;
    (void) snprintf(call->fail_text, sizeof(call->fail_text), "%s", text);
    return code;
}

static int64_t host_time_left_ms(flt_call *opaque)
{
    return call_of(opaque)->deadline_ms - fake_now_ms();
}

static int32_t host_cancelled(flt_call *opaque)
{
    struct pollfd fd = { .fd = call_of(opaque)->cancel_fd, .events = POLLIN };

    return poll(&fd, 1, 0) == 1;
}

static int32_t host_cancel_fd(flt_call *opaque)
{
    return call_of(opaque)->cancel_fd;
}

static const char *host_request_id(flt_call *opaque)
{
    return call_of(opaque)->request_id;
}

static int64_t host_epoch(flt_call *opaque)
{
    return call_of(opaque)->epoch;
}

static pid_t spawn(const char *const *argv, int out, bool join_stderr)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int error;

    (void) posix_spawn_file_actions_init(&actions);
    (void) posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void) posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (join_stderr)
        (void) posix_spawn_file_actions_adddup2(&actions, out, 2);
    error = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *) (uintptr_t) argv, environ);
    (void) posix_spawn_file_actions_destroy(&actions);
    errno = error;
    return error == 0 ? pid : -1;
}

int fake_run(const char *const *argv, flt_output_sink sink, void *arg, bool join_stderr)
{
    char block[4096];
    int fds[2], status;
    ssize_t got;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    pid = spawn(argv, fds[1], join_stderr);
    (void) close(fds[1]);
    while (pid > 0 && (got = read(fds[0], block, sizeof(block))) > 0)
        if (sink)
            (void) sink(arg, block, (uint32_t) got);
    (void) close(fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int32_t host_run(flt_call *opaque, const char *const *argv, flt_output_sink sink, void *arg)
{
    int status = fake_run(argv, sink, arg, false);

    call_of(opaque)->runs++;
    return status < 0 ? FLT_E_INVALID : status;
}

static void host_describe_group(flt_call *opaque, const struct flt_group_info *info)
{
    struct fake_call *call = call_of(opaque);

    call->max_size = info->max_size;
    call->price_micros_hour = info->price_micros_hour;
    call->minimum_billed_ms = info->minimum_billed_ms;
    call->minimum_life_ms = info->minimum_life_ms;
    (void) snprintf(call->identity, sizeof(call->identity), "%s", info->identity);
}

static const char *host_state_dir(flt_call *opaque)
{
    return call_of(opaque)->state_dir;
}

const struct flt_host fake_host = {
    .struct_size = sizeof(struct flt_host),
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
    .state_dir = host_state_dir,
};
