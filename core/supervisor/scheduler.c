/* core/supervisor/scheduler.c - asks GitLab for jobs, with as many parked requests for each runner entry
 * as `request_concurrency` and the answers so far allow, and only when a slot is free or can be made
 * (autoscaler.md 1, 5.1; coordinator-protocol.md 3.1, 3.2).
 */
#include "core/supervisor/internal.h"

#include <inttypes.h>
#include <math.h>

#include "core/base/descriptors.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/strangers.h"

#define LOG_TOPIC "scheduler"
#include "core/base/log.h"

/* GitLab may be away for hours, and each runner asks it every few seconds. */
#define TELL_AGAIN_MS (10 * 60 * 1000)
/* What the reserve is for: the control socket, connections to GitLab, a provider that starts anew. */
#define DESCRIPTORS_KEPT 16
/* A job's worker, its spool twice, and what is open for a moment while it starts. */
#define DESCRIPTORS_A_JOB 4

struct poll {
    struct group *group;
    struct poll *next;
    struct coordinator_call *call;
    int64_t started_mono;
    struct session session; /* GitLab is offered; its id is "" without a session server */
};

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
    else if (*group->isolation.error)
        (void) str_cut(group->refusal, sizeof(group->refusal), group->isolation.error);
    else if (full(group, group->refusal, sizeof(group->refusal)))
        return true;
    else if (group_cannot_connect(group))
        (void) str_copy(group->refusal, sizeof(group->refusal), "no instance can be connected to");
    else if (group->supervisor->descriptors_short)
        (void) snprintf(group->refusal, sizeof(group->refusal),
                        "too few file descriptors are left, the limit is %lu", descriptors_limit());
    else if (!fleet_growth_allows_job(group->fleet, now_wall(group->supervisor), false, &why) ||
             !fleet_reserve(group->fleet, now_wall(group->supervisor), &why)) {
        (void) str_cut(group->refusal, sizeof(group->refusal), why.message);
        counts_note_poll(group, false);
    } else
        return false;
    return true;
}

static bool unhealthy(const struct group *group)
{
    return group->unhealthy >= group->runner->unhealthy_requests_limit;
}

