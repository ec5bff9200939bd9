/* core/job/probe_worker.c - a command that says whether an instance is ready, or still well: the ready
 * gate and heartbeats (worker.h, autoscaler.md 9).
 *
 * Each try is a connection of its own, because that is what is in question; the one that passes is kept for
 * the instance's next job where the supervisor wants that (standby.h). What the command prints
 * goes to the manager's log and to `flotilla explain`, so tokens are masked in it before it is cut
 * to its last lines. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/job/connect/divert.h"
#include "core/job/connect/target.h"
#include "core/job/helper.h"
#include "core/job/probe_vms.h"
#include "core/job/sandbox.h"
#include "core/job/standby.h"
#include "core/job/trace/spool.h"
#include "core/job/trace/token_rules.h"
#include "core/job/trace/url_rules.h"
#include "core/job/worker.h"

#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS (30 * 1000)
#define WATCH_MS 250
#define TAIL_MAX 2048
#define SHOWN_LINES 3
#define SHOWN_LINE_MAX 100
#define MAX_WAIT_S (24 * 3600)

struct stream {
    struct url_rules url;
    struct token_rules token;
};

struct probe {
    struct report *report; /* the job's */
    json_t *connect;       /* as in a job's `start`; borrowed */
    json_t *isolation;     /* what VMs may be there; NULL = nobody asks */
    const char *command;
    int64_t deadline_ms;
    int64_t wait_s;       /* for a job, once it has passed; 0 = it ends */
    struct job job;       /* that one, which has the connection by then */
    int64_t output_limit; /* its log's */
    int64_t tries;
    struct token_prefixes prefixes;
    struct stream streams[2];
    struct buf tail; /* the end of what the last try printed */
};

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

static int control_fd_of(void *arg)
{
    return report_fd(((struct probe *) arg)->report);
}

/* An end of the link counts as an order to end. */
static int poll_control(void *arg)
{
    return report_stopped(report_poll(((struct probe *) arg)->report));
}

static int check_host_key(void *arg, const char *type, const char *key, int64_t deadline_mono_ms,
                          struct error *err)
{
    struct probe *probe = arg;
    const struct shown_key shown = { .type = type, .key = key };

    return report_host_key(probe->report, probe->connect, &shown, deadline_mono_ms, err);
}

static int take_output(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct probe *probe = arg;
    struct stream *stream = &probe->streams[is_stderr];
    autobuf struct buf text = BUF_INIT;

    url_rules_write(&stream->url, data, len, &text);
    token_rules_write(&stream->token, buf_str(&text), text.len, &probe->tail);
    buf_inherit_error(&probe->tail, &text);
    if (probe->tail.len > TAIL_MAX)
        buf_consume(&probe->tail, probe->tail.len - TAIL_MAX);
    return buf_error(&probe->tail);
}

static void begin_output(struct probe *probe)
{
    buf_clear(&probe->tail);
    for (size_t i = 0; i < ARRAY_LEN(probe->streams); i++)
        probe->streams[i] = (struct stream) { .token = { .prefixes = &probe->prefixes } };
}

static int run_command(struct probe *probe, struct remote *remote, struct error *err)
{
    struct remote_exec exec = { .command = probe->command,
                                .on_output = take_output,
                                .arg = probe,
                                .deadline_mono_ms = probe->deadline_ms };
    struct remote_exit end = { 0 };
    int r = remote_exec(remote, &exec, &end, err);

    if (r == -ETIMEDOUT)
        return error_set(err, r, "it did not end in time");
    if (r < 0)
        return r;
    return end.status == 0 ? 0 : error_set(err, -EREMOTEIO, "exit status %d", end.status);
}

static struct remote_watch watch_of(struct probe *probe)
{
    return (struct remote_watch) { .control_fd = control_fd_of,
                                   .poll_control = poll_control,
                                   .arg = probe };
}

static void tell_removed(void *arg, const char *id)
{
    struct probe *probe = arg;
    autojson json_t *frame = json_frame("removed");

    (void) json_add_str(frame, "vm", id);
    report_tell(probe->report, frame);
}

/* The connection is the job's that may follow, or is done with. */
static int leave_connection(struct probe *probe, struct remote *remote, int r, struct error *err)
{
    const struct isolation_wait wait = { .watch = watch_of(probe),
                                         .deadline_mono_ms = probe->deadline_ms };

    if (r == 0 && probe->isolation)
        return probe_vms_clean(probe->job.isolation, remote, probe->isolation, &wait, tell_removed,
                               probe, err);
    if (r == 0 && probe->wait_s > 0)
        probe->job.remote = remote;
    else
        remote_close(remote);
    return r;
}

static int try_once(struct probe *probe, struct error *err)
{
    struct remote *remote = NULL;
    struct remote_options options;
    int r = target_options(probe->connect, &options, err);

    probe->tries++;
    begin_output(probe);
    if (r < 0)
        return r;
    options.timeout_ms = MIN(options.timeout_ms, probe->deadline_ms - now_ms());
    options.check_host_key = check_host_key;
    options.check_arg = probe;
    options.watch = watch_of(probe);
    r = remote_open(&options, &remote, err);
    if (r < 0)
        return r;
    fault_breach();
    r = run_command(probe, remote, err);
    return leave_connection(probe, remote, r, err);
}

