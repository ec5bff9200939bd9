/* core/fleet/settings.c - a configuration's [runners.autoscaler] as the fleet's own settings. */
#include "core/fleet/settings.h"

#include "core/base/fault.h"
#include "core/base/str.h"

void fleet_settings_read(const struct config_autoscaler *autoscaler,
                         const struct fleet_policy *policy, int64_t provider_max,
                         struct fleet_config *ret)
{
    int64_t max = autoscaler->max_instances > 0 ? autoscaler->max_instances : provider_max;

    *ret = (struct fleet_config) {
        .capacity = (uint32_t) MAX((int64_t) 1, autoscaler->capacity_per_instance),
        .max_use_count = (uint32_t) autoscaler->max_use_count,
        .max_instances = (uint32_t) MIN(max, (int64_t) UINT32_MAX),
        .policy = *policy,
        .failure_threshold = (uint32_t) autoscaler->failure_threshold,
        .pending_limit_ms = fault_limit_ms("pending", FLEET_PENDING_LIMIT_MS)
    };
}
