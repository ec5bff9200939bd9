/* core/supervisor/reporter.c - tells GitLab about one job: the log as it grows, a sign of life in
 * silence, the final state. report_plan.c decides what is next; this file reads the spool, makes the
 * calls and keeps the ledger (hardening.md R2, R4).
 *
 * The spool is the truth; what was sent is a number that may lag, never lead. One call at a time
 * for each job; timers and answers only bring reporter_step() to decide again. */
#include "core/supervisor/internal.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/crc32.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/settle.h"
#include "core/supervisor/spool.h"

#define LOG_TOPIC "reporter"
#include "core/base/log.h"

#define PATCH_MAX (1024 * 1024)
/* Of all jobs together: a GitLab that does not answer must not make us hold every job's log. */
#define PATCH_MAX_UNDER_WAY (8 * 1024 * 1024)
#define ROOM_WAIT_MS 250
#define FINAL_PATIENCE_MIN_MS (24LL * 3600 * 1000)
#define FINAL_PATIENCE_LEFT_MS (3600LL * 1000)

static void reporter_step(struct job *job);

static int64_t spool_end(struct job *job)
{
    struct stat st;

    if (job->spool_fd < 0) {
        int fd = spool_open(job->supervisor, job->seq);

        if (fd < 0)
            return 0;
        job->spool_fd = fd;
    }
    return fstat(job->spool_fd, &st) < 0 ? 0 : st.st_size;
}

/* Nothing before `started`, which says how the log is to be shown. */
static int64_t log_end(struct job *job)
{
    int64_t end = spool_end(job); /* opens it */

    return job->state == JOB_FINISHED ? job->log_size : job->state == JOB_RUNNING ? end : 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct job *job = timer->data;

    reporter_step(job);
}

static void step_in(struct job *job, int64_t ms)
{
    if (!job->timer.data) {
        (void) uv_timer_init(job->supervisor->loop, &job->timer);
        job->timer.data = job;
    }
    (void) uv_timer_start(&job->timer, on_timer, ms > 0 ? (uint64_t) ms : 0, 0);
}

void reporter_start(struct job *job, int64_t interval_ms)
{
    job->acknowledged = true;
    job->report.interval_ms = interval_ms > 0 ? interval_ms : REPORT_INTERVAL_MS;
    step_in(job, job->report.interval_ms);
}

/* Not N tries but as long as somebody may still want the answer (hardening.md R2). Of a job that ended
 * before a reboot only the wall clock knows how long ago that was: should it have jumped, an hour is
 * left (R12). */
void reporter_finish(struct job *job, int64_t ago_ms)
{
    int64_t patience =
        fault_limit_ms("final_patience", MAX(FINAL_PATIENCE_MIN_MS, job->timeout_s * 1000));

    ago_ms = MIN(ago_ms, patience - MIN(patience, FINAL_PATIENCE_LEFT_MS));
    job->report.tries = job->group->runner->final_update_limit;
    report_finish(&job->report, now_mono(job->supervisor) - MAX(ago_ms, (int64_t) 0), patience);
    if (job->acknowledged && !job->call)
        step_in(job, 0);
}

static void forget_call(struct job *job)
{
    job->call = NULL;
    job->supervisor->patch_bytes -= job->patch_bytes;
    job->patch_bytes = 0;
}

void reporter_stop(struct job *job)
{
    coordinator_call_cancel(job->call);
    forget_call(job);
    if (job->timer.data)
        (void) uv_timer_stop(&job->timer);
}

static void add_to_checksum(struct job *job, const char *data, size_t len)
{
    job->crc = crc32_update(job->crc, data, len);
    job->crc_offset += (int64_t) len;
}

/* What is sent is summed up as it goes; this reads what was not sent yet. */
int reporter_checksum(struct job *job, int64_t *ret_size, uint32_t *ret_crc)
{
    int64_t end = spool_end(job);
    char chunk[16384];
    int r = 0;

    while (r == 0 && job->crc_offset < end) {
        size_t want = (size_t) MIN(end - job->crc_offset, (int64_t) sizeof(chunk));
        ssize_t n = io_pread(job->spool_fd, chunk, want, job->crc_offset);

        if (n > 0)
            add_to_checksum(job, chunk, (size_t) n);
        else
            r = n < 0 ? -errno : -EIO;
    }
    *ret_size = job->crc_offset;
    *ret_crc = job->crc;
    return r;
}

