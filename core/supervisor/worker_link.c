/* core/supervisor/worker_link.c - a job's worker from the supervisor's side, once it is there
 * (worker_start.c): heard, told, and found dead (docs/design/processes.md "Job worker").
 *
 * Whether a worker lives is never guessed: the lock on its spool says so. One that hangs is killed at
 * its deadline; while the lock is held its process id is still its own. */
#include "core/supervisor/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/descriptors.h"
#include "core/base/frame.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/hold.h"
#include "core/supervisor/settle.h"
#include "core/supervisor/spool.h"
#include "core/supervisor/standby.h"

#define LOG_TOPIC "worker"
#include "core/base/log.h"

/* A worker that died before it wrote a byte has run nothing: it is started again this often. */
#define MAX_STARTS 5

/* What a worker may need beyond its job's timeout: after_script (5 min), clean-up (1 min), the stops
 * of stages; and after an abort, which it heeds at once (coordinator-protocol.md 1.10). */
#define END_GRACE_MS (10 * 60 * 1000)
#define ABORT_GRACE_MS (5 * 60 * 1000)
#define EXIT_WORD_MS 5000

int64_t worker_time_left_ms(const struct job *job)
{
    return job->end_due_mono - fault_limit_ms("end_grace", END_GRACE_MS) -
           now_mono(job->supervisor);
}

void worker_hang_up(struct job *job)
{
    transfers_drop(job);
    channel_close(job->worker);
    job->worker = NULL;
}

static void expect_end(struct job *job, int64_t within_ms)
{
    int64_t due = now_mono(job->supervisor) + within_ms;

    job->end_due_mono = job->end_due_mono == 0 ? due : MIN(job->end_due_mono, due);
}

/* The worker decides by the job's variables whether its log may show what is hidden otherwise, before
 * it knows the instance; GitLab shows such a log to fewer people (hardening.md M10). */
static int note_running(struct job *job, bool debug_trace)
{
    struct error err = { 0 };
    int r;

    job->debug_trace = debug_trace;
    EFFECT("payload_drop", r = ledger_start_job(job->supervisor->ledger, job->seq, job->worker_pid,
                                                debug_trace, &err));
    if (r < 0) {
        supervisor_fatal(job->supervisor, "noting that a job runs", &err);
        return r;
    }
    job->state = JOB_RUNNING;
    settle_then(job);
    job->started_ms = now_wall(job->supervisor);
    supervisor_emit(job->supervisor, EVENT_JOB_RUNNING, job->group, job->instance_id, job, "");
    return 0;
}

/* The lock is free: nobody writes the spool any more. An empty spool means that the worker never
 * began, because it writes the job's header before it touches the instance. */
static void worker_is_dead(struct job *job, int lock_fd)
{
    bool began = job->state >= JOB_RUNNING || spool_size(job->supervisor, job->seq) > 0;
    const struct fleet_instance *instance = fleet_find(job->group->fleet, job->instance_id);

    job->spawned = job->start_sent = false;
    if (job->lock_fd < 0)
        job->lock_fd = lock_fd;
    if (!began && job->payload && job->starts < MAX_STARTS && instance && !job->abort_told &&
        !job->cancel_told) {
        log_notice("job %" PRId64 ": its worker ended before it began, starting another",
                   job->job_id);
        job_put_on(job, instance, job->slot);
        return;
    }
    log_error("job %" PRId64 ": its worker, on instance %s, ended without a result", job->job_id,
              job->instance_id);
    if (began)
        group_worker_crashed(job->group, job->instance_id);
    /* Nobody can say any more what its log may show: taken for a debug trace, it is hidden too well at worst. */
    if (began && job->state < JOB_RUNNING && note_running(job, true) < 0)
        return;
    group_doubt(job->group, job->instance_id, "its job's worker did not say what became of its VM");
    job_fail_system(job, *job->lost_reason  ? job->lost_reason
                         : *job->end_reason ? job->end_reason
                                            : "the job's worker ended unexpectedly");
}

