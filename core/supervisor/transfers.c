/* core/supervisor/transfers.c - the transfer processes: asked for by workers, started as there is room, passed on
 * to, told and ended (docs/design/transfers.md "The transfer process").
 *
 * The supervisor makes the stream and keeps no end of it: not a byte of an archive passes through here. A
 * transfer ends with its worker's connection, and all with the supervisor. */
#include "core/supervisor/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/socket.h>

#include "core/base/descriptors.h"
#include "core/base/environment.h"
#include "core/base/frame.h"
#include "core/base/http.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define LOG_TOPIC "transfer"
#include "core/base/log.h"

#define A_JOB_MAX 2
#define RUNNING_MAX 32 /* each has 5 MiB of its own or so */
/* What starting one takes for a moment, above those that are kept for other work (hardening.md §9). */
#define DESCRIPTORS_NEEDED (16 + 8)

struct transfer {
    struct supervisor *supervisor; /* NULL: it has stopped */
    struct job *job;               /* NULL: nobody waits for its end any more */
    struct transfer *next;
    int64_t id;      /* the worker's */
    json_t *request; /* until it is started */
    uv_process_t process;
    struct channel *link;
    bool started, process_ended;
    int signal; /* that killed the process; 0 = none */
};

static void start_waiting(struct supervisor *supervisor);

static void on_process_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void unlink_transfer(struct supervisor *supervisor, struct transfer *transfer)
{
    struct transfer **at = &supervisor->transfers;

    while (*at != transfer)
        at = &(*at)->next;
    *at = transfer->next;
    transfer->supervisor = NULL;
}

/* To its worker, if that still waits. */
static void answer(const struct transfer *transfer, json_t *frame)
{
    if (!transfer->job || !transfer->job->worker || !frame)
        return;
    (void) json_add_i64(frame, "id", transfer->id);
    channel_send(transfer->job->worker, frame, FRAME_MAX_OPERATOR);
}

static void tell_end(struct transfer *transfer, json_t *frame)
{
    EFFECT("transfer_end", answer(transfer, frame));
    transfer->job = NULL;
}

static void tell_lost(struct transfer *transfer)
{
    autojson json_t *frame = json_frame("transfer_end");
    char why[96] = "the transfer process ended without a word";

    if (!transfer->job)
        return;
    if (transfer->signal != 0)
        (void) snprintf(why, sizeof(why), "the transfer process was killed by signal %d",
                        transfer->signal);
    log_error("job %" PRId64 ": %s", transfer->job->job_id, why);
    (void) json_add_str(frame, "result", "retry");
    (void) json_add_str(frame, "message", why);
    tell_end(transfer, frame);
}

/* Its end and that of its link come in either order; what it told came before both. */
static void close_if_over(struct transfer *transfer)
{
    if (!transfer->process_ended || transfer->link)
        return;
    if (transfer->supervisor) {
        tell_lost(transfer);
        unlink_transfer(transfer->supervisor, transfer);
    }
    uv_close((uv_handle_t *) &transfer->process, on_process_closed);
}

/* From the loop alone: who ends a transfer is in the middle of their list, and their job may be without its
 * worker. */
static void close_and_go_on(struct transfer *transfer)
{
    struct supervisor *supervisor = transfer->supervisor;

    close_if_over(transfer);
    if (supervisor)
        start_waiting(supervisor);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct transfer *transfer = process->data;

    (void) status;
    transfer->process_ended = true;
    transfer->signal = signal;
    close_and_go_on(transfer);
}

static void on_link_closed(void *arg, const char *why)
{
    struct transfer *transfer = arg;

    (void) why;
    transfer->link = NULL;
    if (!transfer->process_ended)
        (void) uv_process_kill(&transfer->process, SIGKILL); /* it has nothing more to say */
    close_and_go_on(transfer);
}

/* Where GitLab takes this job's artifacts from now on, with the job's token: on no other server, whatever the
 * transfer process says, which speaks with the network. */
static void note_moved(struct job *job, const char *url)
{
    bool ours = http_same_origin(job->group->host.url, url);
    char *copy = ours ? mem_strdup(url) : NULL;

    if (!ours)
        log_error("job %" PRId64
                  ": a transfer process would send artifacts to another server than %s, "
                  "ignoring",
                  job->job_id, job->group->host.url);
    if (!copy)
        return;
    free(job->artifact_url);
    job->artifact_url = copy;
}

