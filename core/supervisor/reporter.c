/* core/supervisor/reporter.c - tells GitLab about one job: the log as it grows, a sign of life in
 * silence, the final state (coordinator-protocol.md 1.8 to 1.10, 3.3, 3.4; hardening.md R2, R4).
 *
 * The spool is the truth; what was sent is a number that may lag, never lead. One call at a time
 * for each job; reporter_step() decides which is next, timers and answers only bring it to decide
 * again.
 */
#include "core/supervisor/internal.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/crc32.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define LOG_TOPIC "reporter"
#include "core/base/log.h"

#define PATCH_MAX (1024 * 1024)
#define INTERVAL_MS 3000
#define TOUCH_AFTER_MS 30000
#define FINAL_BACKOFF_MAX_MS (10 * 60 * 1000)
#define FINAL_PATIENCE_MIN_MS (24LL * 3600 * 1000)
#define MAX_BAD_OFFSETS 3

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

void reporter_start(struct job *job)
{
    job->acknowledged = true;
    if (job->interval_ms == 0)
        job->interval_ms = INTERVAL_MS;
    if (job->last_sent_mono == 0)
        job->last_sent_mono = now_mono(job->supervisor);
    step_in(job, job->interval_ms);
}

/* The job ended: that is told at once. While it runs the interval decides, by looking at the spool. */
void reporter_poke(struct job *job)
{
    if (job->acknowledged && job->state == JOB_FINISHED && !job->call)
        step_in(job, 0);
}

void reporter_stop(struct job *job)
{
    coordinator_call_cancel(job->call);
    job->call = NULL;
    if (job->timer.data)
        (void) uv_timer_stop(&job->timer);
}

/* Reads on from where the checksum stands to the end of the spool (or of the finished log). */
int reporter_checksum(struct job *job, int64_t *ret_size, uint32_t *ret_crc)
{
    int64_t end = job->state >= JOB_FINISHED ? job->log_size : spool_end(job);
    char chunk[16384];

    while (job->crc_offset < end) {
        size_t want = (size_t) MIN(end - job->crc_offset, (int64_t) sizeof(chunk));
        ssize_t n = job->spool_fd < 0 ? -1 : io_pread(job->spool_fd, chunk, want, job->crc_offset);

        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        job->crc = crc32_update(job->crc, chunk, (size_t) n);
        job->crc_offset += n;
    }
    *ret_size = job->crc_offset;
    *ret_crc = job->crc;
    return 0;
}

static void take_signals(struct job *job, bool cancel, bool abort, int64_t interval_ms)
{
    if (interval_ms > 0)
        job->interval_ms = interval_ms;
    if (cancel || abort)
        job_stop(job, abort);
}

/* hardening.md V17: an offset beyond what was ever written is no answer; asked again, then loud. */
static void take_offset(struct job *job, int64_t offset)
{
    if (offset >= 0 && offset <= spool_end(job)) {
        job->sent_offset = offset;
        job->bad_offsets = 0;
        return;
    }
    job->bad_offsets++;
    log_warning("job %" PRId64 ": GitLab names log offset %" PRId64 ", beyond the %" PRId64
                " bytes there are, ignoring",
                job->job_id, offset, spool_end(job));
}

static void on_patched(void *arg, const struct patch_outcome *outcome)
{
    struct job *job = arg;
    int64_t wait = job->interval_ms;

    job->call = NULL;
    effect_point("patch", "after");
    switch (outcome->result) {
    case PATCH_OK:
        take_offset(job, outcome->next_offset);
        job->last_sent_mono = now_mono(job->supervisor);
        break;
    case PATCH_MISMATCH:
        take_offset(job, outcome->next_offset);
        break;
    case PATCH_ABORT:
    case PATCH_NOT_FOUND:
        /* Nothing more is taken; the final update still asks for the last word. */
        if (job->state == JOB_FINISHED)
            job->sent_offset = job->log_size;
        break;
    case PATCH_FAILED:
        log_warning("job %" PRId64 ": its log could not be sent (%s), retrying", job->job_id,
                    outcome->message);
        break;
    }
    take_signals(job, outcome->cancel, outcome->result == PATCH_ABORT, outcome->update_interval_ms);
    if (job->state != JOB_FINISHED && job->sent_offset > job->noted_offset) {
        if (ledger_note_sent(job->supervisor->ledger, job->seq, job->sent_offset, NULL) == 0)
            job->noted_offset = job->sent_offset;
    }
    if (job->state == JOB_FINISHED && outcome->result != PATCH_FAILED &&
        (outcome->result != PATCH_MISMATCH || job->bad_offsets == 0))
        wait = 0;
    step_in(job, wait);
}

/* Sends up to 1 MiB from the acknowledged offset; false when there is nothing or it can't be read.
 */
static bool send_patch(struct job *job, int64_t end)
{
    size_t len = (size_t) MIN(end - job->sent_offset, (int64_t) PATCH_MAX), got = 0;
    autofree char *data = NULL;
    struct error err = { 0 };

    data = mem_alloc(len);
    while (data && got < len) {
        ssize_t n =
            io_pread(job->spool_fd, data + got, len - got, job->sent_offset + (int64_t) got);

        if (n <= 0)
            break;
        got += (size_t) n;
    }
    if (got == 0) {
        log_error("job %" PRId64 ": its spool cannot be read: %s, retrying", job->job_id,
                  data ? strerror(errno) : "out of memory");
        return false;
    }
    effect_point("patch", "before");
    if (coordinator_patch_trace(job->supervisor->coordinator, &job->group->host, job->job_id,
                                secret_reveal(job->token), job->sent_offset, data, got,
                                /* debug_trace= */ false, on_patched, job, &job->call, &err) < 0) {
        log_error("job %" PRId64 ": %s, retrying", job->job_id, err.message);
        return false;
    }
    return true;
}

