/* core/exec/pipeline.c - stages and needs, and what `when` makes of how they ended.
 *
 * A job without needs waits for every job of the earlier stages, one with needs for those alone.
 * How these are together is one word, found as GitLab finds it (sum_of()); `when` says with which
 * words the job runs, else it is skipped. Nobody starts manual jobs here: they stay as they are, and
 * what has to wait for one stays as well. */
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

/* A manual job that nobody has to wait for. */
static bool is_optional(const struct pipeline_job *job)
{
    return job->state == PIPELINE_JOB_MANUAL && job->job->allow_failure;
}

/* What the jobs come to that another one waits for. */
enum sum { SUM_SUCCESS, SUM_FAILED, SUM_SKIPPED, SUM_CANCELED, SUM_BLOCKED, SUM_RUNNING };

struct counts {
    size_t all, over, good, failed, skipped, canceled, optional, blocking;
};

static void count(struct counts *counts, const struct pipeline_job *job)
{
    counts->all++;
    counts->over += is_over(job->state);
    counts->good += is_good(job->state);
    counts->failed += job->state == PIPELINE_JOB_FAILED;
    counts->skipped += job->state == PIPELINE_JOB_SKIPPED;
    counts->canceled += job->state == PIPELINE_JOB_CANCELED;
    counts->optional += is_optional(job);
    counts->blocking += job->state == PIPELINE_JOB_BLOCKED ||
                        (job->state == PIPELINE_JOB_MANUAL && !is_optional(job));
}

static enum sum sum_of(const struct counts *counts, bool needs)
{
    if (counts->all == 0)
        return SUM_SUCCESS;
    /* A needed job that does not run at all decides at once. */
    if (needs && counts->skipped + counts->optional > 0)
        return SUM_SKIPPED;
    if (counts->over < counts->all)
        return SUM_RUNNING;
    if (counts->blocking > 0)
        return SUM_BLOCKED;
    if (counts->skipped + counts->optional == counts->all)
        return SUM_SKIPPED;
    if (counts->failed > 0)
        return SUM_FAILED;
    return counts->canceled > 0 ? SUM_CANCELED : SUM_SUCCESS;
}

/* What becomes of a waiting job; PIPELINE_JOB_WAITING when that is not known yet. */
static enum pipeline_state outlook_of(const struct pipeline *pipeline,
                                      const struct pipeline_job *job)
{
    const struct ci_job *ci = job->job;
    struct counts counts = { 0 };
    enum sum sum;
    bool runs;

    for (size_t i = 0; ci->has_needs && i < job->n_needs; i++)
        count(&counts, &pipeline->jobs[job->needs[i]]);
    for (size_t i = 0; !ci->has_needs && i < pipeline->n_jobs; i++)
        if (pipeline->jobs[i].job->stage < ci->stage)
            count(&counts, &pipeline->jobs[i]);
    sum = sum_of(&counts, ci->has_needs);
    if (sum == SUM_RUNNING)
        return PIPELINE_JOB_WAITING;
    if (sum == SUM_BLOCKED)
        return PIPELINE_JOB_BLOCKED;
    runs = sum == SUM_SUCCESS || (sum == SUM_SKIPPED && !ci->has_needs);
    if (ci->when == CI_WHEN_ON_FAILURE)
        runs = sum == SUM_FAILED;
    else if (ci->when == CI_WHEN_ALWAYS)
        runs = sum != SUM_CANCELED;
    if (!runs)
        return PIPELINE_JOB_SKIPPED;
    return ci->when == CI_WHEN_MANUAL ? PIPELINE_JOB_MANUAL : PIPELINE_JOB_READY;
}

/* Skipping one job can decide about others, so it goes on until nothing changes. */
static void update(struct pipeline *pipeline, int64_t now_ms)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (size_t i = 0; i < pipeline->n_jobs; i++) {
            struct pipeline_job *job = &pipeline->jobs[i];
            enum pipeline_state outlook;

            if (job->state != PIPELINE_JOB_WAITING)
                continue;
            outlook = outlook_of(pipeline, job);
            if (outlook == PIPELINE_JOB_WAITING)
                continue;
            job->state = outlook;
            job->ready_ms = outlook == PIPELINE_JOB_READY ? now_ms : -1;
            changed = true;
        }
    }
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
                buf_addf(&names, "%s'%s' (%s)", names.len ? " needs " : "", job->job->name,
                         job->job->place);
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
        if (ci_selects(selection, &config->jobs[i]))
            pipeline->jobs[pipeline->n_jobs++] = (struct pipeline_job) { .job = &config->jobs[i],
                                                                         .id = (int64_t) i + 1,
                                                                         .ready_ms = -1,
                                                                         .started_ms = -1,
                                                                         .ended_ms = -1 };
    pipeline->next_id = (int64_t) config->n_jobs + 1;
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
    return job->allow_failure || ci_codes_have(&job->allow_exit_codes, exit_code);
}

static bool tried_again(const struct pipeline_job *job, const char *reason)
{
    const struct ci_retry *retry = &job->job->retry;

    if (job->tries > retry->max)
        return false;
    if (retry->reasons.count == 0 && retry->exit_codes.count == 0)
        return true;
    return ci_codes_have(&retry->exit_codes, job->exit_code) ||
           ci_lines_have(&retry->reasons, "always") || ci_lines_have(&retry->reasons, reason);
}

/* A job of its own for the coordinator and the runner: nothing of the last one counts for it. */
static void try_again(struct pipeline *pipeline, struct pipeline_job *job, int64_t now_ms)
{
    job->id = pipeline->next_id++;
    job->state = PIPELINE_JOB_READY;
    job->exit_code = 0;
    *job->reason = '\0';
    job->ready_ms = now_ms;
    job->started_ms = job->ended_ms = -1;
}

void pipeline_finished(struct pipeline *pipeline, int64_t id, bool success, int exit_code,
                       const char *reason, int64_t now_ms)
{
    struct pipeline_job *job = pipeline_find(pipeline, id);

    if (!job || is_over(job->state))
        return;
    job->exit_code = exit_code;
    job->ended_ms = now_ms;
    job->tries++;
    (void) str_copy(job->reason, sizeof(job->reason), success || !reason ? "" : reason);
    if (success)
        job->state = PIPELINE_JOB_PASSED;
    else if (str_eq(reason, "job_canceled"))
        job->state = PIPELINE_JOB_CANCELED;
    else if (!pipeline->canceled && tried_again(job, reason))
        try_again(pipeline, job, now_ms);
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
    for (size_t i = 0; i < pipeline->n_jobs; i++) {
        enum pipeline_state state = pipeline->jobs[i].state;

        if (!is_over(state) || state == PIPELINE_JOB_FAILED || state == PIPELINE_JOB_CANCELED)
            return false;
    }
    return true;
}

const char *pipeline_state_name(enum pipeline_state state)
{
    static const char *const names[] = {
        [PIPELINE_JOB_WAITING] = "waiting",
        [PIPELINE_JOB_READY] = "ready",
        [PIPELINE_JOB_GIVEN] = "given",
        [PIPELINE_JOB_RUNNING] = "running",
        [PIPELINE_JOB_PASSED] = "passed",
        [PIPELINE_JOB_ALLOWED] = "failed (allowed)",
        [PIPELINE_JOB_FAILED] = "failed",
        [PIPELINE_JOB_SKIPPED] = "skipped",
        [PIPELINE_JOB_CANCELED] = "canceled",
        [PIPELINE_JOB_MANUAL] = "skipped, manual",
        [PIPELINE_JOB_BLOCKED] = "skipped, waits for a manual job",
    };

    return names[state];
}