/* Without a connection: acts on a lock that is free. */
static void check_lock(struct job *job)
{
    int lock_fd = -1;

    if (job->state >= JOB_FINISHED || job->state < JOB_ASSIGNED || job->worker || job->connecting ||
        job->to_begin)
        return;
    if (job->lock_fd >= 0)
        return; /* we hold it ourselves: no worker was spawned yet */
    if (spool_try_lock(job->supervisor, job->seq, &lock_fd) == 1)
        worker_is_dead(job, lock_fd);
}

/* Ends a worker that hangs or talks nonsense; its job ends as that of any dead worker. */
static void worker_kill(struct job *job, const char *why)
{
    int lock_fd = -1;

    log_error("job %" PRId64 ": %s (process %" PRId64 ")", job->job_id, why, job->worker_pid);
    (void) str_copy(job->end_reason, sizeof(job->end_reason), why);
    job->starts = MAX_STARTS; /* no other is tried */
    job->end_due_mono = now_mono(job->supervisor) + ABORT_GRACE_MS;
    worker_hang_up(job);
    if (spool_try_lock(job->supervisor, job->seq, &lock_fd) == 1)
        worker_is_dead(job, lock_fd);
    else if (job->worker_pid > 0)
        (void) kill((pid_t) job->worker_pid, SIGKILL);
    else
        log_error("job %" PRId64 ": end the process that has %s/spool/%" PRId64 ".log open",
                  job->job_id, job->supervisor->state_dir, job->seq);
}

void worker_tick(struct job *job)
{
    int64_t now = now_mono(job->supervisor);

    if (job->start_sent && job->state < JOB_FINISHED && now >= job->end_due_mono)
        worker_kill(job, "the job's worker did not end in time and was killed");
    else if (now >= job->exit_word_due_mono)
        check_lock(job);
}

void worker_expect_end(struct job *job)
{
    expect_end(job, job->timeout_s * 1000 + fault_limit_ms("end_grace", END_GRACE_MS));
}

void worker_expect(struct job *job)
{
    job->spawned = job->start_sent = true;
    worker_expect_end(job);
    check_lock(job);
}

/* With the signal for which the manager stops its jobs, where that is why. */
static void tell_abort(struct job *job)
{
    autojson json_t *frame = json_frame("abort");

    if (!job->worker || !frame)
        return;
    (void) json_add_str(frame, "signal", job->supervisor->interrupt);
    channel_send(job->worker, frame, FRAME_MAX_OPERATOR);
}

void worker_abort(struct job *job)
{
    tell_abort(job);
    expect_end(job, fault_limit_ms("abort_grace", ABORT_GRACE_MS));
}

void worker_lose_instance(struct job *job)
{
    worker_tell(job, "instance_lost", job->lost_reason);
    expect_end(job, fault_limit_ms("abort_grace", ABORT_GRACE_MS));
}

/* The row has it since `started`, unless that overtook the spawner's word. */
static void note_pid(struct job *job, int64_t pid)
{
    bool known = job->worker_pid == pid;
    struct error err = { 0 };

    job->worker_pid = pid;
    if (!known && job->state == JOB_RUNNING &&
        ledger_note_worker(job->supervisor->ledger, job->seq, pid, &err) < 0)
        supervisor_fatal(job->supervisor, "noting a job's worker", &err);
}

static struct job *job_of_process(struct supervisor *supervisor, int64_t tag)
{
    struct job *job = supervisor->jobs;

    while (job && job->worker_tag != tag)
        job = job->next;
    return job;
}

void worker_on_spawned(void *arg, int64_t tag, int64_t pid, const char *failure)
{
    struct job *job;

    if (tag < 0) {
        probe_on_spawned(arg, tag, pid, failure);
        return;
    }
    job = job_of_process(arg, tag);
    if (!job)
        return;
    if (!failure) {
        note_pid(job, pid);
        return;
    }
    worker_hang_up(job);
    job->spawned_here = false;
    job->starts--;
    if (job->state >= JOB_FINISHED || job->abort_told || job->cancel_told || *job->lost_reason)
        check_lock(job); /* it is not to be started any more */
    else
        worker_start_later(job, failure);
}

