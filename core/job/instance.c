/* core/job/instance.c - reaching the job's instance: whether it is the right one, and the connection to
 * it (hardening.md N1). */
#include <errno.h>

#include "core/base/clock.h"
#include "core/base/footprint.h"
#include "core/base/str.h"
#include "core/job/connect/divert.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/target.h"
#include "core/job/job.h"

#define RENEW_MIN_MS 1000 /* between two questions for a login */

static int check_host_key(void *arg, const char *type, const char *key, int64_t deadline_mono_ms,
                          struct error *err)
{
    struct job *job = arg;
    const struct shown_key shown = { .type = type, .key = key };

    return report_host_key(job->report, job->connect, &shown, deadline_mono_ms, err);
}

/* A job whose own time ran out while it waited for its instance is out of time; that the instance
 * took longer than it may is a failure of the system. */
struct end instance_unreached(struct job *job, int r, int64_t deadline, const char *message)
{
    bool out_of_time = clock_mono_ms(&clock_system) >= deadline;

    if (remote_was_stopped(r))
        return end_from_error(job, r, message);
    return out_of_time ? end_from_error(job, -ETIMEDOUT, message) : end_make(END_SYSTEM, message);
}

/* How long what we log in with still lets in: a key that was pushed for a minute, say. */
static int64_t login_left_ms(const struct job *job)
{
    int64_t expires_ms = 0;

    (void) json_opt_i64(job->connect, "expires_ms", 0, INT64_MAX, &expires_ms, NULL);
    return expires_ms == 0 ? INT64_MAX : expires_ms - clock_wall_ms(&clock_system);
}

static int dial_once(struct job *job, int64_t deadline, struct error *err)
{
    int64_t left = MIN(deadline - clock_mono_ms(&clock_system), login_left_ms(job));
    struct remote_options options;
    int r = target_options(job->connect, &options, err);

    if (r < 0)
        return r;
    if (left <= 0)
        return error_set(err, -ETIMEDOUT, "what the provider gave to log in with has expired");
    options.check_host_key = check_host_key;
    options.check_arg = job;
    options.watch = stage_watch(job);
    options.timeout_ms = left;
    return remote_open(&options, &job->remote, err);
}

static int pause_for(struct job *job, int64_t until)
{
    const struct remote_watch watch = stage_watch(job);
    int r;

    do
        r = remote_wait(&watch, NULL, 0, until);
    while (r >= 0 && clock_mono_ms(&clock_system) < until);
    return r < 0 && r != -ETIMEDOUT ? r : 0;
}

/* 0 when it is worth another try. */
static int renew_login(struct job *job, int64_t deadline, struct error *err)
{
    json_t *connect = NULL;
    int64_t wait_ms = 0;
    int r = report_login(job->report, deadline, &connect, &wait_ms, err);

    if (r < 0)
        return r;
    if (connect) {
        divert_to_loopback(connect);
        (void) json_add(job->start, "connect", connect);
        job->connect = connect;
    }
    if (login_left_ms(job) > 0)
        return 0;
    return pause_for(job, clock_mono_ms(&clock_system) + MAX(wait_ms, (int64_t) RENEW_MIN_MS));
}

/* An instance that boots for longer than its login holds is given another. */
static int dial(struct job *job, int64_t deadline, struct error *err)
{
    int r, renewed;

    for (;;) {
        r = dial_once(job, deadline, err);
        if (r == 0 || remote_was_stopped(r) || login_left_ms(job) > 0 ||
            clock_mono_ms(&clock_system) >= deadline)
            return r;
        renewed = renew_login(job, deadline, err);
        if (renewed < 0)
            return renewed;
    }
}

struct end instance_connect(struct job *job, int64_t until_ms)
{
    int64_t deadline = stage_deadline(job, until_ms), now = clock_mono_ms(&clock_system);
    struct remote_options options;
    struct error err = { 0 };
    const char *shown;
    int r = target_options(job->connect, &options, &err);

    if (r < 0)
        return end_make(END_SYSTEM, err.message);
    shown = text_of(job->connect, "log_address", "");
    (void) trace_line(job->trace, TRACE_PLAIN, "Dialing instance %s%s%s...", job->instance,
                      *shown ? ", " : "", shown);
    (void) trace_flush(job->trace);
    if (job->remote) /* a probe's, which has just been proved */
        remote_set_watch(job->remote, stage_watch(job));
    else
        r = dial(job, MIN(deadline, now + options.timeout_ms), &err);
    if (r < 0)
        return instance_unreached(job, r, deadline, err.message);
    (void) trace_line(job->trace, TRACE_PLAIN, "Instance %s connected", job->instance);
    /* Most of what a worker ever frees it has freed by now; the rest of its life is waiting. */
    footprint_trim_heap();
    return end_ok();
}
