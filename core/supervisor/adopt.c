/* core/supervisor/adopt.c - after a restart: every job that the ledger holds open goes on from its
 * state (docs/design/processes.md "Ledger"). Called once, after the groups took back their
 * instances and before the control socket opens. */
#include "core/supervisor/internal.h"

#include <inttypes.h>

#include "core/base/str.h"

#define LOG_TOPIC "adopt"
#include "core/base/log.h"

struct adoption {
    struct supervisor *supervisor;
    unsigned count, left;
};

static void read_row(void *arg, struct ledger_job *row)
{
    struct adoption *adoption = arg;
    struct group *group = supervisor_find_group(adoption->supervisor, row->group_id);

    if (!group) {
        log_error("job %" PRId64 " of runner '%s' is open, but the configuration has no such "
                  "runner any more; put its entry back to let the job end",
                  row->job_id, row->runner ? row->runner : "");
        adoption->left++;
        return;
    }
    if (job_adopt_row(group, row))
        adoption->count++;
    else
        log_error("job %" PRId64 " cannot be adopted: out of memory", row->job_id);
}

static void adopt_assigned(struct job *job)
{
    struct error err = { 0 };

    if (fleet_occupy(job->group->fleet, job->instance_id, job->slot, job->seq, &err) < 0)
        log_warning("job %" PRId64 ": %s, ignoring", job->job_id, err.message);
    worker_expect(job);
}

static void adopt_job(struct job *job)
{
    switch (job->state) {
    case JOB_RECEIVED:
        job_acknowledge(job);
        break;
    case JOB_ACKNOWLEDGED:
        reporter_start(job);
        job_wait(job);
        break;
    case JOB_ASSIGNED:
    case JOB_RUNNING:
        reporter_start(job);
        adopt_assigned(job);
        break;
    case JOB_FINISHED:
        reporter_start(job);
        reporter_poke(job);
        break;
    case JOB_CLOSED:
        break;
    }
}

int adopt_all(struct supervisor *supervisor, struct error *err)
{
    struct adoption adoption = { .supervisor = supervisor };
    struct job *next;
    int r = ledger_each_open_job(supervisor->ledger, read_row, &adoption, err);

    if (r < 0)
        return r;
    for (struct job *job = supervisor->jobs; job; job = next) {
        next = job->next;
        adopt_job(job);
    }
    if (adoption.count > 0)
        log_notice("%u jobs of a former run are adopted", adoption.count);
    return 0;
}
