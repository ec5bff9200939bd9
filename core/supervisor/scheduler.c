/* core/supervisor/scheduler.c - asks GitLab for jobs, one parked request for each runner entry, and
 * only when a slot is free or can be made (autoscaler.md 1, 5.1; coordinator-protocol.md 3.1, 3.2).
 */
#include "core/supervisor/internal.h"

#include <inttypes.h>

#include "core/base/descriptors.h"
#include "core/base/str.h"

#define LOG_TOPIC "scheduler"
#include "core/base/log.h"

#define UNHEALTHY_AFTER 3
#define UNHEALTHY_PAUSE_MS (60 * 60 * 1000)
/* GitLab may be away for hours, and each runner asks it every few seconds. */
#define TELL_AGAIN_MS (10 * 60 * 1000)
/* What the reserve is for: the control socket, connections to GitLab, a provider that starts anew. */
#define DESCRIPTORS_KEPT 16
/* A job's worker, its spool twice, and what is open for a moment while it starts. */
#define DESCRIPTORS_A_JOB 4

/* Jobs hold the places under `concurrent` and `limit`. A parked request holds none, or one runner's
 * would keep the others from asking; a job too many waits for its place (job.c). */
static bool full(const struct group *group, char *why, size_t size)
{
    const struct supervisor *supervisor = group->supervisor;
    int64_t concurrent = supervisor->config->concurrent, limit = group->runner->limit;

    if (supervisor->disk_short)
        (void) str_copy(why, size, "the disk that holds the state directory is full");
    else if (strangers_awaited(supervisor))
        (void) str_copy(why, size,
                        "jobs that run are awaited whose rows were lost with the ledger");
    else if (supervisor_running_jobs(supervisor, NULL) >= concurrent)
        (void) snprintf(why, size, "concurrent = %" PRId64 " jobs run already", concurrent);
    else if (limit > 0 && supervisor_running_jobs(supervisor, group) >= limit)
        (void) snprintf(why, size, "limit = %" PRId64 " jobs of this runner run already", limit);
    else
        return false;
    return true;
}

static bool refused(struct group *group)
{
    struct error why = { 0 };

    group->refusal[0] = '\0';
    if (!group->usable || !group->listed_once)
        (void) str_copy(group->refusal, sizeof(group->refusal),
                        "the instance group has not answered yet");
    else if (group->runner->autoscaler.vm_isolation.enabled)
        (void) str_copy(group->refusal, sizeof(group->refusal),
                        "vm_isolation is enabled and there are no VMs yet");
    else if (full(group, group->refusal, sizeof(group->refusal)))
        return true;
    else if (group->supervisor->descriptors_short)
        (void) snprintf(group->refusal, sizeof(group->refusal),
                        "too few file descriptors are left, the limit is %lu", descriptors_limit());
    else if (!fleet_growth_allows_job(group->fleet, now_wall(group->supervisor), false, &why) ||
             !fleet_reserve(group->fleet, &why))
        (void) str_cut(group->refusal, sizeof(group->refusal), why.message);
    else
        return false;
    return true;
}

static void judge_health(struct group *group, int status)
{
    if (status != 403) {
        group->unhealthy = 0;
        return;
    }
    group->unhealthy++;
    if (group->unhealthy < UNHEALTHY_AFTER)
        return;
    log_error("runner '%s' (%s): GitLab refused its token %d times in a row; no job is asked for "
              "during the next hour",
              group->runner->name, group->short_token, UNHEALTHY_AFTER);
    (void) str_cut(group->refusal, sizeof(group->refusal),
                   "GitLab refuses the runner's token; it is asked again after an hour");
    group->next_poll_mono = now_mono(group->supervisor) + UNHEALTHY_PAUSE_MS;
}

static void request_failed(struct group *group, int status, const char *why)
{
    int64_t now = now_mono(group->supervisor);

    (void) str_cut(group->request_error, sizeof(group->request_error), why);
    if (group->requests_failed++ > 0 && status == group->failed_status &&
        now < group->tell_again_mono) {
        log_debug("runner '%s': asking for a job failed: %s", group->runner->name, why);
        return;
    }
    group->failed_status = status;
    group->tell_again_mono = now + TELL_AGAIN_MS;
    log_warning("runner '%s': asking for a job failed: %s, retrying", group->runner->name, why);
}

static void request_succeeded(struct group *group)
{
    if (group->requests_failed > 0)
        log_notice("runner '%s': GitLab answers again, after %u failed request%s",
                   group->runner->name, group->requests_failed, str_plural(group->requests_failed));
    group->requests_failed = 0;
    group->request_error[0] = '\0';
}

