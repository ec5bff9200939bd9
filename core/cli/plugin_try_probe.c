/* core/cli/plugin_try_probe.c - the look at the instance: a process of its own connects to it
 * (core/job/probe.h), because what an instance says is hostile (plugin_try_parts.h). */
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>

#include "core/base/frame.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/cli/plugin_try_parts.h"
#include "core/supervisor/vm_plugin.h"

#define PAUSE_MS 100

/* Put together by the instance's shell: user and system. Of Windows' shells the user is told by this alone. */
static const char command[] = "printf '%s on %s' \"$(id -un)\" \"$(uname -srm)\"";
static const char windows_command[] = "whoami";

static void on_probe_frame(void *arg, json_t *frame)
{
    struct trial *trial = arg;

    (void) json_object_array_add(trial->heard, json_object_get(frame));
}

static void on_probe_closed(void *arg, const char *why)
{
    struct trial *trial = arg;

    (void) why;
    channel_close(trial->probe);
    trial->probe = NULL;
    trial->probe_ended = true;
}

static bool probe_spoke(const struct trial *trial)
{
    return json_object_array_length(trial->heard) > 0 || trial->probe_ended;
}

static void on_probe_exit(uv_process_t *process, int64_t status, int signum)
{
    struct trial *trial = process->data;

    (void) status;
    (void) signum;
    trial->probe_runs = false;
    uv_close((uv_handle_t *) process, NULL);
}

/* By exec: the probe meets strangers, and has nothing in its memory but this connection. */
static int spawn_probe(struct trial *trial, int link, struct error *err)
{
    char *self = (char *) (uintptr_t) cli_self_exe();
    char *args[] = { self, (char[]) { "probe" }, NULL };
    uv_stdio_container_t stdio[] = { { .flags = UV_IGNORE },
                                     { .flags = UV_IGNORE },
                                     { .flags = UV_INHERIT_FD, .data.fd = 2 },
                                     { .flags = UV_INHERIT_FD, .data.fd = link } };
    uv_process_options_t options = { .exit_cb = on_probe_exit,
                                     .file = self,
                                     .args = args,
                                     /* An interrupt at the terminal is for us. */
                                     .flags = UV_PROCESS_DETACHED,
                                     .stdio_count = ARRAY_LEN(stdio),
                                     .stdio = stdio };
    int r;

    trial->probe_process.data = trial;
    r = uv_spawn(&trial->loop, &trial->probe_process, &options);
    trial->probe_runs = r == 0;
    if (r < 0)
        uv_close((uv_handle_t *) &trial->probe_process, NULL);
    return r < 0 ? error_set(err, r, "the probe cannot be started: %s", uv_strerror(r)) : 0;
}

static bool is_windows(const struct trial *trial)
{
    return str_starts(try_text(trial->connect, "protocol"), "winrm") ||
           str_eq(try_text(trial->connect, "os"), "windows");
}

static void add_isolation(const struct trial *trial, json_t *request)
{
    json_t *isolation = json_object_new_object();

    (void) json_add_str(isolation, "file", trial->vm_file);
    (void) json_add(isolation, "config", vm_plugin_config(&trial->runner->autoscaler));
    (void) json_add(request, "isolation", isolation);
}

static int start_probe(struct trial *trial, struct error *err)
{
    autojson json_t *request = json_frame("probe");
    int fds[2], r;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return error_errno(err, -errno, "socketpair");
    r = spawn_probe(trial, fds[1], err);
    (void) close(fds[1]);
    if (r < 0) {
        (void) close(fds[0]);
        return r;
    }
    r = channel_open(&trial->loop, fds[0], FRAME_MAX_LINK, on_probe_frame, on_probe_closed, trial,
                     &trial->probe, err);
    if (r < 0)
        return r;
    (void) json_add_str(request, "command", is_windows(trial) ? windows_command : command);
    (void) json_add_bool(request, "filter_calls", trial->options->config->worker_seccomp);
    (void) json_add(request, "connect", json_object_get(trial->connect));
    if (trial->vm_file)
        add_isolation(trial, request);
    channel_send_secret(trial->probe, request, FRAME_MAX_LINK);
    return 0;
}

