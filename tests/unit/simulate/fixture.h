/* tests/unit/simulate/fixture.h - settings of an engine without a file. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/simulate/engine.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

struct setting {
    struct config_policy policy;
    struct config_autoscaler autoscaler;
    struct engine_settings engine;
};

/* `max` instances of `capacity` slots, `idle` jobs' worth of them kept idle for `idle_time_ms`. What
 * there is to wait for beside instances takes no time. */
static inline void begin_setting(struct setting *setting, int64_t max, int64_t capacity,
                                 int64_t idle, int64_t idle_time_ms)
{
    *setting = (struct setting) {
        .policy = { .idle_count = idle, .idle_time_ms = idle_time_ms, .preemptive = -1 },
        .autoscaler = { .capacity_per_instance = capacity,
                        .max_instances = max,
                        .instance_acquire_timeout_ms = 15 * MINUTE,
                        .update_interval_ms = MINUTE,
                        .update_interval_when_expecting_ms = 2 * SECOND,
                        .deletion_retry_interval_ms = MINUTE,
                        .failure_threshold = 3,
                        .reservation_throttling = true,
                        .policies = &setting->policy,
                        .n_policies = 1 },
        .engine = { .name = "fixture",
                    .autoscaler = &setting->autoscaler,
                    .concurrent = 1000000,
                    .check_interval_ms = 3 * SECOND,
                    .long_poll_ms = 50 * SECOND,
                    .cloud = cloud_default,
                    .seed = 1 },
    };
}

static inline struct distribution fixed(int64_t ms)
{
    return (struct distribution) { .kind = DISTRIBUTION_FIXED, .first_ms = (double) ms };
}

/* The workload is freed. */
static inline struct result run_setting(const struct setting *setting, struct workload *workload)
{
    struct result result = { 0 };
    struct error err = { 0 };

    if (workload_finish(workload, &err) < 0 ||
        engine_run(&setting->engine, workload, &result, &err) < 0)
        fail_msg("%s", err.message);
    workload_done(workload);
    return result;
}
