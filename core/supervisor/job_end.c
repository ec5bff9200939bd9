/* core/supervisor/job_end.c - how a job ends: by its worker's result, by a cancel or an abort, with its instance, by
 * a failure of ours; then told to GitLab by reporter.c, and closed. What job.c begins, this file ends. */
#include "core/supervisor/internal.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/coordinator/rules.h"
#include "core/supervisor/kept_logs.h"
#include "core/supervisor/settle.h"
#include "core/supervisor/spool.h"

#define LOG_TOPIC "job"
#include "core/base/log.h"

#define CHECKPOINT_AFTER_MS 500

const char *job_map_reason(json_t *reasons, const char *reason)
{
    const char *supported[64];
    size_t n = 0;

    for (size_t i = 0; reasons && i < json_object_array_length(reasons) && n < ARRAY_LEN(supported);
         i++) {
        json_t *item = json_object_array_get_idx(reasons, i);

        if (json_object_is_type(item, json_type_string))
            supported[n++] = json_object_get_string(item);
    }
    return rules_map_failure_reason(reason, supported, n);
}

/* For a job without a worker: its payload is still at hand. */
void job_end_stopped(struct job *job)
{
    const char *signal = job->supervisor->interrupt;
    autobuf struct buf line = BUF_INIT;
    autojson json_t *payload = NULL;
    json_t *features = NULL, *reasons = NULL;

    if (job->payload &&
        json_parse(secret_reveal(job->payload), secret_len(job->payload), &payload, NULL) == 0)
        (void) json_opt_object(payload, "features", &features, NULL);
    if (features)
        (void) json_opt_array(features, "failure_reasons", &reasons, NULL);
    buf_addf(&line, "Job failed: %s%s", signal ? "aborted: " : "canceled", signal ? signal : "");
    fleet_stop_waiting(job->group->fleet, job->seq);
    job_finish(job, "failed",
               job_map_reason(reasons, signal ? "runner_interrupted" : "job_canceled"), 0,
               buf_str(&line));
}

void job_stop(struct job *job, bool abort)
{
    bool *told = abort ? &job->abort_told : &job->cancel_told;

    if (job->state >= JOB_FINISHED || job->abort_told || *told)
        return;
    *told = true;
    log_notice("job %" PRId64 ": %s", job->job_id, abort ? "aborted" : "canceled");
    if (!job->start_sent && job->state > JOB_RECEIVED)
        job_end_stopped(job);
    else if (abort)
        worker_abort(job);
    else
        worker_tell(job, "cancel", NULL);
}

void job_instance_lost(struct job *job, const char *why)
{
    if (job->state >= JOB_FINISHED || *job->lost_reason)
        return;
    (void) snprintf(job->lost_reason, sizeof(job->lost_reason), "its instance is gone: %s", why);
    if (job->worker && job->start_sent)
        worker_lose_instance(job);
    else if (!job->spawned && job->state == JOB_ASSIGNED)
        job_fail_system(job, job->lost_reason);
}

/* The last line of a job that no worker can complete any more goes behind what the spool holds. */
static void add_last_line(struct job *job, const char *line)
{
    int fd = -1;

    if (job->lock_fd >= 0) {
        spool_append_line(job->lock_fd, line);
        return;
    }
    if (spool_try_lock(job->supervisor, job->seq, &fd) == 1) {
        spool_append_line(fd, line);
        (void) close(fd);
    }
}

void job_finish(struct job *job, const char *result_state, const char *failure_reason,
                int64_t exit_code, const char *line)
{
    struct supervisor *supervisor = job->supervisor;
    struct error err = { 0 };
    int r;

    if (job->state >= JOB_FINISHED)
        return;
    job_drop_reservation(job);
    if (line)
        add_last_line(job, line);
    if (reporter_checksum(job, &job->log_size, &job->log_crc) < 0) {
        log_error("job %" PRId64 ": its spool cannot be read behind byte %" PRId64
                  ", which is taken for its end",
                  job->job_id, job->log_size);
    }
    (void) str_copy(job->result_state, sizeof(job->result_state), result_state);
    (void) str_copy(job->failure_reason, sizeof(job->failure_reason),
                    failure_reason ? failure_reason : "");
    job->exit_code = exit_code;
    EFFECT("result_row", r = ledger_finish_job(supervisor->ledger, job->seq, job->result_state,
                                               job->failure_reason, exit_code, job->log_size,
                                               job->log_crc, line ? line : "", &err));
    if (r < 0) {
        supervisor_fatal(supervisor, "storing a job's result", &err);
        return;
    }
    job->state = JOB_FINISHED;
    settle_then(job);
    job->finished_ms = now_wall(supervisor);
    if (job->lock_fd >= 0) {
        (void) close(job->lock_fd);
        job->lock_fd = -1;
    }
    EFFECT("slot_free", fleet_release(job->group->fleet, job->seq, now_wall(supervisor)));
    log_info("job %" PRId64 ": %s%s%s", job->job_id, result_state, failure_reason ? ", " : "",
             failure_reason ? failure_reason : "");
    supervisor_emit(supervisor, EVENT_JOB_FINISHED, job->group, job->instance_id, job,
                    job->result_state);
    supervisor_evaluate_soon(supervisor);
    reporter_finish(job, 0);
}

void job_fail_system(struct job *job, const char *why)
{
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "Job failed (system failure): %s", why);
    job_finish(job, "failed", "runner_system_failure", 0, buf_str(&line));
}

void job_close(struct job *job, const char *message)
{
    struct supervisor *supervisor = job->supervisor;
    struct error err = { 0 };
    int r;

    EFFECT("job_close", r = ledger_close_job(supervisor->ledger, job->seq, message, &err));
    if (r < 0) {
        supervisor_fatal(supervisor, "closing a job", &err);
        return;
    }
    job->state = JOB_CLOSED;
    /* GitLab shows a debug trace to fewer people. */
    if (job->debug_trace)
        EFFECT("spool_unlink", spool_remove(supervisor, job->seq));
    else
        EFFECT("spool_unlink", kept_logs_take(supervisor, job->seq));
    /* Not moved on by the next closing: a busy manager would keep nulled tokens in its WAL. */
    if (supervisor->checkpoint_at_mono == 0)
        supervisor->checkpoint_at_mono = now_mono(supervisor) + CHECKPOINT_AFTER_MS;
    supervisor_emit(supervisor, EVENT_JOB_CLOSED, job->group, job->instance_id, job,
                    job->result_state);
    job_free(job);
    supervisor_evaluate_soon(supervisor);
}
