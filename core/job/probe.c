/* core/job/probe.c - see the header. */
#include "core/job/probe.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/base/clock.h"
#include "core/base/frame.h"
#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/divert.h"
#include "core/job/connect/target.h"
#include "core/job/isolation.h"
#include "core/job/sandbox.h"
#include "core/job/worker.h"

#define COMMAND_MS 60000
#define TELL_MS 10000
#define OUTPUT_MAX 4096
#define LINK_FD 3

/* One probe, from its request on; the frames' own documents stay whole until the end. */
struct probe {
    json_t *connect; /* as in a worker's `start`; borrowed from the request, as */
    json_t *vms;     /* its `isolation`; NULL = nobody asks for VMs */
    struct isolation *isolation;
    json_t *connected; /* the frame about it, filled when the key is shown */
    struct buf output;
};

static void tell(json_t *frame)
{
    if (!frame || frame_send(LINK_FD, frame, FRAME_MAX_LINK, TELL_MS, NULL) < 0)
        _exit(1);
}

static int fail(const struct error *err)
{
    autojson json_t *frame = json_frame("failed");

    (void) json_add_str(frame, "message", err->message);
    tell(frame);
    return 1;
}

/* Pinned keys must be among those that the provider gave; where nobody vouches, nobody can refuse. */
static int check_host_key(void *arg, const char *type, const char *key, int64_t deadline_mono_ms,
                          struct error *err)
{
    struct probe *probe = arg;
    bool vouched = target_vouched_for(probe->connect, type, key);
    const char *policy = "";

    (void) deadline_mono_ms;
    (void) json_opt_str(probe->connect, "host_key_policy", &policy, NULL);
    if (str_eq(policy, "pin") && !vouched)
        return error_set(err, -EKEYREJECTED,
                         "the host key that was shown is none of those that the provider vouches "
                         "for; nothing was sent");
    (void) json_add_str(probe->connected, "key_type", type);
    (void) json_add_str(probe->connected, "key", key);
    (void) json_add_bool(probe->connected, "vouched", vouched);
    return 0;
}

static int take_output(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct probe *probe = arg;

    (void) is_stderr;
    buf_add(&probe->output, data, MIN(len, OUTPUT_MAX - probe->output.len));
    return buf_error(&probe->output);
}

static int confine(struct probe *probe, json_t *request, struct error *err)
{
    const char *file = "";
    bool filter_calls = true;
    int r;

    (void) signal(SIGPIPE, SIG_IGN);
    (void) prctl(PR_SET_NAME, "flotilla-probe");
    (void) json_opt_bool(request, "filter_calls", &filter_calls, NULL);
    r = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : harden_process();
    if (r == 0)
        r = fs_set_cloexec(LINK_FD);
    if (r == 0)
        r = job_worker_prepare(filter_calls, err);
    (void) json_opt_object(request, "isolation", &probe->vms, NULL);
    if (probe->vms)
        (void) json_opt_str(probe->vms, "file", &file, NULL);
    if (r == 0 && probe->vms)
        r = isolation_start(file, &probe->isolation);
    if (r == 0)
        r = sandbox_enter();
    return r < 0 && !*err->message ? error_errno(err, r, "the probe's sandbox cannot be made") : r;
}

static int run_command(struct probe *probe, struct remote *remote, const char *command,
                       struct error *err)
{
    struct remote_exec exec = { .command = command,
                                .on_output = take_output,
                                .arg = probe,
                                .deadline_mono_ms = clock_mono_ms(&clock_system) + COMMAND_MS };
    autojson json_t *frame = json_frame("output");
    autobuf struct buf shown = BUF_INIT;
    struct remote_exit end = { 0 };
    int r = remote_exec(remote, &exec, &end, err);

    if (r < 0)
        return r;
    str_display(&shown, buf_str(&probe->output), probe->output.len, OUTPUT_MAX);
    (void) json_add_str(frame, "text", buf_str(&shown));
    (void) json_add_i64(frame, "status", end.status);
    tell(frame);
    return 0;
}

/* Whether what makes VMs answers, and what it says is there. Takes the connection. */
static int look_at_vms(struct probe *probe, struct remote *remote, struct error *err)
{
    autofree struct isolation_vms *vms = mem_zero(sizeof(*vms));
    struct isolation_wait wait = { .deadline_mono_ms = clock_mono_ms(&clock_system) + COMMAND_MS };
    autojson json_t *frame = json_frame("vms");
    json_t *config = NULL;
    struct relay *relay = NULL;
    int r = vms ? remote_relay(remote, &relay, err) : error_set(err, -ENOMEM, "out of memory");

    if (!relay)
        remote_close(remote);
    wait.watch.relay = relay;
    (void) json_opt_object(probe->vms, "config", &config, NULL);
    if (r == 0)
        r = isolation_open(probe->isolation, config, err);
    if (r == 0)
        r = isolation_list(probe->isolation, &wait, vms, err);
    relay_free(relay);
    if (!vms || r < 0)
        return r;
    (void) json_add_i64(frame, "count", (int64_t) vms->n);
    tell(frame);
    return 0;
}

static int look(struct probe *probe, const char *command, struct error *err)
{
    struct remote *remote = NULL;
    struct remote_options options;
    int r = target_options(probe->connect, &options, err);

    if (r == 0)
        r = sandbox_narrow(&options, OUTPUT_MAX, err);
    if (r < 0)
        return r;
    options.check_host_key = check_host_key;
    options.check_arg = probe;
    r = remote_open(&options, &remote, err);
    if (r < 0)
        return r;
    tell(probe->connected);
    r = run_command(probe, remote, command, err);
    if (r == 0 && probe->vms)
        return look_at_vms(probe, remote, err);
    remote_close(remote);
    return r;
}

int probe_main(void)
{
    autojson json_t *request = NULL, *connected = json_frame("connected");
    struct probe probe = { .connected = connected };
    struct frame_decoder decoder;
    const char *command = "";
    struct error err = { 0 };
    int r;

    frame_decoder_init(&decoder, FRAME_MAX_LINK);
    r = frame_recv(LINK_FD, &decoder, TELL_MS, &request, &err);
    frame_decoder_done(&decoder);
    if (r != 1)
        return 1;
    if (confine(&probe, request, &err) < 0 ||
        json_opt_object(request, "connect", &probe.connect, &err) < 0 ||
        json_opt_str(request, "command", &command, &err) < 0)
        return fail(&err);
    divert_to_loopback(probe.connect);
    r = look(&probe, command, &err);
    buf_done(&probe.output);
    isolation_stop(probe.isolation);
    return r < 0 ? fail(&err) : 0;
}