static void note_sent(struct job *job)
{
    if (job->state == JOB_FINISHED || job->report.sent <= job->noted_offset)
        return;
    if (ledger_note_sent(job->supervisor->ledger, job->seq, job->report.sent, job->crc_offset,
                         job->crc, NULL) == 0)
        job->noted_offset = job->report.sent;
}

/* For `flotilla explain`. */
static void note_trouble(struct job *job, const char *what, const char *message)
{
    job->report_error[0] = '\0';
    if (what)
        (void) snprintf(job->report_error, sizeof(job->report_error), "%s (%.90s)", what, message);
}

/* The first failure in a row alone is told: where GitLab is away, each job that runs fails every few seconds. */
static void warn_of_the_log(const struct job *job, const struct patch_outcome *outcome,
                            bool given_up)
{
    if (job->report.log_given_up && !given_up)
        log_error("job %" PRId64 ": GitLab does not take its log (%s); its final state is sent "
                  "without what is behind byte %" PRId64,
                  job->job_id, outcome->message, job->report.sent);
    else if (job->report.bad_offsets > 0)
        log_warning("job %" PRId64 ": GitLab names log offset %" PRId64 ", which there is not, "
                    "ignoring",
                    job->job_id, outcome->next_offset);
    else if (outcome->result == PATCH_FAILED && str_empty(job->report_error))
        log_warning("job %" PRId64 ": its log could not be sent (%s), retrying", job->job_id,
                    outcome->message);
}

static void give_up(struct job *job, const char *why)
{
    log_error("job %" PRId64 ": its final state '%s' could not be told to GitLab (%s), given up",
              job->job_id, job->result_state, why);
    job_close(job, "GitLab could not be told the final state");
}

static void on_patched(void *arg, const struct patch_outcome *outcome)
{
    struct job *job = arg;
    bool given_up = job->report.log_given_up;
    int64_t wait;

    forget_call(job);
    effect_point("patch", "after");
    wait = report_on_patch(&job->report, outcome, log_end(job), now_mono(job->supervisor));
    warn_of_the_log(job, outcome, given_up);
    note_trouble(job, outcome->result == PATCH_FAILED ? "GitLab does not take its log" : NULL,
                 outcome->message);
    note_sent(job);
    if (job->report.given_up) {
        give_up(job, outcome->message);
        return;
    }
    step_in(job, wait);
    if (outcome->cancel || outcome->result == PATCH_ABORT)
        job_stop(job, outcome->result == PATCH_ABORT);
}

static void on_trouble(struct job *job, const char *why)
{
    bool given_up = job->report.log_given_up;

    step_in(job, report_on_trouble(&job->report, now_mono(job->supervisor)));
    log_error("job %" PRId64 ": %s, %s", job->job_id, why,
              job->report.log_given_up && !given_up ? "its final state is sent without the rest"
                                                    : "retrying");
}

/* Reads up to `len` bytes from the acknowledged offset; 0 when nothing can be read. */
static size_t read_log(struct job *job, char *data, size_t len)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n =
            io_pread(job->spool_fd, data + got, len - got, job->report.sent + (int64_t) got);

        if (n <= 0)
            break;
        got += (size_t) n;
    }
    if (job->crc_offset >= job->report.sent && job->crc_offset < job->report.sent + (int64_t) got) {
        size_t summed = (size_t) (job->crc_offset - job->report.sent);

        add_to_checksum(job, data + summed, got - summed);
    }
    return got;
}

static void send_patch(struct job *job, int64_t end)
{
    struct supervisor *supervisor = job->supervisor;
    size_t len = (size_t) MIN(end - job->report.sent, (int64_t) PATCH_MAX);
    autofree char *data = NULL;
    struct error err = { 0 };

    if (supervisor->patch_bytes + len > PATCH_MAX_UNDER_WAY) {
        step_in(job, ROOM_WAIT_MS);
        return;
    }
    data = mem_alloc(len);
    len = data ? read_log(job, data, len) : 0;
    if (len == 0) {
        on_trouble(job, data ? "its spool cannot be read" : "out of memory");
        return;
    }
    settle_before(job);
    effect_point("patch", "before");
    if (coordinator_patch_trace(supervisor->coordinator, &job->group->host, job->job_id,
                                secret_reveal(job->token), job->report.sent, data, len,
                                job->debug_trace, on_patched, job, &job->call, &err) < 0) {
        on_trouble(job, err.message);
        return;
    }
    job->patch_bytes = len;
    supervisor->patch_bytes += len;
}

