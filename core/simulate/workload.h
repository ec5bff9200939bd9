/* core/simulate/workload.h - the jobs of a simulation: when each is created at GitLab, and for how
 * long it will run. From a file, from a record, or made up. */
#pragma once

#include <stddef.h>

#include "core/simulate/distribution.h"

struct workload_job {
    int64_t arrival_ms, duration_ms; /* arrival: wall clock */
};
struct workload {
    struct workload_job *jobs; /* in order of arrival once workload_finish() was called */
    size_t n, cap;
    int64_t begin_ms, end_ms; /* of the time that is simulated; 0 = as the jobs have it */
};
void workload_done(struct workload *workload);

/* A week that begins on a Monday, for those who name no time: 2024-01-01T00:00:00Z. */
#define WORKLOAD_BEGIN_MS INT64_C(1704067200000)

int workload_add(struct workload *workload, int64_t arrival_ms, int64_t duration_ms);
/* Sorts. Without a begin the time begins with the hour of the first job; without an end it ends an
 * hour after the last job could have ended. */
int workload_finish(struct workload *workload, struct error *err);

/* CSV with the columns arrival and duration: by their names when the first row holds them, else the
 * first two. Arrivals are seconds since the begin, or times (when.h), of UTC unless they say; durations
 * seconds, or such as 5m30s. Errors name the row. */
int workload_read_csv(struct workload *workload, const char *text, size_t len, const char *name,
                      struct error *err);

/* Generators, each over the time, which is set; `rng` is their own. */
struct workload_wave {
    double peak, off_peak; /* jobs an hour, at 14:00 and at 02:00 UTC */
};
/* N jobs in each `period_ms` on average, evenly. */
int workload_poisson(struct workload *workload, double n, int64_t period_ms,
                     const struct distribution *duration, const struct rng *rng);
int workload_daily(struct workload *workload, const struct workload_wave *wave,
                   const struct distribution *duration, const struct rng *rng);
/* N jobs at one moment. */
int workload_burst(struct workload *workload, int64_t n, int64_t at_ms,
                   const struct distribution *duration, const struct rng *rng);
