/* core/supervisor/job_going.c - a job whose instance the cloud is about to take: its worker writes a
 * warning into the log and goes on until the job ends or the connection breaks.
 *
 * The sentence is the worker's own, made of a cause and a time: what the cloud says goes to the
 * daemon's log alone (hardening.md M11). */
#include "core/supervisor/internal.h"

#include "core/base/frame.h"
#include "core/base/json.h"
#include "core/base/str.h"

/* A supervisor's restart tells it again; the worker writes each cause once. */
void job_tell_going(struct job *job)
{
    autojson json_t *frame = NULL;

    if (job->going == GOING_NOT || job->going_told || !job->worker || !job->start_sent)
        return;
    frame = json_frame("instance_going");
    if (!frame)
        return;
    (void) json_add_str(frame, "cause", job->going == GOING_DELETING ? "deleting" : "interrupted");
    if (job->going_at_ms != 0)
        (void) json_add_i64(frame, "left_ms",
                            MAX(job->going_at_ms - clock_wall_ms(&clock_system), INT64_C(0)));
    channel_send(job->worker, frame, FRAME_MAX_OPERATOR);
    job->going_told = true;
}

void job_instance_going(struct job *job, enum job_going going, int64_t at_ms)
{
    if (job->state >= JOB_FINISHED || going <= job->going)
        return;
    job->going = going;
    job->going_at_ms = at_ms;
    job->going_told = false;
    job_tell_going(job);
}