static const char *meaning_of(int signal)
{
    return signal == SIGSYS ? ": it made a system call that its sandbox forbids" : "";
}

/* Whoever crashed a process of ours gets no second try at its address layout. */
static void note_probe_end(struct supervisor *supervisor, int64_t tag, int status, int signal)
{
    if (!standby_on_exited(supervisor, tag, signal))
        probe_on_exited(supervisor, tag, status, signal);
    if (signal != 0)
        standby_end_all(supervisor);
}

void worker_on_exited(void *arg, int64_t tag, int status, int signal)
{
    struct supervisor *supervisor = arg;
    struct job *job = job_of_process(supervisor, tag);
    int64_t row = job ? job->seq : tag;

    if (tag < 0 && !job) {
        note_probe_end(supervisor, tag, status, signal);
        return;
    }
    if (signal != 0)
        standby_end_all(supervisor);
    if (signal != 0)
        log_error("the worker of job row %" PRId64 " was killed by signal %d%s%s%s", row, signal,
                  job ? " on instance " : "", job ? job->instance_id : "", meaning_of(signal));
    else if (status != 0)
        log_warning("the worker of job row %" PRId64 " ended with status %d", row, status);
    if (job && signal != 0 && job->state >= JOB_FINISHED)
        group_worker_crashed(job->group, job->instance_id);
    if (!job || job->state >= JOB_FINISHED)
        return;
    if (signal != 0 && !*job->end_reason)
        (void) snprintf(job->end_reason, sizeof(job->end_reason),
                        "the job's worker was killed by signal %d%s", signal, meaning_of(signal));
    job->spawned_here = false;
    job->exit_word_due_mono = 0;
    check_lock(job);
}

static void on_worker_closed(void *arg, const char *why)
{
    struct job *job = arg;

    job->worker = NULL;
    transfers_drop(job);
    log_debug("job %" PRId64 ": connection to its worker ended: %s", job->job_id, why);
    /* The spawner's word about a worker of our own comes in a moment and names the signal. */
    if (job->spawned_here)
        job->exit_word_due_mono = now_mono(job->supervisor) + EXIT_WORD_MS;
    else
        check_lock(job);
}

void worker_tell(struct job *job, const char *type, const char *message)
{
    autojson json_t *frame = json_frame(type);

    if (!job->worker || !frame)
        return;
    (void) json_add_str(frame, "message", message);
    channel_send(job->worker, frame, FRAME_MAX_OPERATOR);
}

void worker_answer_host_key(struct group *group, const char *instance, struct channel *asker,
                            json_t *frame)
{
    autojson json_t *verdict = json_frame("host_key_verdict");
    struct error err = { 0 };
    const char *type = NULL, *key = NULL;
    bool pinned = false;
    int r;

    r = json_need_str(frame, "key_type", &type, &err);
    if (r == 0)
        r = json_need_str(frame, "key", &key, &err);
    if (r == 0)
        r = json_opt_bool(frame, "pinned", &pinned, &err);
    if (r == 0 && pinned)
        r = error_set(&err, -EKEYREJECTED,
                      "the instance shows a host key that its provider does not vouch for; nothing "
                      "was sent to it");
    if (r == 0)
        r = ledger_check_host_key(group->supervisor->ledger, group->id, instance, type, key, &err);
    if (!verdict)
        return;
    (void) json_add_bool(verdict, "ok", r == 0);
    if (r < 0) {
        log_error("instance %s: %s; it will be replaced", instance, err.message);
        (void) json_add_str(verdict, "message", err.message);
        group_mark_removing(group, instance, REASON_HOST_KEY_CHANGED);
    }
    channel_send(asker, verdict, FRAME_MAX_OPERATOR);
}

static void take_started(struct job *job, json_t *frame)
{
    bool debug_trace = false;

    job_take_directory(job, frame);
    if (job->state >= JOB_RUNNING)
        return;
    (void) json_opt_bool(frame, "debug_trace", &debug_trace, NULL);
    if (note_running(job, debug_trace) == 0)
        counts_note_inputs(job->supervisor, frame);
}