/* The last lines, made safe for a terminal. */
static void add_output(const struct probe *probe, struct buf *out)
{
    const char *text = buf_str(&probe->tail), *end = text + probe->tail.len, *at;
    const char *before = ": ";
    size_t lines = 0;

    while (end > text && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' '))
        end--;
    for (at = end; at > text && (at[-1] != '\n' || ++lines < SHOWN_LINES); at--)
        continue;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t) (end - at));

        if (!stop)
            stop = end;
        buf_add_str(out, before);
        before = " / ";
        str_display(out, at, (size_t) (stop - at), SHOWN_LINE_MAX);
        at = MIN(stop + 1, end);
    }
}

static void tell(struct probe *probe, const char *type, const struct error *err)
{
    autojson json_t *frame = json_frame(type);
    autobuf struct buf text = BUF_INIT;

    if (err) {
        buf_add_str(&text, err->message);
        if (probe->tries > 1)
            buf_addf(&text, " (tried %" PRId64 " times)", probe->tries);
        add_output(probe, &text);
        (void) json_add_str(frame, "message", buf_str(&text));
    }
    report_tell(probe->report, frame);
}

/* 0 at that time, else what stops the probe. */
static int pause_until(struct probe *probe, int64_t until)
{
    int r;

    while ((r = poll_control(probe)) == 0 && now_ms() < until) {
        struct pollfd ready = { .fd = control_fd_of(probe), .events = POLLIN };

        (void) poll(&ready, 1, (int) MAX(MIN(until - now_ms(), (int64_t) WATCH_MS), (int64_t) 0));
    }
    return r;
}

/* Connecting has been tried all the time when it fails: what is worth another try is the command, and
 * a connection that broke under it. */
static int try_in_time(struct probe *probe, struct error *err)
{
    int64_t pause = fault_limit_ms("probe_pause", PAUSE_MIN_MS);

    for (;; pause = MIN(pause * 2, (int64_t) PAUSE_MAX_MS)) {
        int r = try_once(probe, err);

        if ((r != -EREMOTEIO && r != -EPIPE) || now_ms() + pause >= probe->deadline_ms)
            return r;
        tell(probe, "failing", err);
        r = pause_until(probe, now_ms() + pause);
        if (r < 0)
            return r;
    }
}

static int read_start(struct probe *probe, json_t *start, struct error *err)
{
    int64_t timeout_ms = 0;
    int r = json_opt_object(start, "connect", &probe->connect, err);

    divert_to_loopback(probe->connect);
    if (r == 0)
        r = json_need_str(start, "command", &probe->command, err);
    if (r == 0)
        r = json_need_i64(start, "timeout_ms", 1, INT64_MAX, &timeout_ms, err);
    probe->deadline_ms = now_ms() + timeout_ms;
    probe->output_limit = SPOOL_LIMIT_DEFAULT;
    if (r == 0)
        r = json_opt_i64(start, "wait_s", 0, MAX_WAIT_S, &probe->wait_s, err);
    if (r == 0)
        r = json_opt_i64(start, "output_limit", 1, INT64_MAX, &probe->output_limit, err);
    if (r == 0)
        r = token_prefixes_init(&probe->prefixes, true, NULL, 0);
    return r;
}

/* 1 when the plugin that is to look for VMs is of no use, which is no fault of the instance's. */
static int open_isolation(struct probe *probe, json_t *start, struct error *err)
{
    json_t *config = NULL;
    int r;

    (void) json_opt_object(start, "isolation", &probe->isolation, NULL);
    if (!probe->isolation)
        return 0;
    (void) json_opt_object(probe->isolation, "config", &config, NULL);
    r = probe->job.isolation ? isolation_open(probe->job.isolation, config, err)
                             : error_set(err, -EINVAL, "the probe was started without the plugin");
    if (r == 0)
        return 0;
    tell(probe, "unable", err);
    return 1;
}

static int serve(struct probe *probe)
{
    autojson json_t *start = NULL;
    struct error err = { 0 };
    struct remote_options options;
    int r = report_wait_start(probe->report, &start, &err);

    if (r <= 0)
        return r < 0;
    r = read_start(probe, start, &err);
    if (r == 0)
        r = target_options(probe->connect, &options, &err);
    if (r == 0 && probe->wait_s > 0)
        helper_open_files(&probe->job);
    if (r == 0)
        r = sandbox_narrow(&options, probe->wait_s > 0 ? probe->output_limit : 0, &err);
    if (r == 0)
        r = open_isolation(probe, start, &err);
    if (r == 1)
        return 0;
    if (r == 0)
        r = try_in_time(probe, &err);
    tell(probe, r == 0 ? "passed" : "failed", r == 0 ? NULL : &err);
    buf_done(&probe->tail);
    return r == 0 && probe->wait_s > 0 ? standby_run(&probe->job, probe->connect, probe->wait_s)
                                       : 0;
}

int probe_worker_main(int control_fd, unsigned seconds, const char *isolation)
{
    struct probe probe = { 0 };
    int status;

    (void) alarm(seconds);
    if (worker_confine("flotilla-probe", isolation, &probe.job.isolation) < 0 ||
        fs_set_cloexec(control_fd) < 0 || report_new(control_fd, -1, &probe.report, NULL) < 0)
        return 125;
    probe.job.report = probe.report;
    status = serve(&probe);
    buf_done(&probe.tail);
    token_prefixes_done(&probe.prefixes);
    job_done(&probe.job);
    report_free(probe.report);
    return status;
}