static void send_update(struct job *job, const struct coordinator_job_update *update,
                        coordinator_update_fn on_answer)
{
    struct error err = { 0 };

    if (coordinator_update_job(job->supervisor->coordinator, &job->group->host, update, on_answer,
                               job, &job->call, &err) < 0)
        on_trouble(job, err.message);
}

static void on_touched(void *arg, const struct update_outcome *outcome)
{
    struct job *job = arg;

    forget_call(job);
    step_in(job, report_on_touch(&job->report, outcome, now_mono(job->supervisor)));
    if (outcome->cancel || outcome->result == UPDATE_ABORT)
        job_stop(job, outcome->result == UPDATE_ABORT);
}

static void send_touch(struct job *job)
{
    struct coordinator_job_update update = { .job_id = job->job_id,
                                             .token = secret_reveal(job->token),
                                             .state = "running",
                                             .has_output = true,
                                             .info = job->group->info };

    if (reporter_checksum(job, &update.size, &update.crc) < 0)
        on_trouble(job, "its spool cannot be read");
    else
        send_update(job, &update, on_touched);
}

static void on_final_answer(void *arg, const struct update_outcome *outcome)
{
    struct job *job = arg;
    int64_t wait;

    forget_call(job);
    effect_point("final_update", "after");
    if (outcome->result == UPDATE_OK) {
        job_close(job, "");
        return;
    }
    if (outcome->result == UPDATE_ABORT) {
        /* A 200 that calls the job failed has taken our "failed". */
        if (outcome->status != 200)
            log_notice("job %" PRId64 ": GitLab took no final state (%s)", job->job_id,
                       outcome->message);
        job_close(job, outcome->status == 200 ? "" : outcome->message);
        return;
    }
    wait = report_on_final(&job->report, outcome, now_mono(job->supervisor));
    if (job->report.given_up) {
        give_up(job, outcome->message);
        return;
    }
    note_trouble(job,
                 outcome->result == UPDATE_TRACE_INVALID ? "GitLab rejects its log"
                 : outcome->result == UPDATE_FAILED      ? "GitLab does not take it"
                                                         : "GitLab has not stored its log yet",
                 outcome->message);
    if (outcome->result == UPDATE_TRACE_INVALID)
        log_warning("job %" PRId64 ": GitLab rejects the log%s", job->job_id,
                    job->report.log_given_up ? "" : ", sending it again");
    else if (outcome->result == UPDATE_FAILED)
        log_warning("job %" PRId64 ": its final state could not be told (%s), retrying in %" PRId64
                    " ms",
                    job->job_id, outcome->message, wait);
    step_in(job, wait);
}

static void send_final(struct job *job)
{
    struct coordinator_job_update update = { .job_id = job->job_id,
                                             .token = secret_reveal(job->token),
                                             .state = job->result_state,
                                             .has_output = true,
                                             .size = job->log_size,
                                             .crc = job->log_crc,
                                             .info = job->group->info };

    if (str_eq(job->result_state, "failed")) {
        update.failure_reason = job->failure_reason;
        update.exit_code = job->exit_code;
    }
    /* The header of this answer decides the pace, not one of long ago (3.4). */
    job->report.interval_ms = REPORT_INTERVAL_MS;
    settle_before(job);
    effect_point("final_update", "before");
    send_update(job, &update, on_final_answer);
}

static void reporter_step(struct job *job)
{
    int64_t end;

    if (job->call || !job->acknowledged || job->state == JOB_CLOSED)
        return;
    end = log_end(job);
    switch (report_next(&job->report, end, now_mono(job->supervisor))) {
    case REPORT_PATCH:
        send_patch(job, end);
        break;
    case REPORT_TOUCH:
        send_touch(job);
        break;
    case REPORT_FINAL:
        send_final(job);
        break;
    case REPORT_NOTHING:
        step_in(job, job->report.interval_ms);
        break;
    }
}
