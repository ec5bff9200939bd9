/* core/simulate/engine.h - one group of instances in virtual time.
 *
 * The cycle of core/supervisor/group.c, with the same fleet, scaler and slots, but a model of the
 * cloud in the provider's place and a workload in GitLab's. Time goes from event to event: nothing
 * happens between two of them, and a list that would say what the last one said is not read. The same
 * settings, workload and seed give the same result, decision by decision. */
#pragma once

#include "core/config/config.h"
#include "core/fleet/scaler.h"
#include "core/simulate/cloud.h"
#include "core/simulate/result.h"
#include "core/simulate/workload.h"

struct engine_settings {
    const char *name; /* for the result */
    const struct config_autoscaler *autoscaler;
    int64_t concurrent, limit; /* jobs at a time; limit: 0 = none */
    int64_t check_interval_ms;
    int64_t long_poll_ms; /* GitLab keeps a request for a job open for so long */
    int64_t request_ms;   /* what a request that gets a job takes */
    struct cloud_model cloud;
    uint64_t seed;
    bool every_list; /* reads those that say nothing new too: slower, and the same result */
    /* Hears of every decision, before it is carried out; may be NULL. */
    void (*on_plan)(void *arg, int64_t now_ms, const struct scaler_plan *plan);
    void *on_plan_arg;
};
/* Those of one runner; the cloud is the model's default. Borrows from the configuration. */
void engine_settings_read(const struct config *config, const struct config_runner *runner,
                          struct engine_settings *ret);
/* The result is the caller's to result_done(). */
int engine_run(const struct engine_settings *settings, const struct workload *workload,
               struct result *ret, struct error *err);
