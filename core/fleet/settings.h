/* core/fleet/settings.h - what a [runners.autoscaler] asks of its fleet; for whoever runs one: the
 * supervisor with the cloud, the simulator with a model of it. */
#pragma once

#include "core/config/config.h"
#include "core/fleet/fleet.h"

/* Ordered instances that never appear are given up (autoscaler_V17). */
#define FLEET_PENDING_LIMIT_MS (15 * 60 * 1000)
/* A group whose plugin names no maximum (autoscaler.md 5.1). */
#define FLEET_MAX_INSTANCES 1000

/* What the provider says of its group; 0 = it does not. */
struct fleet_provider {
    int64_t max_size;
    int64_t price_micros_hour, minimum_billed_ms, minimum_life_ms, recycle_ms;
};

/* `policy`: the one that holds now (policy.h). What the configuration names comes before what the
 * provider says. */
void fleet_settings_read(const struct config_autoscaler *autoscaler,
                         const struct fleet_policy *policy, const struct fleet_provider *provider,
                         struct fleet_config *ret);