static void on_touched(void *arg, const struct update_outcome *outcome)
{
    struct job *job = arg;

    job->call = NULL;
    if (outcome->result == UPDATE_OK)
        job->last_sent_mono = now_mono(job->supervisor);
    take_signals(job, outcome->cancel, outcome->result == UPDATE_ABORT,
                 outcome->update_interval_ms);
    step_in(job, job->state == JOB_FINISHED ? 0 : job->interval_ms);
}

static int send_update(struct job *job, const char *state, coordinator_update_fn on_answer)
{
    struct coordinator_job_update update = { .job_id = job->job_id,
                                             .token = secret_reveal(job->token),
                                             .state = state,
                                             .has_output = true,
                                             .info = job->group->info };
    struct error err = { 0 };
    int r;

    if (str_eq(state, "failed")) {
        update.failure_reason = job->failure_reason;
        update.exit_code = job->exit_code;
    }
    if (str_eq(state, "running")) {
        r = reporter_checksum(job, &update.size, &update.crc);
        if (r < 0)
            return r;
    } else {
        update.size = job->log_size;
        update.crc = job->log_crc;
    }
    r = coordinator_update_job(job->supervisor->coordinator, &job->group->host, &update, on_answer,
                               job, &job->call, &err);
    if (r < 0)
        log_error("job %" PRId64 ": %s, retrying", job->job_id, err.message);
    return r;
}

/* Not N tries but as long as somebody may still want the answer (hardening.md R2). */
static bool out_of_patience(const struct job *job)
{
    int64_t patience = MAX(FINAL_PATIENCE_MIN_MS, job->timeout_s * 1000);

    return now_wall(job->supervisor) - job->final_since_ms > patience;
}

static int64_t final_backoff_ms(const struct job *job)
{
    int64_t backoff = 1000;

    for (int64_t i = 1; i < job->final_tries && backoff < FINAL_BACKOFF_MAX_MS; i++)
        backoff *= 2;
    return job->interval_ms + MIN(backoff, (int64_t) FINAL_BACKOFF_MAX_MS);
}

static void on_final_answer(void *arg, const struct update_outcome *outcome)
{
    struct job *job = arg;

    job->call = NULL;
    effect_point("final_update", "after");
    if (outcome->update_interval_ms > 0)
        job->interval_ms = outcome->update_interval_ms;
    switch (outcome->result) {
    case UPDATE_OK:
        job_close(job, "");
        return;
    case UPDATE_ABORT:
        /* A 200 that calls the job failed has taken our "failed". */
        if (outcome->status != 200)
            log_notice("job %" PRId64 ": GitLab took no final state (%s)", job->job_id,
                       outcome->message);
        job_close(job, outcome->status == 200 ? "" : outcome->message);
        return;
    case UPDATE_ACCEPTED:
        step_in(job, job->interval_ms);
        return;
    case UPDATE_TRACE_INVALID:
        log_warning("job %" PRId64 ": GitLab rejects the log, sending it again", job->job_id);
        job->sent_offset = 0;
        step_in(job, job->interval_ms);
        return;
    case UPDATE_FAILED:
        break;
    }
    job->final_tries++;
    if (out_of_patience(job)) {
        log_error("job %" PRId64 ": its final state could not be told for a day (%s), giving up",
                  job->job_id, outcome->message);
        job_close(job, outcome->message);
        return;
    }
    log_warning("job %" PRId64 ": its final state could not be told (%s), retrying in %" PRId64
                " ms",
                job->job_id, outcome->message, final_backoff_ms(job));
    step_in(job, final_backoff_ms(job));
}

static void send_final(struct job *job)
{
    /* The header of this answer decides the pace, not one of long ago (3.4). */
    job->interval_ms = INTERVAL_MS;
    if (job->final_since_ms == 0)
        job->final_since_ms = now_wall(job->supervisor);
    effect_point("final_update", "before");
    if (send_update(job, job->result_state, on_final_answer) < 0)
        step_in(job, job->interval_ms);
}

static void reporter_step(struct job *job)
{
    bool finished = job->state == JOB_FINISHED;
    int64_t end;

    if (job->call || !job->acknowledged || job->state == JOB_CLOSED)
        return;
    end = finished ? job->log_size : spool_end(job);
    if (finished && job->spool_fd < 0)
        (void) spool_end(job); /* opens it */
    if (job->bad_offsets >= MAX_BAD_OFFSETS && finished) {
        log_error("job %" PRId64 ": GitLab keeps naming impossible log offsets; its final state "
                  "is sent without the rest of the log",
                  job->job_id);
        job->sent_offset = end;
        job->bad_offsets = 0;
    }
    if (job->sent_offset < end) {
        if (!send_patch(job, end))
            step_in(job, job->interval_ms);
        return;
    }
    if (finished) {
        send_final(job);
        return;
    }
    if ((!job->touched || now_mono(job->supervisor) - job->last_sent_mono >= TOUCH_AFTER_MS) &&
        send_update(job, "running", on_touched) == 0) {
        job->touched = true;
        return;
    }
    step_in(job, job->interval_ms);
}
