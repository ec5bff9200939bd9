/* core/supervisor/job.c - one job in the supervisor: received, acknowledged, given a slot. Each step is in the
 * ledger before its effect (settle.h); states only go forward.
 *
 * worker_start.c gives the job its worker, worker_link.c talks to that, reporter.c to GitLab about it, job_end.c
 * ends it; adopt.c brings back the jobs of a former run. */
#include "core/supervisor/internal.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/settle.h"
#include "core/supervisor/terminals.h"

#define LOG_TOPIC "job"
#include "core/base/log.h"

#define MAX_JOB_TIMEOUT_S (365 * 24 * 3600)
#define ACKNOWLEDGE_PAUSE_MS 1000
#define ACKNOWLEDGE_PATIENCE_MS (90 * 1000)

static struct job *job_new(struct group *group)
{
    struct supervisor *supervisor = group->supervisor;
    struct job *job = mem_zero(sizeof(*job)), **at;

    if (!job)
        return NULL;
    job->supervisor = supervisor;
    job->group = group;
    job->lock_fd = job->spool_fd = -1;
    for (at = &supervisor->jobs; *at; at = &(*at)->next)
        continue;
    *at = job; /* behind the others: waiters are served in the order in which they came */
    return job;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void job_free(struct job *job)
{
    for (struct job **at = &job->supervisor->jobs; *at; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            break;
        }
    reporter_stop(job);
    worker_hang_up(job);
    terminal_remove(job);
    if (job->lock_fd >= 0)
        (void) close(job->lock_fd);
    if (job->spool_fd >= 0)
        (void) close(job->spool_fd);
    secret_free(job->token);
    secret_free(job->payload);
    free(job->name);
    free(job->vm_address);
    free(job->directory);
    free(job->artifact_url);
    if (job->timer.data)
        uv_close((uv_handle_t *) &job->timer, on_timer_closed);
    else
        free(job);
}

struct job *job_find(struct supervisor *supervisor, int64_t seq)
{
    for (struct job *job = supervisor->jobs; job; job = job->next)
        if (job->seq == seq)
            return job;
    return NULL;
}

static bool holds_slot(const struct job *job)
{
    return job->state == JOB_ASSIGNED || job->state == JOB_RUNNING;
}

/* The smallest number that none of the runner's jobs on instances has, 64 numbers a pass; with `of_project` only
 * jobs of its project count, by their second number. */
static int64_t smallest_unused(const struct job *job, bool of_project)
{
    for (int64_t first = 0;; first += 64) {
        uint64_t taken = 0;

        for (const struct job *other = job->supervisor->jobs; other; other = other->next) {
            int64_t id = of_project ? other->concurrent_project_id : other->concurrent_id;

            if (other != job && other->group->id == job->group->id && holds_slot(other) &&
                (!of_project || other->project_id == job->project_id) && id >= first &&
                id < first + 64)
                taken |= UINT64_C(1) << (id - first);
        }
        if (taken != UINT64_MAX)
            return first + __builtin_ctzll(~taken);
    }
}

/* coordinator-protocol.md 6.2. The second is part of the build directory's path: no two jobs may share it at a time,
 * so both are in the ledger with the slot. */
static void pick_concurrent_ids(struct job *job)
{
    job->concurrent_id = smallest_unused(job, false);
    job->concurrent_project_id = smallest_unused(job, true);
}

int job_read_payload(json_t *payload, struct ledger_job *ret, const char **ret_token,
                     struct error *err)
{
    json_t *info = NULL, *runner_info = NULL;
    int r;

