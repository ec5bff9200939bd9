/* core/job/instance.c - reaching the job's instance: whether it is the right one, and the connection to
 * it (hardening.md N1). */
#include <errno.h>

#include "core/base/clock.h"
#include "core/base/footprint.h"
#include "core/base/str.h"
#include "core/job/connect/target.h"
#include "core/job/job.h"

static int check_host_key(void *arg, const char *type, const char *key, int64_t deadline_mono_ms,
                          struct error *err)
{
    struct job *job = arg;
    const struct shown_key shown = { .type = type, .key = key };

    return report_host_key(job->report, job->connect, &shown, deadline_mono_ms, err);
}

/* A job whose own time ran out while it waited for its instance is out of time; that the instance
 * took longer than it may is a failure of the system. */
static struct end not_connected(struct job *job, int r, int64_t deadline, const char *message)
{
    bool out_of_time = clock_mono_ms(&clock_system) >= deadline;

    if (r == -EINTR || r == -ECANCELED || r == -ENETRESET)
        return end_from_error(job, r, message);
    return out_of_time ? end_from_error(job, -ETIMEDOUT, message) : end_make(END_SYSTEM, message);
}

struct end instance_connect(struct job *job, int64_t until_ms)
{
    int64_t deadline = stage_deadline(job, until_ms);
    struct ssh_options options;
    struct error err = { 0 };
    const char *shown;
    int r = target_options(job->connect, &options, &err);

    if (r < 0)
        return end_make(END_SYSTEM, err.message);
    options.check_host_key = check_host_key;
    options.check_arg = job;
    options.watch = stage_watch(job);
    options.timeout_ms = MIN(options.timeout_ms, deadline - clock_mono_ms(&clock_system));
    shown = text_of(job->connect, "log_address", "");
    (void) trace_line(job->trace, TRACE_PLAIN, "Dialing instance %s%s%s...", job->instance,
                      *shown ? ", " : "", shown);
    (void) trace_flush(job->trace);
    if (job->ssh) /* a probe's, which has just been proved */
        ssh_set_watch(job->ssh, options.watch);
    else
        r = ssh_open(&options, &job->ssh, &err);
    if (r < 0)
        return not_connected(job, r, deadline, err.message);
    (void) trace_line(job->trace, TRACE_PLAIN, "Instance %s connected", job->instance);
    /* Most of what a worker ever frees it has freed by now; the rest of its life is waiting. */
    footprint_trim_heap();
    return end_ok();
}
