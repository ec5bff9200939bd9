/* core/exec/exec_events.c - what the coordinator asks and tells, and what the supervisor tells, while a pipeline runs:
 * jobs are taken from the pipeline and ended there, and people see it (exec_internal.h). */
#include "core/exec/exec_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "core/exec/screen.h"
#include "core/exec/sources.h"

#define NAME_SHOWN 64

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

/* What the coordinator asks and tells. */

static int make_payload(const struct exec *exec, const struct pipeline_job *job, const char *token,
                        json_t **ret)
{
    autofree struct payload_source *sources = NULL;
    struct payload_job of = { .job = job->job, .id = job->id, .token = token };
    int r = sources_of(exec->pipeline, exec->artifacts, job->job, &sources, &of.n_sources);

    of.sources = sources;
    return r < 0 ? r : payload_new(&exec->shared, exec->ci, &of, ret, NULL);
}

static bool take_job(void *arg, struct embedded_job *ret)
{
    struct exec *exec = arg;
    struct pipeline_job *job = exec->ending ? NULL : pipeline_take(exec->pipeline);
    char token[PAYLOAD_TOKEN_SIZE];
    autojson json_t *payload = NULL;

    if (!job)
        return false;
    payload_token(&rng_system, token);
    if (make_payload(exec, job, token, &payload) == 0)
        *ret = (struct embedded_job) { .id = job->id,
                                       .token = mem_strdup(token),
                                       .payload = mem_strdup(json_text(payload)) };
    secret_wipe(token, sizeof(token));
    if (ret->token && ret->payload)
        return true;
    free(ret->token);
    free(ret->payload);
    pipeline_give_back(exec->pipeline, job->id);
    return false;
}

static void on_returned(void *arg, int64_t job_id)
{
    struct exec *exec = arg;

    pipeline_give_back(exec->pipeline, job_id);
    if (exec->pipeline->canceled)
        exec_abandon(exec);
    else
        embedded_coordinator_wake(exec->coordinator);
}

/* Where the job of this id is in the pipeline; its number of jobs when there is none. */
static size_t index_of(const struct exec *exec, int64_t job_id)
{
    const struct pipeline_job *job = pipeline_find(exec->pipeline, job_id);

    return job ? (size_t) (job - exec->pipeline->jobs) : exec->pipeline->n_jobs;
}

static void job_runs(struct exec *exec, int64_t job_id, const char *instance)
{
    size_t index = index_of(exec, job_id);

    pipeline_started(exec->pipeline, job_id, now_ms());
    history_started(&exec->history, job_id, now_ms());
    if (index < exec->pipeline->n_jobs)
        show_running(exec->show, index, instance);
}

/* Where there is a supervisor it says better when a job runs: this only means that it was
 * accepted. */
static void on_running(void *arg, int64_t job_id)
{
    struct exec *exec = arg;

    if (!exec_is_alone(exec))
        return;
    history_assigned(&exec->history, exec->pipeline, job_id, NULL, 0, now_ms());
    job_runs(exec, job_id, NULL);
}

static void on_trace(void *arg, int64_t job_id, const char *data, size_t len)
{
    struct exec *exec = arg;
    size_t index = index_of(exec, job_id);

    if (index < exec->pipeline->n_jobs)
        show_log(exec->show, index, data, len);
}

static void on_final(void *arg, int64_t job_id, bool success, const char *failure_reason,
                     int exit_code)
{
    struct exec *exec = arg;
    size_t index = index_of(exec, job_id);
    const struct pipeline_job *job = &exec->pipeline->jobs[index];

    if (index == exec->pipeline->n_jobs)
        return;
    pipeline_finished(exec->pipeline, job_id, success, exit_code, failure_reason, now_ms());
    history_ended(&exec->history, job_id, job, exit_code, failure_reason, now_ms());
    show_ended(exec->show, index, failure_reason);
    if (pipeline_done(exec->pipeline))
        exec_end(exec);
    else if (pipeline_has_ready(exec->pipeline))
        embedded_coordinator_wake(exec->coordinator);
}

