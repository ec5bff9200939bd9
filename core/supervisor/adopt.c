/* core/supervisor/adopt.c - after a restart: every job that the ledger holds open goes on from its
 * state (docs/design/processes.md "Ledger"). Called once, after the groups took back their
 * instances and before the control socket opens. */
#include "core/supervisor/internal.h"

#include <inttypes.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/operator.h"

#define LOG_TOPIC "adopt"
#include "core/base/log.h"

struct adoption {
    struct supervisor *supervisor;
    unsigned count;
    int r;
};

/* A runner whose entry was renamed or removed while jobs of it were open. It has no provider and no
 * instances, so that it can start nothing; what reporting needs is in the jobs' rows. */
struct retired_group {
    struct group group;
    struct config_runner runner;
    struct retired_group *next;
};

static void free_retired(struct retired_group *retired)
{
    group_done(&retired->group);
    free(retired->runner.name);
    free(retired->runner.url);
    free(retired);
}

void adopt_done(struct supervisor *supervisor)
{
    struct retired_group *next;

    for (struct retired_group *retired = supervisor->retired; retired; retired = next) {
        next = retired->next;
        free_retired(retired);
    }
    supervisor->retired = NULL;
}

/* The certificates are the entry's: those of another one for the same GitLab serve as well. */
static struct coordinator_host host_of(const struct supervisor *supervisor, const char *url)
{
    for (size_t i = 0; i < supervisor->n_groups; i++)
        if (str_eq(supervisor->groups[i]->host.url, url))
            return supervisor->groups[i]->host;
    return (struct coordinator_host) { .url = url };
}

static struct group *retire_group(struct supervisor *supervisor, const struct ledger_job *row)
{
    const struct fleet_config nothing = { .capacity = 1, .max_instances = 1 };
    struct retired_group *retired = mem_zero(sizeof(*retired));
    struct group *group;

    if (!retired)
        return NULL;
    group = &retired->group;
    retired->runner.name = mem_strdup(row->runner);
    retired->runner.url = mem_strdup(row->coordinator_url);
    group->info = coordinator_info("bash", NULL);
    if (!retired->runner.name || !retired->runner.url || !group->info ||
        fleet_new(&nothing, &group->fleet) < 0) {
        free_retired(retired);
        return NULL;
    }
    group->supervisor = supervisor;
    group->runner = &retired->runner;
    group->id = row->group_id;
    group->config = config_ref(supervisor->config); /* the certificates' */
    group->host = host_of(supervisor, retired->runner.url);
    group->host.owner = group->id; /* whose calls nobody counts */
    group->retired = true;
    log_warning("runner '%s' is not in the configuration any more and has open jobs: they are "
                "reported to their end, and none is started",
                row->runner);
    retired->next = supervisor->retired;
    supervisor->retired = retired;
    return group;
}

static struct group *group_of(struct supervisor *supervisor, const struct ledger_job *row)
{
    struct group *group = supervisor_find_group(supervisor, row->group_id);

    for (struct retired_group *retired = supervisor->retired; !group && retired;
         retired = retired->next)
        if (retired->group.id == row->group_id)
            group = &retired->group;
    return group ? group : retire_group(supervisor, row);
}

/* Every open row must have its job: a spool without one is swept. */
static void read_row(void *arg, struct ledger_job *row)
{
    struct adoption *adoption = arg;
    struct group *group = group_of(adoption->supervisor, row);

    if (group && job_adopt_row(group, row))
        adoption->count++;
    else
        adoption->r = -ENOMEM;
}

/* The job's worker did not outlive the restart, and nobody knows what the job left there. */
static void judge_instance(struct group *group, const char *instance)
{
    if (group->retired || group->runner->autoscaler.storage.keep_instance_with_acquisitions ||
        group_is_isolated(group))
        return; /* group_recheck() follows */
    group_mark_removing(group, instance, REASON_JOB_LOST);
}

static void occupy(struct job *job)
{
    struct error err = { 0 };

    if (fleet_occupy(job->group->fleet, job->instance_id, job->slot, job->seq, &err) < 0)
        log_warning("job %" PRId64 ": %s, ignoring", job->job_id, err.message);
}

void adopt_running(struct job *job)
{
    reporter_start(job, 0);
    if (!job->group->retired)
        occupy(job);
    worker_expect(job);
    counts_note_adoption(job->supervisor);
    operator_on_adopted(job);
    if (job->state >= JOB_FINISHED)
        judge_instance(job->group, job->instance_id);
}

static void take_back_jobs(struct group *group, struct retired_group *retired)
{
    for (struct job *job = group->supervisor->jobs; job; job = job->next) {
        if (job->group != &retired->group)
            continue;
        job->group = group;
        if (job->state == JOB_ASSIGNED || job->state == JOB_RUNNING)
            occupy(job);
    }
}

void adopt_return(struct group *group)
{
    struct retired_group **at = &group->supervisor->retired, *retired;

    while (*at && (*at)->group.id != group->id)
        at = &(*at)->next;
    retired = *at;
    if (retired) {
        take_back_jobs(group, retired);
        *at = retired->next;
        free_retired(retired);
    }
    group_recheck(group);
}

static void adopt_job(struct job *job)
{
    switch (job->state) {
    case JOB_RECEIVED:
        job_acknowledge(job);
        break;
    case JOB_ACKNOWLEDGED:
        reporter_start(job, 0);
        job_wait(job);
        break;
    case JOB_ASSIGNED:
    case JOB_RUNNING:
        adopt_running(job);
        break;
    case JOB_FINISHED:
        reporter_start(job, 0);
        reporter_finish(job, now_wall(job->supervisor) - job->finished_ms);
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
    if (adoption.r < 0)
        return error_set(err, adoption.r, "adopting the jobs of a former run: out of memory");
    for (struct job *job = supervisor->jobs; job; job = next) {
        next = job->next;
        adopt_job(job);
    }
    for (size_t i = 0; i < supervisor->n_groups; i++)
        group_recheck(supervisor->groups[i]);
    if (adoption.count > 0)
        log_notice("%u job%s of a former run %s adopted", adoption.count,
                   str_plural(adoption.count), adoption.count == 1 ? "is" : "are");
    return 0;
}