static void on_answer(void *arg, const struct coordinator_job_answer *answer)
{
    struct group *group = arg;
    struct supervisor *supervisor = group->supervisor;
    struct error err = { 0 };
    bool got_job = false;

    group->poll = NULL;
    if (!str_empty(answer->last_update))
        (void) str_copy(group->last_update, sizeof(group->last_update), answer->last_update);
    judge_health(group, answer->status);
    if (answer->status == 201) {
        request_succeeded(group);
        got_job = job_from_payload(group, answer->body, answer->body_len, &err) == 0;
        if (!got_job)
            log_error("runner '%s': a job cannot be taken: %s", group->runner->name, err.message);
    } else if (answer->status == 204 || answer->status == 409) {
        request_succeeded(group);
    } else {
        request_failed(group, answer->status,
                       answer->status == 403
                           ? "GitLab refuses the runner's token (status 403); check it in the "
                             "configuration"
                           : answer->message);
    }
    if (!got_job)
        fleet_unreserve(group->fleet);
    group->poll_reserved = false;
    if (group->unhealthy < UNHEALTHY_AFTER)
        group->next_poll_mono =
            got_job ? now_mono(supervisor)
                    : group->poll_started_mono + supervisor->config->check_interval_ms;
    supervisor_evaluate_soon(supervisor);
}

/* What another runner got took the last place, or the instance that a job would need cannot be had
 * (V20). An answer that is on its way meets a closed connection: a job that is not acknowledged is given
 * again, but only after a while (coordinator-protocol.md 1.7). So a shortage of descriptors, which comes
 * with the last job's answer, withdraws nothing: what the job of a parked request needs is kept free. */
static void withdraw_if_full(struct group *group)
{
    struct error why = { 0 };

    if (!fleet_growth_allows_job(group->fleet, now_wall(group->supervisor), true, &why))
        (void) str_cut(group->refusal, sizeof(group->refusal), why.message);
    else if (!full(group, group->refusal, sizeof(group->refusal)))
        return;
    scheduler_stop(group);
    group->next_poll_mono = group->poll_started_mono + group->supervisor->config->check_interval_ms;
}

void scheduler_poll(struct group *group)
{
    struct supervisor *supervisor = group->supervisor;
    struct error err = { 0 };

    if (group->poll)
        withdraw_if_full(group);
    if (group->poll || supervisor->draining || supervisor->stopping || group->leaving ||
        now_mono(supervisor) < group->next_poll_mono)
        return;
    if (group->unhealthy >= UNHEALTHY_AFTER)
        group->unhealthy = 0; /* the pause is over */
    if (refused(group))
        return;
    group->poll_started_mono = now_mono(supervisor);
    if (coordinator_request_job(supervisor->coordinator, &group->host,
                                secret_reveal(group->runner->token), supervisor->system_id,
                                *group->last_update ? group->last_update : NULL, group->info,
                                on_answer, group, &group->poll, &err) < 0) {
        log_error("runner '%s': asking for a job failed: %s, retrying", group->runner->name,
                  err.message);
        fleet_unreserve(group->fleet);
        group->next_poll_mono = now_mono(supervisor) + supervisor->config->check_interval_ms;
        return;
    }
    group->poll_reserved = true;
}

/* A job may come for each runner, and those that have no worker yet need theirs. */
static unsigned descriptors_needed(const struct supervisor *supervisor)
{
    size_t coming = supervisor->n_groups;

    for (const struct job *job = supervisor->jobs; job; job = job->next)
        coming += job->state < JOB_RUNNING;
    return DESCRIPTORS_KEPT + DESCRIPTORS_A_JOB * (unsigned) coming;
}

void scheduler_check_descriptors(struct supervisor *supervisor)
{
    unsigned needed = descriptors_needed(supervisor);
    bool is_short = !descriptors_left(needed);

    if (is_short && !supervisor->descriptors_short)
        log_warning(
            "fewer than %u file descriptors are left, the limit is %lu: no job is asked for "
            "until more are free; raise the limit (ulimit -n, LimitNOFILE=)",
            needed, descriptors_limit());
    else if (!is_short && supervisor->descriptors_short)
        log_notice("file descriptors are free again, jobs are asked for");
    supervisor->descriptors_short = is_short;
}

void scheduler_stop(struct group *group)
{
    if (!group->poll)
        return;
    coordinator_call_cancel(group->poll);
    group->poll = NULL;
    if (group->poll_reserved)
        fleet_unreserve(group->fleet);
    group->poll_reserved = false;
}

void scheduler_token_changed(struct group *group)
{
    scheduler_stop(group);
    group->last_update[0] = '\0';
    group->request_error[0] = '\0';
    group->requests_failed = 0;
    group->unhealthy = 0;
    group->next_poll_mono = now_mono(group->supervisor);
}