static void on_refused(void *arg, int64_t job_id, const char *why)
{
    struct exec *exec = arg;
    const struct pipeline_job *job = pipeline_find(exec->pipeline, job_id);
    autobuf struct buf name = BUF_INIT;

    if (!job || exec->told_job == job_id)
        return;
    exec->told_job = job_id;
    str_display(&name, job->job->name, strlen(job->job->name), NAME_SHOWN);
    show_say(exec->show, "artifacts of job %s are refused: %s", buf_str(&name), why);
}

struct embedded_options exec_coordinator_options(struct exec *exec)
{
    return (struct embedded_options) { .runner_token = exec->runner_token,
                                       .interval_s = 1,
                                       .take_job = take_job,
                                       .on_returned = on_returned,
                                       .on_running = on_running,
                                       .on_trace = on_trace,
                                       .on_final = on_final,
                                       .artifacts = exec->artifacts,
                                       .on_refused = on_refused,
                                       .repository = exec->options->vms ? exec->bare : NULL,
                                       .arg = exec };
}

/* What the supervisor tells. */

static unsigned slots_of(const struct exec *exec, const char *runner)
{
    for (size_t i = 0; i < exec->config->n_runners; i++)
        if (str_eq(exec->config->runners[i].name, runner))
            return (unsigned) exec->config->runners[i].autoscaler.capacity_per_instance;
    return 1;
}

static void on_instance(struct exec *exec, const struct supervisor_event *event)
{
    const char *id = event->instance, *why;

    switch (event->kind) {
    case EVENT_INSTANCE_APPEARED:
        exec->instances++;
        history_appeared(&exec->history, id, slots_of(exec, event->runner), now_ms());
        show_say(exec->show, "instance %s appeared", id);
        break;
    case EVENT_INSTANCE_READY:
        history_ready(&exec->history, id, now_ms());
        show_say(exec->show, "instance %s is ready", id);
        break;
    case EVENT_INSTANCE_REMOVING:
        why = fleet_reason_text(fleet_reason_parse(event->detail));
        history_removing(&exec->history, id, why, now_ms());
        show_say(exec->show, "instance %s is being removed", id);
        break;
    default:
        exec->instances -= exec->instances > 0;
        history_gone(&exec->history, id, now_ms());
        show_say(exec->show, "instance %s is gone", id);
        break;
    }
}

static void on_runner_refused(struct exec *exec, const char *runner, const char *why)
{
    struct error err = { 0 };

    (void) error_set(&err, -EINVAL, "runner '%s' can't run jobs: %s", runner, why);
    exec_complain(exec, &err);
    exec->refused++;
    exec_abandon_when_nobody_can_run(exec);
}

/* Nobody may be there to make room: waiting for it, as a manager does, could last for ever. */
static void on_disk_full(struct exec *exec)
{
    struct error err = { 0 };

    (void) error_set(&err, -ENOSPC, EXEC_DISK_FULL, exec->state_dir);
    exec_complain(exec, &err);
    exec->failed = true;
    exec_abandon(exec);
}

void exec_on_event(void *arg, const struct supervisor_event *event)
{
    struct exec *exec = arg;

    switch (event->kind) {
    case EVENT_INSTANCE_APPEARED:
    case EVENT_INSTANCE_READY:
    case EVENT_INSTANCE_REMOVING:
    case EVENT_INSTANCE_GONE:
        on_instance(exec, event);
        break;
    case EVENT_SCALED:
        history_decided(&exec->history, event->detail, now_ms());
        break;
    case EVENT_RUNNER_REFUSED:
        on_runner_refused(exec, event->runner, event->detail);
        break;
    case EVENT_FATAL:
        screen_leave();
        break;
    case EVENT_DISK_FULL:
        on_disk_full(exec);
        break;
    case EVENT_JOB_ASSIGNED:
        pipeline_set_instance(exec->pipeline, event->job_id, event->instance);
        history_assigned(&exec->history, exec->pipeline, event->job_id, event->instance,
                         event->slot, now_ms());
        break;
    case EVENT_JOB_RUNNING:
        job_runs(exec, event->job_id, event->instance);
        break;
    default:
        break;
    }
}
