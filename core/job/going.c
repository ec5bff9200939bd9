/* core/job/going.c - what the log says when the cloud is about to take the job's instance. The job goes
 * on: it may well be done before. */
#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/job/job.h"

static void write_interrupted(struct job *job, int64_t left_ms)
{
    autobuf struct buf when = BUF_INIT;

    if (left_ms >= 1000) {
        buf_add_str(&when, " in ");
        format_duration(&when, left_ms / 1000 * 1000);
    }
    (void) trace_line(
        job->trace, TRACE_WARNING,
        "the cloud takes this instance away%s; the job goes on as long as it is there",
        buf_str(&when));
}

void going_warn(struct job *job, const struct report_orders *orders)
{
    if (orders->going <= job->warned)
        return;
    if (orders->going == REPORT_INTERRUPTED)
        write_interrupted(job, orders->going_left_ms);
    else
        (void) trace_line(
            job->trace, TRACE_WARNING,
            "the cloud is deleting this instance; the job goes on as long as it is there");
    job->warned = orders->going;
}
