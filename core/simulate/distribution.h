/* core/simulate/distribution.h - times that differ from case to case: how long jobs run, how long
 * instances boot. */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/random.h"

enum distribution_kind {
    DISTRIBUTION_FIXED,
    DISTRIBUTION_UNIFORM,
    DISTRIBUTION_EXPONENTIAL,
    DISTRIBUTION_LOGNORMAL
};
struct distribution {
    enum distribution_kind kind;
    double first_ms; /* the value, the least, the mean, the median */
    double second;   /* the most in ms; the deviation of the logarithm */
};

/* "40s", "fixed:40s", "uniform:10s,60s", "exponential:5m" (the mean), "lognormal:40s,0.3" (the
 * median, and the standard deviation of the logarithm). */
int distribution_parse(const char *text, struct distribution *ret, struct error *err);
int64_t distribution_draw_ms(const struct distribution *distribution, const struct rng *rng);

/* Uniform in (0, 1]. */
double draw_unit(const struct rng *rng);
/* Of a Poisson process with so many events a millisecond: until the next one. */
double draw_gap_ms(double rate, const struct rng *rng);

/* As parse_duration_ms(), and days: "30d", "1d12h". */
int parse_period_ms(const char *text, int64_t *ret);