void try_end_probe(struct trial *trial)
{
    channel_close(trial->probe);
    trial->probe = NULL;
    if (trial->probe_runs)
        (void) uv_process_kill(&trial->probe_process, SIGKILL);
    while (trial->probe_runs)
        (void) uv_run(&trial->loop, UV_RUN_ONCE);
}

/* The probe's next word, which should be of that type. */
static int hear_probe(struct trial *trial, const char *type, int64_t ms, json_t **ret,
                      struct error *err)
{
    int r = try_wait(trial, probe_spoke, ms);

    if (r < 0)
        return error_set(err, r, "%s", r == -EINTR ? "interrupted" : "the probe does not answer");
    *ret = json_object_get(json_object_array_get_idx(trial->heard, 0));
    (void) json_object_array_del_idx(trial->heard, 0, 1);
    /* A terminal's interrupt may meet it before it has a session of its own, and us a moment later. */
    if (!*ret && try_pause(trial, PAUSE_MS) < 0)
        return error_set(err, -EINTR, "interrupted");
    if (!*ret)
        return error_set(err, -EPIPE, "the probe's process ended without a word");
    if (str_eq(try_text(*ret, "type"), "failed"))
        return error_set(err, -EREMOTEIO, "%s", try_text(*ret, "message"));
    return str_eq(try_text(*ret, "type"), type) ? 0
                                                : error_set(err, -EPROTO, "the probe is confused");
}

int try_connect(struct trial *trial, struct buf *told, struct error *err)
{
    autojson json_t *frame = NULL;
    bool vouched = false;
    int r = start_probe(trial, err);

    if (r == 0)
        r = hear_probe(trial, "connected",
                       trial->runner->autoscaler.connector.timeout_ms + 2 * TRY_GRACE_MS, &frame,
                       err);
    if (r < 0)
        return r;
    (void) json_opt_bool(frame, "vouched", &vouched, NULL);
    if (str_empty(try_text(frame, "key_type"))) { /* WinRM's */
        buf_addf(told, "by %s", try_text(trial->connect, "protocol"));
        return 0;
    }
    buf_addf(told, "host key %s %s, %s", try_text(frame, "key_type"), try_text(frame, "key"),
             vouched ? "as the provider says" : "for which nobody vouches");
    return 0;
}

int try_command(struct trial *trial, struct buf *told, struct error *err)
{
    autojson json_t *frame = NULL;
    int64_t status = -1;
    int r = hear_probe(trial, "output", TRY_CALL_MS + 2 * TRY_GRACE_MS, &frame, err);

    if (r < 0)
        return r;
    (void) json_opt_i64(frame, "status", INT_MIN, INT_MAX, &status, NULL);
    if (status != 0)
        return error_set(err, -EREMOTEIO, "the command ended with status %" PRId64 ": %s", status,
                         try_text(frame, "text"));
    buf_add_str(told, try_text(frame, "text"));
    return 0;
}

/* No VM is made: what its daemon cannot do at all it says here. */
int try_vms(struct trial *trial, struct buf *told, struct error *err)
{
    autojson json_t *frame = NULL;
    int64_t count = 0;
    int r = hear_probe(trial, "vms", TRY_CALL_MS + 2 * TRY_GRACE_MS, &frame, err);

    if (r < 0)
        return r;
    (void) json_opt_i64(frame, "count", 0, INT_MAX, &count, NULL);
    buf_addf(told, "plugin '%s' reaches what makes VMs, there %s %" PRId64,
             trial->runner->autoscaler.vm_isolation.plugin, count == 1 ? "is" : "are", count);
    return 0;
}