static void on_link_frame(void *arg, json_t *frame)
{
    struct transfer *transfer = arg;
    autojson json_t *end = json_frame("transfer_end");
    static const char *const texts[] = { "result", "status_line", "request_id", "message" };
    const char *type = "", *base_url = NULL;
    int64_t status = 0;

    (void) json_opt_str(frame, "type", &type, NULL);
    if (!str_eq(type, "end") || !transfer->job)
        return;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *value = NULL;

        (void) json_opt_str(frame, texts[i], &value, NULL);
        (void) json_add_str(end, texts[i], value);
    }
    (void) json_opt_i64(frame, "status", 0, 999, &status, NULL);
    (void) json_add_i64(end, "status", status);
    (void) json_opt_str(frame, "base_url", &base_url, NULL);
    if (base_url)
        note_moved(transfer->job, base_url);
    tell_end(transfer, end);
}

static int make_pair(int *ret_ours, int *ret_theirs, struct error *err)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return error_errno(err, -errno, "a transfer: socketpair");
    *ret_ours = fds[0];
    *ret_theirs = fds[1];
    return 0;
}

/* Nothing secret is in its environment: what names a proxy, a zone or certificates, and the tests' seams. */
static int spawn(struct transfer *transfer, int link_fd, int stream_fd, struct error *err)
{
    static const char *const kept[] = { "http_proxy=",
                                        "https_proxy=",
                                        "HTTPS_PROXY=",
                                        "all_proxy=",
                                        "ALL_PROXY=",
                                        "no_proxy=",
                                        "NO_PROXY=",
                                        "SSL_CERT_",
                                        "LANG=",
                                        "LC_",
                                        "TZ=",
                                        "RES_OPTIONS=",
                                        "LOCALDOMAIN=",
                                        "FLOTILLA_",
                                        "ASAN_OPTIONS=",
                                        "UBSAN_OPTIONS=",
                                        NULL };
    struct supervisor *supervisor = transfer->supervisor;
    const char *self = supervisor->options.self_exe;
    autofree char **environment = environment_with(kept);
    char *args[] = { (char *) (uintptr_t) self, (char[]) { "transfer" }, NULL };
    uv_stdio_container_t stdio[] = { { .flags = UV_IGNORE },
                                     { .flags = UV_IGNORE },
                                     { .flags = UV_INHERIT_FD, .data.fd = 2 },
                                     { .flags = UV_INHERIT_FD, .data.fd = link_fd },
                                     { .flags = UV_INHERIT_FD, .data.fd = stream_fd } };
    const uv_process_options_t options = { .exit_cb = on_process_exit,
                                           .file = self,
                                           .args = args,
                                           .env = environment,
                                           .stdio_count = (int) ARRAY_LEN(stdio),
                                           .stdio = stdio };
    int r;

    if (!environment)
        return error_set(err, -ENOMEM, "a transfer: out of memory");
    transfer->process.data = transfer;
    EFFECT("transfer_spawn", r = uv_spawn(supervisor->loop, &transfer->process, &options));
    transfer->started = true; /* the handle is the loop's, whatever became of it */
    if (r == 0)
        return 0;
    transfer->process_ended = true;
    return error_set(err, r, "a transfer: %s cannot be started: %s", self, uv_strerror(r));
}

static int open_link(struct transfer *transfer, int fd, json_t *start, struct error *err)
{
    int r = channel_open(transfer->supervisor->loop, fd, FRAME_MAX_LINK, on_link_frame,
                         on_link_closed, transfer, &transfer->link, err);

    if (r == 0)
        channel_send_secret(transfer->link, start, FRAME_MAX_LINK);
    return r;
}

static int pass_stream(const struct transfer *transfer, int fd, struct error *err)
{
    autojson json_t *frame = json_frame("transfer_open");
    int r;

    if (!frame || json_add_i64(frame, "id", transfer->id) < 0)
        return error_set(err, -ENOMEM, "a transfer: out of memory");
    EFFECT("transfer_open",
           r = channel_send_with(transfer->job->worker, frame, FRAME_MAX_OPERATOR, fd, err));
    return r;
}

/* The stream's other end stays the transfer process's alone. */
static int launch(struct transfer *transfer, json_t *start, struct error *err)
{
    autoclose int link = -1, link_theirs = -1, stream = -1, stream_theirs = -1;
    int r = make_pair(&link, &link_theirs, err);

    if (r == 0)
        r = make_pair(&stream, &stream_theirs, err);
    if (r == 0)
        r = spawn(transfer, link_theirs, stream_theirs, err);
    if (r == 0)
        r = open_link(transfer, take_fd(&link), start, err);
    return r == 0 ? pass_stream(transfer, stream, err) : r;
}

static void refuse(struct transfer *transfer, const char *why)
{
    autojson json_t *frame = json_frame("transfer_open");

    (void) json_add_str(frame, "error", why);
    answer(transfer, frame);
    transfer->job = NULL;
}

static void free_waiting(struct supervisor *supervisor, struct transfer *transfer)
{
    unlink_transfer(supervisor, transfer);
    json_object_put(transfer->request);
    free(transfer);
}