    ret->name = "";
    r = json_need_i64(payload, "id", 1, INT64_MAX, &ret->job_id, err);
    if (r == 0)
        r = json_need_str(payload, "token", ret_token, err);
    if (r == 0 && !**ret_token)
        r = error_set(err, -EINVAL, "token: is empty");
    if (r < 0)
        return r;
    (void) json_opt_object(payload, "job_info", &info, NULL);
    if (info) {
        (void) json_opt_str(info, "name", &ret->name, NULL);
        (void) json_opt_i64(info, "project_id", 0, INT64_MAX, &ret->project_id, NULL);
    }
    (void) json_opt_object(payload, "runner_info", &runner_info, NULL);
    if (runner_info)
        (void) json_opt_i64(runner_info, "timeout", INT64_MIN, INT64_MAX, &ret->timeout_s, NULL);
    if (ret->timeout_s <= 0)
        ret->timeout_s = 7200;
    ret->timeout_s = MIN(ret->timeout_s, MAX_JOB_TIMEOUT_S);
    return 0;
}

int job_from_payload(struct group *group, const struct session *session, const char *body,
                     size_t len, struct error *err)
{
    struct supervisor *supervisor = group->supervisor;
    auto_ptr(secret_free) struct secret *kept = NULL;
    autojson json_t *payload = NULL;
    struct ledger_job row = { .group_id = group->id,
                              .coordinator_url = group->runner->url,
                              .runner = group->runner->name,
                              .received_ms = now_wall(supervisor) };
    const char *token = NULL;
    struct job *job;
    int r;

    r = json_parse(body, len, &payload, err);
    if (r == 0)
        r = job_read_payload(payload, &row, &token, err);
    if (r < 0)
        return error_wrap(err, r, "job payload");
    job = job_new(group);
    if (!job)
        return error_set(err, -ENOMEM, "job %" PRId64 ": out of memory", row.job_id);
    job->job_id = row.job_id;
    job->project_id = row.project_id;
    job->timeout_s = row.timeout_s;
    job->received_ms = row.received_ms;
    job->name = mem_strdup(row.name);
    job->token = row.token = secret_from_str(token);
    job->payload = row.payload = secret_new(body, len);
    job->had_reservation = true;
    if (session && terminal_add(job, session) == 0)
        row.session = kept = terminal_kept(job);
    if (!job->name || !job->token || !job->payload || (session && !kept)) {
        job_free(job);
        return error_set(err, -ENOMEM, "job %" PRId64 ": out of memory", row.job_id);
    }
    EFFECT("job_row", r = ledger_add_job(supervisor->ledger, &row, err));
    if (r < 0) {
        job_free(job);
        return r;
    }
    job->seq = row.seq;
    job->state = JOB_RECEIVED;
    counts_note_payload(group, payload);
    log_info("Checking for jobs... received: job %" PRId64 " of runner '%s'", job->job_id,
             group->runner->name);
    supervisor_emit(supervisor, EVENT_JOB_RECEIVED, group, "", job, "");
    settle_then(job);
    return 0;
}

static void begin(struct job *job)
{
    struct supervisor *supervisor = job->supervisor;

    supervisor_emit(supervisor, EVENT_JOB_ASSIGNED, job->group, job->instance_id, job, "");
    job->assigned_mono = job->connect_since_mono = now_mono(supervisor);
    worker_begin(job);
}

void job_settled(struct job *job)
{
    bool to_begin = job->to_begin;

    job->to_begin = false;
    if (job->state == JOB_RECEIVED)
        job_acknowledge(job);
    if (to_begin && job->state == JOB_ASSIGNED)
        begin(job);
    if (job->result_untold)
        worker_end(job);
}

/* A job of a former run, as its row tells; adopt.c decides what becomes of it. */
struct job *job_adopt_row(struct group *group, const struct ledger_job *row)
{
    struct job *job = job_new(group);

