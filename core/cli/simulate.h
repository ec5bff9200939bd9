/* core/cli/simulate.h - what the files of `flotilla simulate` share: simulate.c (the run),
 * simulate_options.c (its command line), simulate_jobs.c (the jobs that it names) and
 * simulate_replay.c (the decisions of a ledger). */
#pragma once

#include "core/simulate/engine.h"

#define SIMULATE_BURSTS_MAX 32

struct simulate_burst {
    int64_t n, at_ms; /* since the begin */
};
struct simulate_options {
    const char *configs[RESULTS_MAX];
    size_t n_configs;
    const char *runner, *state_dir, *report;
    bool json;
    /* Jobs. */
    const char *jobs;
    bool history, replay;
    double poisson; /* 0 = none */
    int64_t poisson_ms;
    struct workload_wave wave; /* 0 = none */
    struct simulate_burst bursts[SIMULATE_BURSTS_MAX];
    size_t n_bursts;
    struct distribution duration;
    int64_t start_ms, period_ms; /* 0 = as the jobs have it */
    uint64_t seed;
    /* The cloud, and GitLab; -1 and no kind = as the configuration or the model has it. */
    struct cloud_model cloud;
    int64_t request_ms, long_poll_ms;
};

/* 0 to go on; 1 when all is said; negative for a wrong use. */
int simulate_parse_options(int argc, char **argv, struct simulate_options *ret);
/* The caller ends with workload_done(). */
int simulate_read_jobs(const struct simulate_options *options, struct workload *ret,
                       struct error *err);

/* The command's exit status. */
int simulate_replay(const struct simulate_options *options);
