/* core/supervisor/worker_start.c - how a job that has its slot comes by its worker: the process of a probe that waits
 * there with a connection (standby.c), or a fresh one of the spawner's. Afterwards both are alike
 * (worker_link.c). */
#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>

#include "core/base/descriptors.h"
#include "core/base/frame.h"
#include "core/base/json.h"
#include "core/supervisor/hold.h"
#include "core/supervisor/internal.h"
#include "core/supervisor/spool.h"
#include "core/supervisor/standby.h"

#define LOG_TOPIC "worker"
#include "core/base/log.h"

#define START_AGAIN_MS 1000

/* Makes the spool with its lock. */
static int make_spool(struct job *job, struct error *err)
{
    int r = 0;

    if (job->lock_fd < 0)
        r = spool_create(job->supervisor, job->seq, &job->lock_fd, err);
    if (r < 0)
        return r;
    /* Now, so that its log can be read however few descriptors there are then. */
    if (job->spool_fd < 0)
        job->spool_fd = spool_open(job->supervisor, job->seq);
    if (job->spool_fd < 0)
        return error_errno(err, job->spool_fd, "spool of job row %" PRId64, job->seq);
    return 0;
}

/* It has the spool: from here on the lock is the worker's alone. */
static void note_process(struct job *job, int64_t tag, int64_t pid)
{
    (void) close(job->lock_fd);
    job->lock_fd = -1;
    job->spawned = job->spawned_here = true;
    job->starts++;
    job->worker_tag = tag;
    job->worker_pid = pid;
    job->end_due_mono = 0;
    job->end_reason[0] = '\0';
    worker_expect_end(job);
}

/* It waits in our end of the socketpair until the worker reads it. */
static void give_job(struct job *job, struct channel *channel, json_t *start)
{
    worker_hear(job, channel);
    EFFECT("worker_start", channel_send_secret(job->worker, start, FRAME_MAX_START));
    job->start_sent = true;
    if (*job->lost_reason)
        worker_lose_instance(job);
    job_tell_going(job);
    hold_tell_worker(job);
}

static int spawn_worker(struct job *job, json_t *connect, struct error *err)
{
    struct supervisor *supervisor = job->supervisor;
    autojson json_t *start = NULL;
    autoclose int ours = -1, theirs = -1;
    struct channel *channel = NULL;
    int fds[2];
    int r = make_spool(job, err);

    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return error_errno(err, -errno, "worker: socketpair");
    ours = fds[0];
    theirs = fds[1];
    start = start_frame(job, connect);
    if (!start)
        return error_set(err, -ENOMEM, "worker: the start frame cannot be made");
    EFFECT("worker_spawn", r = spawner_spawn(supervisor->spawner, job->seq, theirs, job->lock_fd,
                                             group_isolation_file(job->group), err));
    if (r < 0)
        return r;
    note_process(job, job->seq, 0);
    r = channel_open(supervisor->loop, take_fd(&ours), FRAME_MAX_OPERATOR, NULL, NULL, NULL,
                     &channel, err);
    if (r < 0)
        return r;
    give_job(job, channel, start);
    return 0;
}

/* False: nothing has happened. What becomes of the process later is as with any worker: one that finds its
 * connection broken ends before it begins, and another is started. */
static bool hand_over(struct job *job)
{
    autojson json_t *frame = json_frame("job"), *start = NULL;
    struct standby_process process;
    int r = -ENOMEM;

    if (!standby_take(job->group, job->instance_id, &process))
        return false;
    start = start_frame(job, NULL);
    if (frame && start)
        r = make_spool(job, NULL);
    if (r == 0)
        EFFECT("worker_spawn", r = channel_send_with(process.channel, frame, FRAME_MAX_OPERATOR,
                                                     job->lock_fd, NULL));
    if (r < 0) {
        channel_close(process.channel);
        return false;
    }
    note_process(job, process.tag, process.pid);
    give_job(job, process.channel, start);
    return true;
}

void worker_begin(struct job *job)
{
    if (!hand_over(job))
        group_connect_info(job->group, job);
}

void worker_start_later(struct job *job, const char *why)
{
    int64_t now = now_mono(job->supervisor);

    if (now - job->connect_since_mono >= job->group->runner->autoscaler.connector.timeout_ms) {
        log_error("job %" PRId64 ": %s", job->job_id, why);
        job_fail_system(job, "its worker could not be started");
        return;
    }
    log_warning("job %" PRId64 ": its worker could not be started: %s, trying again", job->job_id,
                why);
    job->spawned = job->spawned_here = job->start_sent = false;
    job->connecting = true;
    job->connect_at_mono = now + START_AGAIN_MS;
}

void worker_start(struct job *job, json_t *connect)
{
    struct error err = { 0 };
    int r;

    if (group_is_isolated(job->group) && !group_isolation_file(job->group)) {
        job_fail_system(job, "the plugin that makes its VM cannot be used");
        return;
    }
    r = spawn_worker(job, connect, &err);
    if (r == 0)
        return;
    if (descriptors_were_short(r)) {
        worker_start_later(job, err.message);
        return;
    }
    log_error("job %" PRId64 ": %s", job->job_id, err.message);
    job_fail_system(job, "its worker could not be started");
}