    if (!job)
        return NULL;
    job->seq = row->seq;
    job->job_id = row->job_id;
    job->project_id = row->project_id;
    job->timeout_s = row->timeout_s;
    job->debug_trace = row->debug_trace;
    job->state = row->state;
    job->slot = (uint32_t) row->slot;
    job->worker_pid = row->worker_pid;
    job->concurrent_id = row->concurrent_id;
    job->concurrent_project_id = row->concurrent_project_id;
    job->exit_code = row->exit_code;
    job->log_size = row->log_size;
    job->log_crc = row->log_crc;
    job->received_ms = row->received_ms;
    job->assigned_ms = row->assigned_ms;
    job->started_ms = row->started_ms;
    job->finished_ms = row->finished_ms;
    job->report.sent = job->report.peak = job->noted_offset = row->sent_offset;
    job->crc_offset = row->log_size;
    job->crc = row->log_crc;
    (void) str_copy(job->worker_key, sizeof(job->worker_key), row->worker_key);
    (void) str_copy(job->instance_id, sizeof(job->instance_id), row->instance_id);
    (void) str_copy(job->vm, sizeof(job->vm), row->vm);
    (void) str_copy(job->result_state, sizeof(job->result_state), row->result_state);
    (void) str_copy(job->failure_reason, sizeof(job->failure_reason), row->failure_reason);
    job->name = mem_strdup(row->name ? row->name : "");
    job->token = secret_dup(row->token);
    job->payload = secret_dup(row->payload);
    if (!job->name || (row->token && !job->token) || (row->payload && !job->payload) ||
        terminal_restore(job, row->session) < 0) {
        job_free(job);
        return NULL;
    }
    return job;
}

void job_drop_reservation(struct job *job)
{
    if (job->had_reservation)
        fleet_unreserve(job->group->fleet);
    job->had_reservation = false;
}

/* Answers to several requests can bring more jobs than `concurrent` has places. */
static bool has_place(const struct job *job)
{
    const struct supervisor *supervisor = job->supervisor;
    int64_t taken = 0;

    for (const struct job *other = supervisor->jobs; other; other = other->next)
        taken += other->state < JOB_FINISHED &&
                 (other->state > JOB_ACKNOWLEDGED || other->waiting_since_mono != 0);
    return taken < supervisor->config->concurrent;
}

void job_wait(struct job *job)
{
    bool had_reservation = job->had_reservation;

    if (!has_place(job))
        return; /* job_tick() asks again */
    job->had_reservation = false;
    job->waiting_since_mono = now_mono(job->supervisor);
    if (job->group->retired)
        job_fail_system(job, "its runner is no longer in the manager's configuration");
    else if (!job->payload)
        job_fail_system(job, "its payload was lost in a restart of the manager");
    else if (fleet_wait(job->group->fleet, job->seq, had_reservation) < 0)
        job_fail_system(job, "the manager is out of memory");
}

/* Without an answer nobody knows whether GitLab heard it, and it takes no final state of a job that it
 * did not hear acknowledged. It gives such a job to others after two minutes. */
static bool acknowledge_later(struct job *job, const struct update_outcome *outcome)
{
    int64_t now = now_mono(job->supervisor);

    if (outcome->status != COORDINATOR_TRANSPORT_ERROR || job->abort_told ||
        now - job->acknowledging_since_mono >= ACKNOWLEDGE_PATIENCE_MS)
        return false;
    log_warning("job %" PRId64 ": its acknowledgement met no answer (%s), retrying", job->job_id,
                outcome->message);
    job->acknowledge_at_mono = now + ACKNOWLEDGE_PAUSE_MS;
    return true;
}

static void on_acknowledged(void *arg, const struct update_outcome *outcome)
{
    struct job *job = arg;
    struct supervisor *supervisor = job->supervisor;
    struct error err = { 0 };

    job->call = NULL;
    effect_point("acknowledge", "after");
    if (acknowledge_later(job, outcome))
        return;
    if (outcome->result == UPDATE_ABORT) {
        log_notice("job %" PRId64 ": GitLab no longer wants it run (%s), dropped", job->job_id,
                   outcome->message);
        job_drop_reservation(job);
        job_close(job, "dropped at its acknowledgement");
        supervisor_evaluate_soon(supervisor);
        return;
    }
    if (ledger_acknowledge_job(supervisor->ledger, job->seq, &err) < 0) {
        supervisor_fatal(supervisor, "acknowledging a job", &err);
        return;
    }
    job->state = JOB_ACKNOWLEDGED;
    reporter_start(job, outcome->update_interval_ms);
    if (outcome->cancel || job->abort_told)
        job_drop_reservation(job);
    if (outcome->cancel)
        /* As it is: the mapping of 4.2 does not hold yet (coordinator-protocol.md 1.7, V8). */
        job_finish(job, "failed", "job_canceled", 0, NULL);
    else if (job->abort_told)
        job_end_stopped(job);
    else
        job_wait(job);
    supervisor_evaluate_soon(supervisor);
}

void job_acknowledge(struct job *job)
{
    struct coordinator_job_update update = { .job_id = job->job_id,
                                             .token = secret_reveal(job->token),
                                             .state = "running",
                                             .info = job->group->info };
    struct error err = { 0 };

    job->acknowledge_at_mono = 0;
    if (job->acknowledging_since_mono == 0)
        job->acknowledging_since_mono = now_mono(job->supervisor);
    effect_point("acknowledge", "before");
    if (coordinator_update_job(job->supervisor->coordinator, &job->group->host, &update,
                               on_acknowledged, job, &job->call, &err) < 0)
        supervisor_fatal(job->supervisor, "acknowledging a job", &err);
}

void job_put_on(struct job *job, const struct fleet_instance *instance, uint32_t slot)
{
    struct supervisor *supervisor = job->supervisor;
    struct ledger_assignment to;
    struct error err = { 0 };
    int r;

    rng_hex(supervisor->rng, job->worker_key, 16);
    (void) str_copy(job->instance_id, sizeof(job->instance_id), instance->id);
    job->slot = slot;
    if (job->state < JOB_ASSIGNED)
        pick_concurrent_ids(job);
    to = (struct ledger_assignment) { .instance_id = job->instance_id,
                                      .worker_key = job->worker_key,
                                      .slot = slot,
                                      .concurrent_id = job->concurrent_id,
                                      .concurrent_project_id = job->concurrent_project_id };
    EFFECT("assign_slot", r = ledger_assign_job(supervisor->ledger, job->seq, &to, &err));
    if (r < 0) {
        supervisor_fatal(supervisor, "giving a job its slot", &err);
        return;
    }
    if (job->state < JOB_ASSIGNED)
        job->state = JOB_ASSIGNED;
    job->assigned_ms = now_wall(supervisor);
    (void) ledger_note_warmth(supervisor->ledger, job->group->id, job->instance_id, job->project_id,
                              NULL);
    job->to_begin = true;
    settle_then(job);
}

static void check_acquire_timeout(struct job *job)
{
    int64_t limit = job->group->runner->autoscaler.instance_acquire_timeout_ms;
    autobuf struct buf why = BUF_INIT;

    if (job->state != JOB_ACKNOWLEDGED || job->waiting_since_mono == 0 ||
        now_mono(job->supervisor) - job->waiting_since_mono < limit)
        return;
    fleet_stop_waiting(job->group->fleet, job->seq);
    buf_add_str(&why, "unable to acquire instance within the configured timeout of ");
    format_duration(&why, limit);
    log_error("job %" PRId64 ": %s%s%s", job->job_id, buf_str(&why),
              *job->group->growth_error ? ": " : "", job->group->growth_error);
    job_fail_system(job, buf_str(&why));
}

void job_tick(struct job *job)
{
    if (job->supervisor->interrupt)
        job_stop(job, true);
    if (job->acknowledge_at_mono != 0 && now_mono(job->supervisor) >= job->acknowledge_at_mono)
        job_acknowledge(job);
    if (job->state == JOB_ACKNOWLEDGED && job->waiting_since_mono == 0)
        job_wait(job);
    check_acquire_timeout(job);
    if (job->state == JOB_ASSIGNED && job->connecting && job->connect_at_mono != 0 &&
        now_mono(job->supervisor) >= job->connect_at_mono && !job->supervisor->stopping)
        group_connect_info(job->group, job);
    worker_tick(job);
    terminal_pass(job);
}
