/* core/exec/pipeline.c - stages and needs.
 *
 * A job without needs waits for every job of the earlier stages, one with needs for those alone.
 * What waits for a job that failed without permission is skipped. */
#include "core/exec/pipeline.h"

#include <errno.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"

void pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    for (size_t i = 0; i < pipeline->n_jobs; i++) {
        free(pipeline->jobs[i].needs);
        free(pipeline->jobs[i].instance);
    }
    free(pipeline->jobs);
    free(pipeline);
}

struct pipeline_job *pipeline_find(struct pipeline *pipeline, int64_t id)
{
    for (size_t i = 0; i < pipeline->n_jobs; i++)
        if (pipeline->jobs[i].id == id)
            return &pipeline->jobs[i];
    return NULL;
}

static struct pipeline_job *find_name(struct pipeline *pipeline, const char *name)
{
    for (size_t i = 0; i < pipeline->n_jobs; i++)
        if (str_eq(pipeline->jobs[i].job->name, name))
            return &pipeline->jobs[i];
    return NULL;
}

static bool is_over(enum pipeline_state state)
{
    return state >= PIPELINE_JOB_PASSED;
}

static bool is_good(enum pipeline_state state)
{
    return state == PIPELINE_JOB_PASSED || state == PIPELINE_JOB_ALLOWED;
}

enum outlook { OUTLOOK_WAIT, OUTLOOK_RUN, OUTLOOK_SKIP };

static enum outlook outlook_after(enum outlook outlook, enum pipeline_state state)
{
    if (outlook == OUTLOOK_SKIP || (is_over(state) && !is_good(state)))
        return OUTLOOK_SKIP;
    return is_good(state) ? outlook : OUTLOOK_WAIT;
}

static enum outlook outlook_of(const struct pipeline *pipeline, const struct pipeline_job *job)
{
    enum outlook outlook = OUTLOOK_RUN;

    if (job->job->has_needs) {
        for (size_t i = 0; i < job->n_needs; i++)
            outlook = outlook_after(outlook, pipeline->jobs[job->needs[i]].state);
        return outlook;
    }
    for (size_t i = 0; i < pipeline->n_jobs; i++)
        if (pipeline->jobs[i].job->stage < job->job->stage)
            outlook = outlook_after(outlook, pipeline->jobs[i].state);
    return outlook;
}

/* Skipping one job can decide about others, so it goes on until nothing changes. */
static void update(struct pipeline *pipeline, int64_t now_ms)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (size_t i = 0; i < pipeline->n_jobs; i++) {
            struct pipeline_job *job = &pipeline->jobs[i];
            enum outlook outlook;

            if (job->state != PIPELINE_JOB_WAITING)
                continue;
            outlook = outlook_of(pipeline, job);
            if (outlook == OUTLOOK_WAIT)
                continue;
            job->state = outlook == OUTLOOK_RUN ? PIPELINE_JOB_READY : PIPELINE_JOB_SKIPPED;
            job->ready_ms = outlook == OUTLOOK_RUN ? now_ms : -1;
            changed = true;
        }
    }
}

/* Every need must exist and be of this or an earlier stage, whether it is selected or not. */
static int check_needs(const struct ci_config *config, const struct ci_job *job, struct error *err)
{
    for (size_t i = 0; i < job->needs.count; i++) {
        const struct ci_job *need = ci_config_find(config, job->needs.items[i]);

        if (!need)
            return error_set(err, -EINVAL, "job '%s' needs '%s', and there is no such job",
                             job->name, job->needs.items[i]);
        if (need->stage > job->stage)
            return error_set(err, -EINVAL,
                             "line %d: job '%s' of stage '%s' needs '%s' of the later stage '%s'",
                             job->line, job->name, config->stages[job->stage], need->name,
                             config->stages[need->stage]);
    }
    return 0;
}

/* Takes away jobs whose needs are all taken away; what remains needs itself. */
static int find_circle(const struct pipeline *pipeline, struct error *err)
{
    autofree bool *settled = mem_array(pipeline->n_jobs + 1, sizeof(*settled));
    autobuf struct buf names = BUF_INIT;
    bool changed = true;

    if (!settled)
        return error_set(err, -ENOMEM, "pipeline: out of memory");
    while (changed) {
        changed = false;
        for (size_t i = 0; i < pipeline->n_jobs; i++) {
            const struct pipeline_job *job = &pipeline->jobs[i];
            bool free_of = true;

            for (size_t k = 0; k < job->n_needs; k++)
                free_of = free_of && settled[job->needs[k]];
            changed |= free_of && !settled[i];
            settled[i] = settled[i] || free_of;
        }
    }
    for (size_t at = 0; at < pipeline->n_jobs; at++) {
        size_t first = at;

        if (settled[at])
            continue;
        /* Every job that remains needs another one that does; after n steps we are in a circle. */
        for (size_t steps = 0; steps <= 2 * pipeline->n_jobs; steps++) {
            const struct pipeline_job *job = &pipeline->jobs[at];
            size_t k = 0;

            if (steps == pipeline->n_jobs)
                first = at;
            if (steps >= pipeline->n_jobs)
                buf_addf(&names, "%s'%s' (line %d)", names.len ? " needs " : "", job->job->name,
                         job->job->line);
            if (steps > pipeline->n_jobs && at == first)
                break;
            while (settled[job->needs[k]])
                k++;
            at = job->needs[k];
        }
        return error_set(err, -EINVAL, "jobs wait for each other: %s", buf_str(&names));
    }
    return 0;
}