/* Its worker could not write on, and says so: the log's reader must hear of it, too. */
static void end_broken_log(struct job *job, int error)
{
    const char *remedy = error == ENOSPC || error == EDQUOT
                             ? "; whoever runs the manager has to free space there, then retry"
                             : "";
    char line[256];

    (void) snprintf(line, sizeof(line),
                    "Job failed (system failure): the rest of this log is lost, the manager's disk "
                    "could not take it: %s%s",
                    strerror(error), remedy);
    spool_append_last(job->supervisor, job->seq, line);
    log_error("job %" PRId64 ": %s/spool/%" PRId64 ".log cannot be written: %s; the job ends there",
              job->job_id, job->supervisor->state_dir, job->seq, strerror(error));
}

void worker_end(struct job *job)
{
    autojson json_t *stored = json_frame("result_stored");

    job->result_untold = false;
    if (!stored)
        worker_hang_up(job);
    if (!job->worker)
        return;
    EFFECT("result_stored", channel_send(job->worker, stored, FRAME_MAX_OPERATOR));
    channel_close_flushed(job->worker);
    job->worker = NULL;
    transfers_drop(job);
}

static void take_result(struct job *job, json_t *frame)
{
    struct error err = { 0 };
    const char *state = NULL, *reason = "";
    json_t *supported = NULL;
    int64_t exit_code = 0, log_errno = 0;
    bool unclean = false;

    if (json_need_str(frame, "state", &state, &err) < 0 ||
        (!str_eq(state, "success") && !str_eq(state, "failed")) ||
        json_opt_str(frame, "failure_reason", &reason, &err) < 0 ||
        json_opt_array(frame, "supported_reasons", &supported, &err) < 0 ||
        json_opt_i64(frame, "log_errno", 1, 4095, &log_errno, &err) < 0 ||
        json_opt_bool(frame, "unclean", &unclean, &err) < 0 ||
        json_opt_i64(frame, "exit_code", INT32_MIN, INT32_MAX, &exit_code, &err) < 0) {
        log_error("job %" PRId64 ": %s", job->job_id, err.message);
        worker_kill(job, "the job's worker sent a result that cannot be read");
        return;
    }
    if (job->state < JOB_FINISHED) {
        take_started(job, frame);
        /* Mostly a lost connection; nothing else runs there until a list has shown the instance. */
        if (str_eq(reason, "runner_system_failure")) {
            group_connection_lost(job->group, job->instance_id);
            if (job->spawned_here && !job->connected)
                group_not_reached(job->group, job->instance_id);
        }
        if (unclean)
            group_doubt(job->group, job->instance_id, "a job may have left a VM on it");
        if (log_errno != 0)
            end_broken_log(job, (int) log_errno);
        if (str_eq(state, "success"))
            job_finish(job, "success", NULL, 0, NULL);
        else
            job_finish(job, "failed", job_map_reason(supported, reason), exit_code, NULL);
    }
    if (job->state != JOB_FINISHED)
        return;
    job->result_untold = true;
    settle_then(job);
}

/* They come in order; only the first is told without an instance. */
static void take_stage(struct job *job, json_t *frame)
{
    const char *name = "";

    (void) json_opt_str(frame, "name", &name, NULL);
    job_take_directory(job, frame);
    job->connected |= !str_eq(name, "prepare_executor");
    counts_note_stage(job);
    (void) str_copy(job->stage, sizeof(job->stage), name);
}

static void answer_hold(struct job *job)
{
    autojson json_t *answer = hold_answer_worker(job);

    if (answer && job->worker)
        channel_send(job->worker, answer, FRAME_MAX_OPERATOR);
}

/* What asks for something, or tells what must be believed; negative: it is refused. */
static int take_request(struct job *job, const char *type, json_t *frame, struct error *err)
{
    return str_eq(type, "vm") ? job_take_vm(job, frame, err) : supplier_take(job, type, frame, err);
}

/* Behind its result a worker says nothing, and when it comes back no more than who it is and the result once more
 * (core/job/report.c). */
