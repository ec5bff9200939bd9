/* core/fleet/settings.h - what a [runners.autoscaler] asks of its fleet; for whoever runs one: the
 * supervisor with the cloud, the simulator with a model of it. */
#pragma once

#include "core/config/config.h"
#include "core/fleet/fleet.h"

/* Ordered instances that never appear are given up (autoscaler_V17). */
#define FLEET_PENDING_LIMIT_MS (15 * 60 * 1000)

/* `policy`: the one that holds now (policy.h). `provider_max` holds where the configuration names no
 * max_instances. */
void fleet_settings_read(const struct config_autoscaler *autoscaler,
                         const struct fleet_policy *policy, int64_t provider_max,
                         struct fleet_config *ret);