static void judge_health(struct group *group, int status)
{
    int64_t pause = group->runner->unhealthy_interval_ms;
    autobuf struct buf shown = BUF_INIT;

    if (status != 403) {
        group->unhealthy = 0;
        return;
    }
    group->unhealthy++;
    if (!unhealthy(group))
        return;
    counts_note_refusal(group);
    format_duration(&shown, pause);
    log_error("runner '%s' (%s): GitLab refused its token %" PRId64
              " time%s in a row; no job is asked for during the next %s",
              group->runner->name, group->short_token, group->unhealthy,
              str_plural((uint64_t) group->unhealthy), buf_str(&shown));
    (void) snprintf(group->refusal, sizeof(group->refusal),
                    "GitLab refuses the runner's token; it is asked again after %s",
                    buf_str(&shown));
    group->next_poll_mono = now_mono(group->supervisor) + pause;
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

static void forget_poll(struct group *group, struct poll *poll)
{
    struct poll **at = &group->polls;

    while (*at != poll)
        at = &(*at)->next;
    *at = poll->next;
    group->n_polls--;
    free(poll);
}

/* Another job may wait where one did; the peer's setting makes its requests as regular as the rest. */
static int64_t next_poll(const struct group *group, const struct poll *poll, bool got_job)
{
    const struct config *config = group->supervisor->config;
    bool strict = config->strict_check_interval || group->runner->strict_check_interval;

    return got_job && !strict ? now_mono(group->supervisor)
                              : poll->started_mono + config->check_interval_ms;
}

static void on_answer(void *arg, const struct coordinator_job_answer *answer)
{
    struct poll *poll = arg;
    struct group *group = poll->group;
    struct supervisor *supervisor = group->supervisor;
    struct error err = { 0 };
    bool got_job = false;
    int64_t next;

    if (!str_empty(answer->last_update))
        (void) str_copy(group->last_update, sizeof(group->last_update), answer->last_update);
    judge_health(group, answer->status);
    if (answer->status == 201) {
        request_succeeded(group);
        got_job = job_from_payload(group, *poll->session.id ? &poll->session : NULL, answer->body,
                                   answer->body_len, &err) == 0;
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
    group->request_pace = rules_request_pace(group->request_pace, got_job, answer->repeated,
                                             group->runner->request_concurrency);
    next = next_poll(group, poll, got_job);
    forget_poll(group, poll);
    if (!unhealthy(group))
        group->next_poll_mono = next;
    supervisor_evaluate_soon(supervisor);
}

/* What another runner got took the last place, or the instance that a job would need cannot be had
 * (V20). An answer that is on its way meets a closed connection: a job that is not acknowledged is given
 * again, but only after a while (coordinator-protocol.md 1.7). So a shortage of descriptors, which comes
 * with the last job's answer, withdraws nothing: what the job of a parked request needs is kept free. */
static void withdraw_if_full(struct group *group)
{
    int64_t since = group->polls->started_mono;
    struct error why = { 0 };

    if (!fleet_growth_allows_job(group->fleet, now_wall(group->supervisor), true, &why))
        (void) str_cut(group->refusal, sizeof(group->refusal), why.message);
    else if (!full(group, group->refusal, sizeof(group->refusal)))
        return;
    scheduler_stop(group);
    group->next_poll_mono = since + group->supervisor->config->check_interval_ms;
}

/* A job too many waits for its place, so that one request may always be parked; those beside it ask only
 * for what there is room for. */
static bool room_for_another(const struct group *group)
{
    const struct supervisor *supervisor = group->supervisor;
    const struct config_runner *runner = group->runner;
    int64_t most = runner->request_concurrency, limit = runner->limit;

    if (group->n_polls == 0)
        return true;
    if (runner->autoscaler.flags.set[FF_USE_ADAPTIVE_REQUEST_CONCURRENCY] != 0)
        most = MIN(most, (int64_t) ceil(group->request_pace));
    return group->n_polls < most &&
           supervisor_running_jobs(supervisor, NULL) + group->n_polls <
               supervisor->config->concurrent &&
           (limit == 0 || supervisor_running_jobs(supervisor, group) + group->n_polls < limit);
}

/* One that no request had before; NULL where there are no terminals. */
static json_t *offer_session(const struct supervisor *supervisor, struct session *session)
{
    if (!supervisor->sessions)
        return NULL;
    session_make(session);
    return session_describe(supervisor->sessions, session);
}

/* Takes the reservation that was made for it. */
static int ask(struct group *group, struct error *err)
{
    struct supervisor *supervisor = group->supervisor;
    struct poll *poll = mem_zero(sizeof(*poll));
    autojson json_t *session = NULL;
    int r;

    if (poll) {
        *poll = (struct poll) { .group = group,
                                .next = group->polls,
                                .started_mono = now_mono(supervisor) };
        session = offer_session(supervisor, &poll->session);
        r = coordinator_request_job(
            supervisor->coordinator, &group->host, rotation_token(supervisor, group->runner),
            supervisor->system_id, *group->last_update ? group->last_update : NULL, group->info,
            session, on_answer, poll, &poll->call, err);
    } else {
        r = error_set(err, -ENOMEM, "out of memory");
    }
    if (r < 0) {
        free(poll);
        fleet_unreserve(group->fleet);
        return r;
    }
    group->polls = poll;
    group->n_polls++;
    counts_note_poll(group, true);
    return 0;
}

void scheduler_poll(struct group *group)
{
    struct supervisor *supervisor = group->supervisor;
    struct error err = { 0 };

    if (group->polls)
        withdraw_if_full(group);
    if (supervisor->draining || supervisor->stopping || group->leaving ||
        now_mono(supervisor) < group->next_poll_mono)
        return;
    if (unhealthy(group))
        group->unhealthy = 0; /* the pause is over */
    while (room_for_another(group) && !refused(group)) {
        if (ask(group, &err) == 0)
            continue;
        log_error("runner '%s': asking for a job failed: %s, retrying", group->runner->name,
                  err.message);
        group->next_poll_mono = now_mono(supervisor) + supervisor->config->check_interval_ms;
        return;
    }
}

/* A job may come for each runner, and those that have no worker yet need theirs. */
static unsigned descriptors_needed(const struct supervisor *supervisor)
{
    size_t coming = 0;

    for (size_t i = 0; i < supervisor->n_groups; i++)
        coming += MAX(supervisor->groups[i]->n_polls, 1U);
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
    while (group->polls) {
        coordinator_call_cancel(group->polls->call);
        fleet_unreserve(group->fleet);
        forget_poll(group, group->polls);
    }
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