static bool is_too_late(const struct job *job, const char *type)
{
    return job->result_untold || (job->state >= JOB_FINISHED && !str_eq(type, "started") &&
                                  !str_eq(type, "vm") && !str_eq(type, "result"));
}

static void on_worker_frame(void *arg, json_t *frame)
{
    struct job *job = arg;
    struct error err = { 0 };
    const char *type = "";

    (void) json_opt_str(frame, "type", &type, NULL);
    if (is_too_late(job, type)) {
        log_error("job %" PRId64 ": its worker sent something behind its job's result, ending the "
                  "connection",
                  job->job_id);
        worker_hang_up(job);
    } else if (str_eq(type, "started")) {
        take_started(job, frame);
    } else if (str_eq(type, "host_key")) {
        worker_answer_host_key(job->group, job->instance_id, job->worker, frame);
    } else if (str_eq(type, "login_expired")) {
        group_renew_login(job->group, job);
    } else if (str_eq(type, "hold")) {
        answer_hold(job);
    } else if (str_eq(type, "result")) {
        take_result(job, frame);
    } else if (str_eq(type, "stage")) {
        take_stage(job, frame);
    } else if (!str_eq(type, "progress") && take_request(job, type, frame, &err) < 0) {
        log_error("job %" PRId64 ": its worker sent a frame that is refused (%s), ending the "
                  "connection",
                  job->job_id, err.message);
        worker_hang_up(job);
    }
}

void worker_hear(struct job *job, struct channel *channel)
{
    job->worker = channel;
    channel_set_owner(channel, FRAME_MAX_OPERATOR, on_worker_frame, on_worker_closed, job);
}

static bool is_understood(json_t *attach, int64_t *ret_protocol)
{
    if (attach)
        (void) json_opt_i64(attach, "protocol", 0, INT64_MAX, ret_protocol, NULL);
    *ret_protocol = MAX(*ret_protocol, (int64_t) 1);
    return *ret_protocol >= WORKER_PROTOCOL_OLDEST && *ret_protocol <= WORKER_PROTOCOL;
}

/* One of a version that is too old or too new. It ends its script and then itself; the job's end is written when it
 * no longer holds the spool. */
static void refuse_worker(struct job *job, struct channel *channel, int64_t protocol)
{
    autojson json_t *refused = json_frame("refused");

    (void) str_copy(job->end_reason, sizeof(job->end_reason),
                    "the manager was replaced by a version that cannot go on with this job");
    log_error("job %" PRId64 ": its worker speaks protocol %" PRId64
              " and this manager %d to %d: the "
              "job ends as a failure of the system",
              job->job_id, protocol, WORKER_PROTOCOL_OLDEST, WORKER_PROTOCOL);
    (void) json_add_str(refused, "message", job->end_reason);
    if (refused)
        channel_send(channel, refused, FRAME_MAX_OPERATOR);
    channel_close_flushed(channel);
    job->starts = MAX_STARTS; /* no other is tried */
    expect_end(job, fault_limit_ms("abort_grace", ABORT_GRACE_MS));
}

void worker_attach(struct job *job, struct channel *channel, json_t *attach)
{
    autojson json_t *attached = json_frame("attached");
    struct ucred peer = { 0 };
    socklen_t len = sizeof(peer);
    int64_t protocol = 0;

    if (getsockopt(channel_fd(channel), SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        note_pid(job, peer.pid);
    worker_hang_up(job);
    if (!is_understood(attach, &protocol)) {
        refuse_worker(job, channel, protocol);
        return;
    }
    worker_hear(job, channel);
    job->spawned = job->start_sent = true;
    job->spawned_here = false;
    if (attached)
        channel_send(channel, attached, FRAME_MAX_OPERATOR);
    log_notice("job %" PRId64 ": its worker is back, the job goes on", job->job_id);
    if (job->cancel_told)
        worker_tell(job, "cancel", NULL);
    if (job->abort_told)
        tell_abort(job);
    if (*job->lost_reason)
        worker_lose_instance(job);
    job_tell_going(job);
    hold_tell_worker(job);
}