static int link_needs(struct pipeline *pipeline, struct error *err)
{
    for (size_t i = 0; i < pipeline->n_jobs; i++) {
        struct pipeline_job *job = &pipeline->jobs[i];
        int r = check_needs(pipeline->config, job->job, err);

        if (r < 0)
            return r;
        job->needs = mem_array(job->job->needs.count + 1, sizeof(*job->needs));
        if (!job->needs)
            return error_set(err, -ENOMEM, "pipeline: out of memory");
        for (size_t k = 0; k < job->job->needs.count; k++) {
            const struct pipeline_job *need = find_name(pipeline, job->job->needs.items[k]);

            if (need)
                job->needs[job->n_needs++] = (size_t) (need - pipeline->jobs);
        }
    }
    return find_circle(pipeline, err);
}

int pipeline_new(const struct ci_config *config, const struct ci_selection *selection,
                 int64_t now_ms, struct pipeline **ret, struct error *err)
{
    auto_ptr(pipeline_free) struct pipeline *pipeline = mem_zero(sizeof(*pipeline));
    int r;

    if (!pipeline || !(pipeline->jobs = mem_array(config->n_jobs + 1, sizeof(*pipeline->jobs))))
        return error_set(err, -ENOMEM, "pipeline: out of memory");
    pipeline->config = config;
    for (size_t i = 0; i < config->n_jobs; i++)
        if (ci_selects(selection, config->jobs[i].name))
            pipeline->jobs[pipeline->n_jobs++] = (struct pipeline_job) { .job = &config->jobs[i],
                                                                         .id = (int64_t) i + 1,
                                                                         .ready_ms = -1,
                                                                         .started_ms = -1,
                                                                         .ended_ms = -1 };
    r = link_needs(pipeline, err);
    if (r < 0)
        return r;
    update(pipeline, now_ms);
    *ret = take_ptr(pipeline);
    return 0;
}

struct pipeline_job *pipeline_take(struct pipeline *pipeline)
{
    struct pipeline_job *first = NULL;

    for (size_t i = 0; i < pipeline->n_jobs; i++)
        if (pipeline->jobs[i].state == PIPELINE_JOB_READY &&
            (!first || pipeline->jobs[i].job->stage < first->job->stage))
            first = &pipeline->jobs[i];
    if (first)
        first->state = PIPELINE_JOB_GIVEN;
    return first;
}

void pipeline_give_back(struct pipeline *pipeline, int64_t id)
{
    struct pipeline_job *job = pipeline_find(pipeline, id);

    if (job && job->state == PIPELINE_JOB_GIVEN)
        job->state = PIPELINE_JOB_READY;
}

void pipeline_started(struct pipeline *pipeline, int64_t id, int64_t now_ms)
{
    struct pipeline_job *job = pipeline_find(pipeline, id);

    if (!job || is_over(job->state))
        return;
    job->state = PIPELINE_JOB_RUNNING;
    job->started_ms = now_ms;
}

static bool failure_allowed(const struct ci_job *job, int exit_code)
{
    for (size_t i = 0; i < job->n_allow_exit_codes; i++)
        if (job->allow_exit_codes[i] == exit_code)
            return true;
    return job->allow_failure;
}

void pipeline_finished(struct pipeline *pipeline, int64_t id, bool success, int exit_code,
                       const char *reason, int64_t now_ms)
{
    struct pipeline_job *job = pipeline_find(pipeline, id);

    if (!job || is_over(job->state))
        return;
    job->exit_code = exit_code;
    job->ended_ms = now_ms;
    (void) str_copy(job->reason, sizeof(job->reason), success || !reason ? "" : reason);
    if (success)
        job->state = PIPELINE_JOB_PASSED;
    else if (str_eq(reason, "job_canceled"))
        job->state = PIPELINE_JOB_CANCELED;
    else if (failure_allowed(job->job, exit_code))
        job->state = PIPELINE_JOB_ALLOWED;
    else
        job->state = PIPELINE_JOB_FAILED;
    update(pipeline, now_ms);
}

void pipeline_cancel(struct pipeline *pipeline)
{
    pipeline->canceled = true;
    for (size_t i = 0; i < pipeline->n_jobs; i++)
        if (pipeline->jobs[i].state <= PIPELINE_JOB_READY)
            pipeline->jobs[i].state = PIPELINE_JOB_CANCELED;
}

void pipeline_set_instance(struct pipeline *pipeline, int64_t id, const char *instance)
{
    struct pipeline_job *job = pipeline_find(pipeline, id);
    char *copy = job ? mem_strdup(instance) : NULL;

    if (!copy)
        return;
    free(job->instance);
    job->instance = copy;
}

bool pipeline_has_ready(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->n_jobs; i++)
        if (pipeline->jobs[i].state == PIPELINE_JOB_READY)
            return true;
    return false;
}

bool pipeline_done(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->n_jobs; i++)
        if (!is_over(pipeline->jobs[i].state))
            return false;
    return true;
}

bool pipeline_passed(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->n_jobs; i++)
        if (!is_good(pipeline->jobs[i].state))
            return false;
    return true;
}

const char *pipeline_state_name(enum pipeline_state state)
{
    static const char *const names[] = {
        [PIPELINE_JOB_WAITING] = "waiting",   [PIPELINE_JOB_READY] = "ready",
        [PIPELINE_JOB_GIVEN] = "given",       [PIPELINE_JOB_RUNNING] = "running",
        [PIPELINE_JOB_PASSED] = "passed",     [PIPELINE_JOB_ALLOWED] = "failed (allowed)",
        [PIPELINE_JOB_FAILED] = "failed",     [PIPELINE_JOB_SKIPPED] = "skipped",
        [PIPELINE_JOB_CANCELED] = "canceled",
    };

    return names[state];
}
