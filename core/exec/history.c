/* core/exec/history.c - three lists that only grow (history.h). */
#include "core/exec/history.h"

#include "core/base/mem.h"
#include "core/base/str.h"

void history_done(struct history *history)
{
    for (size_t i = 0; i < history->n_instances; i++) {
        free(history->instances[i].id);
        free(history->instances[i].reason);
    }
    for (size_t i = 0; i < history->n_tries; i++)
        free(history->tries[i].instance);
    for (size_t i = 0; i < history->n_decisions; i++)
        free(history->decisions[i].text);
    free(history->instances);
    free(history->tries);
    free(history->decisions);
    *history = (struct history) { 0 };
}

/* The latest of this id: a cloud may use one twice. */
static struct history_instance *find_instance(struct history *history, const char *id)
{
    for (size_t i = history->n_instances; i-- > 0;)
        if (str_eq(history->instances[i].id, id))
            return &history->instances[i];
    return NULL;
}

static struct history_try *find_try(struct history *history, int64_t job_id)
{
    for (size_t i = history->n_tries; i-- > 0;)
        if (history->tries[i].id == job_id)
            return &history->tries[i];
    return NULL;
}

void history_appeared(struct history *history, const char *id, unsigned slots, int64_t now_ms)
{
    struct history_instance *grown =
        mem_resize(history->instances, history->n_instances + 1, sizeof(*grown));
    char *copy = mem_strdup(id);

    if (grown)
        history->instances = grown;
    if (!grown || !copy) {
        free(copy);
        return;
    }
    grown[history->n_instances++] = (struct history_instance) { .id = copy,
                                                                .slots = slots,
                                                                .appeared_ms = now_ms,
                                                                .ready_ms = -1,
                                                                .removing_ms = -1,
                                                                .gone_ms = -1 };
}

void history_ready(struct history *history, const char *id, int64_t now_ms)
{
    struct history_instance *instance = find_instance(history, id);

    if (instance && instance->ready_ms < 0)
        instance->ready_ms = now_ms;
}

void history_removing(struct history *history, const char *id, const char *reason, int64_t now_ms)
{
    struct history_instance *instance = find_instance(history, id);

    if (!instance || instance->removing_ms >= 0)
        return;
    instance->removing_ms = now_ms;
    instance->reason = mem_strdup(reason);
}

void history_gone(struct history *history, const char *id, int64_t now_ms)
{
    struct history_instance *instance = find_instance(history, id);

    if (instance && instance->gone_ms < 0)
        instance->gone_ms = now_ms;
}

void history_decided(struct history *history, const char *text, int64_t now_ms)
{
    struct history_decision *grown =
        mem_resize(history->decisions, history->n_decisions + 1, sizeof(*grown));
    char *copy = mem_strdup(text);

    if (grown)
        history->decisions = grown;
    if (!grown || !copy) {
        free(copy);
        return;
    }
    grown[history->n_decisions++] = (struct history_decision) { now_ms, copy };
}

void history_assigned(struct history *history, const struct pipeline *pipeline, int64_t job_id,
                      const char *instance, unsigned slot, int64_t now_ms)
{
    struct history_try *grown;

    for (size_t i = 0; i < pipeline->n_jobs; i++) {
        const struct pipeline_job *job = &pipeline->jobs[i];

        if (job->id != job_id)
            continue;
        grown = mem_resize(history->tries, history->n_tries + 1, sizeof(*grown));
        if (!grown)
            return;
        history->tries = grown;
        grown[history->n_tries++] = (struct history_try) { .job = i,
                                                           .id = job_id,
                                                           .number = job->tries + 1,
                                                           .instance = mem_strdup(instance),
                                                           .slot = slot,
                                                           .ready_ms = job->ready_ms,
                                                           .assigned_ms = now_ms,
                                                           .started_ms = -1,
                                                           .ended_ms = -1,
                                                           .state = PIPELINE_JOB_GIVEN };
        return;
    }
}

void history_started(struct history *history, int64_t job_id, int64_t now_ms)
{
    struct history_try *attempt = find_try(history, job_id);

    if (!attempt || attempt->ended_ms >= 0)
        return;
    attempt->started_ms = now_ms;
    attempt->state = PIPELINE_JOB_RUNNING;
}

void history_ended(struct history *history, int64_t job_id, const struct pipeline_job *job,
                   int exit_code, const char *reason, int64_t now_ms)
{
    struct history_try *attempt = find_try(history, job_id);

    if (!attempt || attempt->ended_ms >= 0)
        return;
    attempt->ended_ms = now_ms;
    attempt->state = job->state == PIPELINE_JOB_READY ? PIPELINE_JOB_FAILED : job->state;
    attempt->exit_code = exit_code;
    (void) str_copy(attempt->reason, sizeof(attempt->reason),
                    attempt->state == PIPELINE_JOB_PASSED || !reason ? "" : reason);
}

const struct history_try *history_on_slot(const struct history *history, const char *instance,
                                          unsigned slot)
{
    for (size_t i = history->n_tries; i-- > 0;) {
        const struct history_try *attempt = &history->tries[i];

        if (attempt->ended_ms < 0 && attempt->slot == slot && str_eq(attempt->instance, instance))
            return attempt;
    }
    return NULL;
}
