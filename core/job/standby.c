/* core/job/standby.c - what a probe's process does after its instance has passed: it keeps the connection
 * and waits for a job, whose worker it becomes (architecture.md 2; probe_worker.c calls it).
 *
 * Its sandbox is a worker's own by then, made before anything was heard of a job. A connection that broke
 * costs nothing: the process ends before it begins, and the supervisor starts an ordinary worker. */
#include "core/job/standby.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/footprint.h"
#include "core/job/worker.h"

/* What may go by before the kernel ends a process that the supervisor's word does not. */
#define KILL_GRACE_S 30

static int control_fd_of(void *arg)
{
    return report_fd(((struct job *) arg)->report);
}

/* A word of the supervisor's, which may be its end: it is read where it can be waited for. */
static int look_for_word(void *arg)
{
    struct pollfd ready = { .fd = control_fd_of(arg), .events = POLLIN };

    return poll(&ready, 1, 0) != 0 ? -EINTR : 0;
}

/* False when the time is over, the connection is lost, or nobody was there any more to hear that it passed. */
static bool wait_for_word(struct job *job, int64_t seconds)
{
    const struct remote_watch watch = { .control_fd = control_fd_of,
                                        .poll_control = look_for_word,
                                        .arg = job };

    remote_set_watch(job->remote, watch);
    return control_fd_of(job) >= 0 &&
           remote_idle(job->remote, clock_mono_ms(&clock_system) + seconds * 1000, NULL) == -EINTR;
}

/* Its keepalives are too far apart for what is about to be trusted to it. */
static bool is_alive(struct job *job)
{
    const struct remote_watch none = { 0 };

    remote_set_watch(job->remote, none);
    return remote_prove(job->remote, NULL) == 0;
}

int standby_run(struct job *job, json_t *connect, int64_t seconds)
{
    int spool_fd = -1;

    (void) prctl(PR_SET_NAME, "flotilla-wait");
    (void) alarm((unsigned) seconds + KILL_GRACE_S);
    footprint_trim_heap();
    if (!wait_for_word(job, seconds) || report_wait_job(job->report, &spool_fd, NULL) <= 0 ||
        !is_alive(job))
        return 0;
    (void) alarm(0); /* from here on its job's time counts */
    (void) prctl(PR_SET_NAME, "flotilla-job");
    return job_worker_serve(job, spool_fd, connect);
}
