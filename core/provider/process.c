/* core/provider/process.c - transport to an exec'd provider worker over a socketpair. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/channel.h"
#include "core/base/environment.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/provider/transport.h"

struct transport {
    uv_process_t process;
    struct channel *channel;
    struct transport_events events;
    bool running, stopped;
    char breach[128]; /* what was wrong with its frames; "" = nothing */
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void report_down(struct transport *transport, const char *why)
{
    if (transport->stopped)
        return;
    transport->stopped = true;
    channel_close(transport->channel);
    transport->channel = NULL;
    transport->events.on_down(transport->events.arg, why);
}

/* With what the plugin forked, which it should not: the worker leads a process group of its own. One
 * that has not come so far yet has no children. */
static void kill_group(const struct transport *transport)
{
    int pid = uv_process_get_pid(&transport->process);

    if (pid > 0)
        (void) kill(-pid, SIGKILL);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct transport *transport = process->data;
    char why[128];

    if (*transport->breach)
        (void) snprintf(why, sizeof(why), "the provider worker broke its protocol: %.80s",
                        transport->breach);
    else if (signal != 0)
        (void) snprintf(why, sizeof(why), "the provider worker was killed by signal %d", signal);
    else
        (void) snprintf(why, sizeof(why), "the provider worker ended with status %d", (int) status);
    transport->running = false;
    kill_group(transport); /* just reaped: the group's id cannot be another's yet */
    report_down(transport, why);
    uv_close((uv_handle_t *) process, on_closed);
}

static void on_frame(void *arg, json_t *frame)
{
    struct transport *transport = arg;

    if (!transport->stopped)
        transport->events.on_frame(transport->events.arg, frame);
}

/* A worker without its link ends by itself; one that broke the frame rules is killed. Its end is
 * reported when it is reaped, so that the sentence can name the signal. */
static void on_channel_closed(void *arg, const char *why)
{
    struct transport *transport = arg;

    transport->channel = NULL;
    if (!transport->running || str_eq(why, "the peer closed the connection"))
        return;
    (void) snprintf(transport->breach, sizeof(transport->breach), "%s", why);
    (void) uv_process_kill(&transport->process, SIGKILL);
}

static int process_start(uv_loop_t *loop, const char *self_exe,
                         const struct transport_events *events, struct transport **ret,
                         struct error *err)
{
    /* The loader reads its own before the first line of ours (hardening.md L2). */
    static const char *const loaders[] = { "LD_", NULL };
    autofree char **environment = environment_without(loaders);
    char *args[] = { (char *) (uintptr_t) self_exe, (char[]) { "provider" }, NULL };
    uv_stdio_container_t stdio[4] = { { .flags = UV_IGNORE },
                                      { .flags = UV_IGNORE },
                                      { .flags = UV_INHERIT_FD, .data.fd = 2 } };
    uv_process_options_t options = { .exit_cb = on_process_exit,
                                     .file = self_exe,
                                     .args = args,
                                     .env = environment,
                                     .stdio_count = 4,
                                     .stdio = stdio };
    autoclose int theirs = -1;
    struct transport *transport;
    int fds[2];
    int r;

    if (!environment)
        return error_set(err, -ENOMEM, "provider worker: out of memory");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return error_errno(err, -errno, "provider worker: socketpair");
    theirs = fds[1];
    stdio[3] = (uv_stdio_container_t) { .flags = UV_INHERIT_FD, .data.fd = theirs };
    transport = mem_zero(sizeof(*transport));
    if (!transport) {
        (void) close(fds[0]);
        return error_set(err, -ENOMEM, "provider worker: out of memory");
    }
    transport->events = *events;
    transport->process.data = transport;
    r = uv_spawn(loop, &transport->process, &options);
    if (r < 0) {
        (void) close(fds[0]);
        uv_close((uv_handle_t *) &transport->process, on_closed);
        return error_set(err, r, "provider worker: %s cannot be started: %s", self_exe,
                         uv_strerror(r));
    }
    transport->running = true;
    r = channel_open(loop, fds[0], FRAME_MAX_LINK, on_frame, on_channel_closed, transport,
                     &transport->channel, err);
    if (r < 0) {
        transport->stopped = true;
        (void) uv_process_kill(&transport->process, SIGKILL);
        return r;
    }
    *ret = transport;
    return 0;
}

static void process_send(struct transport *transport, json_t *request)
{
    if (transport->channel)
        channel_send_secret(transport->channel, request, FRAME_MAX_LINK);
}

static void process_cancel(struct transport *transport, int64_t id)
{
    autojson json_t *frame = json_frame("cancel");

    if (!frame || !transport->channel)
        return;
    (void) json_add_i64(frame, "cancel_id", id);
    channel_send(transport->channel, frame, FRAME_MAX_LINK);
}

static void process_stop(struct transport *transport)
{
    transport->stopped = true;
    channel_close(transport->channel);
    transport->channel = NULL;
    if (transport->running)
        (void) uv_process_kill(&transport->process, SIGKILL);
}

const struct transport_kind transport_process = { process_start, process_send, process_cancel,
                                                  process_stop, true };