/* It stays until its process is reaped. */
static void stop_started(struct transfer *transfer)
{
    transfer->job = NULL;
    channel_close(transfer->link);
    transfer->link = NULL;
    if (!transfer->process_ended)
        (void) uv_process_kill(&transfer->process, SIGKILL);
    close_if_over(transfer);
}

/* Nobody waits for it any more. */
static void end_transfer(struct supervisor *supervisor, struct transfer *transfer)
{
    if (transfer->started)
        stop_started(transfer);
    else
        free_waiting(supervisor, transfer);
}

static size_t count_running(const struct supervisor *supervisor)
{
    size_t n = 0;

    for (const struct transfer *transfer = supervisor->transfers; transfer;
         transfer = transfer->next)
        n += transfer->started;
    return n;
}

/* Whose worker would take its stream now. */
static struct transfer *first_waiting(const struct supervisor *supervisor)
{
    struct transfer *transfer = supervisor->transfers;

    while (transfer && (transfer->started || !channel_is_flushed(transfer->job->worker)))
        transfer = transfer->next;
    return transfer;
}

/* False: it waits for descriptors. */
static bool start(struct supervisor *supervisor, struct transfer *transfer)
{
    autojson json_t *frame = NULL;
    struct error err = { 0 };
    int r = supplier_transfer_start(transfer->job, transfer->request, &frame, &err);
    bool may_have = r == 0;

    if (may_have)
        r = launch(transfer, frame, &err);
    if (may_have && r < 0 && !transfer->started && descriptors_were_short(r))
        return false;
    json_object_put(transfer->request);
    transfer->request = NULL;
    if (r == 0)
        return true;
    if (may_have)
        log_error("job %" PRId64 ": %s", transfer->job->job_id, err.message);
    refuse(transfer, err.message);
    end_transfer(supervisor, transfer);
    return true;
}

/* In the order in which they were asked for. */
static void start_waiting(struct supervisor *supervisor)
{
    struct transfer *transfer;

    while ((transfer = first_waiting(supervisor)) &&
           count_running(supervisor) < (size_t) fault_limit_ms("transfers", RUNNING_MAX) &&
           descriptors_left(DESCRIPTORS_NEEDED) && start(supervisor, transfer))
        continue;
}

static struct transfer *find(const struct job *job, int64_t id)
{
    struct transfer *transfer = job->supervisor->transfers;

    while (transfer && (transfer->job != job || transfer->id != id))
        transfer = transfer->next;
    return transfer;
}

static size_t count_of(const struct job *job)
{
    size_t n = 0;

    for (const struct transfer *transfer = job->supervisor->transfers; transfer;
         transfer = transfer->next)
        n += transfer->job == job;
    return n;
}

void transfers_ask(struct job *job, int64_t id, json_t *request)
{
    struct supervisor *supervisor = job->supervisor;
    bool too_many = find(job, id) || count_of(job) >= A_JOB_MAX;
    struct transfer *transfer = mem_zero(sizeof(*transfer)), **at = &supervisor->transfers;

    if (!transfer)
        return; /* the worker asks again in a while, or gives up */
    *transfer = (struct transfer) { .supervisor = supervisor, .job = job, .id = id };
    if (too_many) {
        refuse(transfer, "other transfers of this job have not ended yet");
        free(transfer);
        return;
    }
    transfer->request = json_object_get(request);
    while (*at)
        at = &(*at)->next;
    *at = transfer;
    start_waiting(supervisor);
}

void transfers_commit(struct job *job, int64_t id, bool whole)
{
    autojson json_t *frame = json_frame("commit");
    const struct transfer *transfer = find(job, id);

    if (!transfer || !transfer->link || !frame)
        return;
    (void) json_add_bool(frame, "whole", whole);
    EFFECT("transfer_commit", channel_send(transfer->link, frame, FRAME_MAX_LINK));
}

void transfers_stop(struct job *job, int64_t id)
{
    struct transfer *transfer = find(job, id);

    if (transfer)
        end_transfer(job->supervisor, transfer);
}

void transfers_drop(struct job *job)
{
    struct transfer *next;

    for (struct transfer *transfer = job->supervisor->transfers; transfer; transfer = next) {
        next = transfer->next;
        if (transfer->job == job)
            end_transfer(job->supervisor, transfer);
    }
}

void transfers_tick(struct supervisor *supervisor)
{
    start_waiting(supervisor);
}

void transfers_close(struct supervisor *supervisor)
{
    while (supervisor->transfers) {
        struct transfer *transfer = supervisor->transfers;

        if (transfer->started) {
            unlink_transfer(supervisor, transfer);
            stop_started(transfer);
        } else {
            free_waiting(supervisor, transfer);
        }
    }
}
