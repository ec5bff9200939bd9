/* core/supervisor/health.c - whether the supervisor is well, and what it is at: a line for the service manager,
 * several for the log of whoever sends SIGUSR1. status.c tells an operator the rest. */
#include "core/supervisor/internal.h"

#include <inttypes.h>

#include "core/base/str.h"

#define LOG_TOPIC "state"
#include "core/base/log.h"

int supervisor_check(struct supervisor *supervisor, struct error *err)
{
    return ledger_check(supervisor->ledger, err);
}

/* Those whose end GitLab does not know yet, too. */
static size_t count_jobs(const struct supervisor *supervisor)
{
    size_t n = 0;

    for (const struct job *job = supervisor->jobs; job; job = job->next)
        n++;
    return n;
}

static size_t count_instances(const struct supervisor *supervisor)
{
    size_t n = 0;

    for (size_t i = 0; i < supervisor->n_groups; i++)
        n += fleet_instance_count(supervisor->groups[i]->fleet);
    return n;
}

void supervisor_describe(const struct supervisor *supervisor, struct buf *out)
{
    size_t jobs = count_jobs(supervisor), instances = count_instances(supervisor);

    buf_addf(out, "%s%zu job%s, %zu instance%s",
             supervisor->stopping   ? "stopping: "
             : supervisor->draining ? "taking no new jobs: "
                                    : "",
             jobs, str_plural(jobs), instances, str_plural(instances));
}

static void log_group(const struct group *group)
{
    log_debug(
        "runner '%s': %zu instances, %u jobs, %u requests wait for their answers, the plugin is "
        "%s",
        group->runner->name, fleet_instance_count(group->fleet),
        supervisor_running_jobs(group->supervisor, group), group->n_polls,
        group->usable ? "there" : "not there");
}

static void log_job(const struct job *job)
{
    log_debug("job %" PRId64 " (row %" PRId64
              "): %s, on instance '%s', its worker %s, GitLab has %" PRId64 " bytes of its log",
              job->job_id, job->seq, job_state_name(job->state), job->instance_id,
              job->worker ? "is connected" : "is not connected", job->report.sent);
}

void supervisor_log_state(const struct supervisor *supervisor)
{
    autobuf struct buf line = BUF_INIT;

    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    supervisor_describe(supervisor, &line);
    log_debug("%s", buf_str(&line));
    for (size_t i = 0; i < supervisor->n_groups; i++)
        log_group(supervisor->groups[i]);
    for (const struct job *job = supervisor->jobs; job; job = job->next)
        log_job(job);
}
