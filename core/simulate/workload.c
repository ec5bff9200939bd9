/* core/simulate/workload.c - jobs in order of time, and those that are made up. */
#include "core/simulate/workload.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define HOUR_MS (INT64_C(3600) * 1000)
#define DAY_MS (24 * HOUR_MS)
#define TROUGH_MS (2 * HOUR_MS)
/* 64 bytes each while they are simulated: more would only fill the machine. */
#define JOBS_MAX 20000000
/* Ten years: of so many jobs, sums of their time overflow beyond. */
#define DAYS_MAX 3660

void workload_done(struct workload *workload)
{
    free(workload->jobs);
    *workload = (struct workload) { 0 };
}

int workload_add(struct workload *workload, int64_t arrival_ms, int64_t duration_ms)
{
    if (workload->n == JOBS_MAX)
        return -E2BIG;
    if (workload->n == workload->cap) {
        size_t cap = workload->cap ? workload->cap * 2 : 1024;
        struct workload_job *grown = mem_resize(workload->jobs, cap, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        workload->jobs = grown;
        workload->cap = cap;
    }
    workload->jobs[workload->n++] = (struct workload_job) { arrival_ms, duration_ms };
    return 0;
}

/* Those of one moment: the shorter first, so that the order is the same wherever qsort() is. */
static int compare_jobs(const void *a, const void *b)
{
    const struct workload_job *x = a, *y = b;

    if (x->arrival_ms != y->arrival_ms)
        return x->arrival_ms < y->arrival_ms ? -1 : 1;
    return (x->duration_ms > y->duration_ms) - (x->duration_ms < y->duration_ms);
}

static int check_span(const struct workload *workload, struct error *err)
{
    int64_t days = (workload->end_ms - workload->begin_ms + DAY_MS - 1) / DAY_MS;

    return days <= DAYS_MAX
               ? 0
               : error_set(err, -ERANGE,
                           "%" PRId64 " days are too long to simulate, at most %d are; "
                           "--for says when to end",
                           days, DAYS_MAX);
}

int workload_finish(struct workload *workload, struct error *err)
{
    if (workload->n == 0)
        return error_set(err, -EINVAL, "there are no jobs to simulate");
    qsort(workload->jobs, workload->n, sizeof(*workload->jobs), compare_jobs);
    /* Times of a fleet are above 0. */
    if (workload->begin_ms < 0 || workload->jobs[0].arrival_ms < HOUR_MS)
        return error_set(err, -EINVAL, "times before 1970-01-01T01:00:00Z are not simulated");
    if (workload->begin_ms == 0)
        workload->begin_ms = workload->jobs[0].arrival_ms / HOUR_MS * HOUR_MS;
    if (workload->jobs[0].arrival_ms < workload->begin_ms)
        return error_set(err, -EINVAL,
                         "a job arrives before the time that is simulated: name an earlier start");
    if (workload->end_ms != 0)
        return check_span(workload, err);
    for (size_t i = 0; i < workload->n; i++)
        workload->end_ms =
            MAX(workload->end_ms, workload->jobs[i].arrival_ms + workload->jobs[i].duration_ms);
    workload->end_ms += HOUR_MS;
    return check_span(workload, err);
}

int workload_poisson(struct workload *workload, double n, int64_t period_ms,
                     const struct distribution *duration, const struct rng *rng)
{
    double rate = n / (double) period_ms, at = (double) workload->begin_ms;
    int r = 0;

    for (at += draw_gap_ms(rate, rng); r == 0 && at < (double) workload->end_ms;
         at += draw_gap_ms(rate, rng))
        r = workload_add(workload, (int64_t) at, distribution_draw_ms(duration, rng));
    return r;
}

/* Jobs a millisecond at that time of the day. */
static double wave_rate(const struct workload_wave *wave, double at_ms)
{
    double day = fmod(at_ms - TROUGH_MS, DAY_MS) / DAY_MS, height = (1 - cos(2 * M_PI * day)) / 2;

    return (wave->off_peak + (wave->peak - wave->off_peak) * height) / HOUR_MS;
}

/* Thinned: arrivals at the highest rate, each kept as often as the rate at its time is lower. */
int workload_daily(struct workload *workload, const struct workload_wave *wave,
                   const struct distribution *duration, const struct rng *rng)
{
    double highest = fmax(wave->peak, wave->off_peak) / HOUR_MS, at = (double) workload->begin_ms;
    int r = 0;

    for (at += draw_gap_ms(highest, rng); r == 0 && at < (double) workload->end_ms;
         at += draw_gap_ms(highest, rng))
        if (draw_unit(rng) * highest <= wave_rate(wave, at))
            r = workload_add(workload, (int64_t) at, distribution_draw_ms(duration, rng));
    return r;
}

int workload_burst(struct workload *workload, int64_t n, int64_t at_ms,
                   const struct distribution *duration, const struct rng *rng)
{
    int r = 0;

    for (int64_t i = 0; r == 0 && i < n; i++)
        r = workload_add(workload, at_ms, distribution_draw_ms(duration, rng));
    return r;
}
