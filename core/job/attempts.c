/* core/job/attempts.c - a stage that may be tried again: how often, and the pauses (job-execution.md
 * 1.4). Used by job.c; stream.c rests between its own tries. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/job/job.h"

#define ATTEMPTS_MAX 10

/* What the variable says within the bounds; what it says wrongly goes to `warn`, which may be NULL. */
static int64_t read_attempts(const struct job *job, const char *variable, struct job *warn)
{
    const char *text = variables_get(&job->variables, variable);
    int64_t attempts = 1, clamped;

    if (str_empty(text))
        return 1;
    if (parse_i64(text, INT64_MIN, INT64_MAX, &attempts) < 0) {
        if (warn)
            job_warn(warn, "%s: expected int got \"%s\", using default value: 1", variable, text);
        return 1;
    }
    clamped = MIN(MAX(attempts, (int64_t) 1), (int64_t) ATTEMPTS_MAX);
    if (warn && clamped != attempts)
        job_warn(warn, "%s: number of attempts out of the range [1, %d], clamping to: %" PRId64,
                 variable, ATTEMPTS_MAX, clamped);
    return clamped;
}

int64_t attempts_of(const struct job *job, const char *variable)
{
    return read_attempts(job, variable, NULL);
}

void attempts_check(struct job *job)
{
    static const char *const variables[] = { "GET_SOURCES_ATTEMPTS", "RESTORE_CACHE_ATTEMPTS",
                                             "ARTIFACT_DOWNLOAD_ATTEMPTS",
                                             "EXECUTOR_JOB_SECTION_ATTEMPTS" };

    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        (void) read_attempts(job, variables[i], job);
}

static int64_t pause_ms(const struct job *job, int64_t tried)
{
    bool patient = job->flags[FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY];
    int64_t first = patient ? 5000 : 1000, longest = patient ? 5 * 60 * 1000 : 5000;

    return MIN(first << (tried - 1), longest);
}

struct end attempts_rest(struct job *job, int64_t until, int64_t deadline)
{
    struct error err = { 0 };
    int r;

    (void) trace_flush(job->trace);
    remote_set_watch(job->remote, stage_watch(job));
    r = remote_idle(job->remote, MIN(until, deadline), &err);
    if (r == 0 && until > deadline)
        r = -ETIMEDOUT;
    return r < 0 ? end_from_error(job, r, err.message) : end_ok();
}

struct end attempts_pause(struct job *job, int64_t tried, int64_t until_ms)
{
    int64_t until = clock_mono_ms(&clock_system) + pause_ms(job, tried);

    (void) trace_line(job->trace, TRACE_WARNING, "Retrying...");
    return attempts_rest(job, until, stage_deadline(job, until_ms));
}

/* A connection that is lost stays lost. */
struct end attempts_run(struct job *job, const char *variable, struct end (*stage)(struct job *job))
{
    int64_t attempts = attempts_of(job, variable);
    struct end end = stage(job);

    for (int64_t tried = 1; end.kind == END_EXIT && tried < attempts; tried++) {
        end = attempts_pause(job, tried, 0);
        if (end.kind == END_OK)
            end = stage(job);
    }
    return end;
}
