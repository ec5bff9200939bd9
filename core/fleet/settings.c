/* core/fleet/settings.c - a configuration's [runners.autoscaler] as the fleet's own settings. */
#include "core/fleet/settings.h"

#include "core/base/fault.h"
#include "core/base/str.h"

#define DEFAULT_IDLE_TIME_MS (5 * 60 * 1000)

/* Without periods the last policy holds always (autoscaler.md 6.1); none at all: idle 0, 5 minutes.
 */
void fleet_settings_read(const struct config_autoscaler *autoscaler, int64_t provider_max,
                         struct fleet_config *ret)
{
    const struct config_policy *policy =
        autoscaler->n_policies > 0 ? &autoscaler->policies[autoscaler->n_policies - 1] : NULL;
    int64_t max = autoscaler->max_instances > 0 ? autoscaler->max_instances : provider_max;

    *ret = (struct fleet_config) {
        .capacity = (uint32_t) MAX((int64_t) 1, autoscaler->capacity_per_instance),
        .max_use_count = (uint32_t) autoscaler->max_use_count,
        .max_instances = (uint32_t) MIN(max, (int64_t) UINT32_MAX),
        .policy.idle_time_ms = DEFAULT_IDLE_TIME_MS,
        .failure_threshold = (uint32_t) autoscaler->failure_threshold,
        .pending_limit_ms = fault_limit_ms("pending", FLEET_PENDING_LIMIT_MS)
    };
    if (!policy)
        return;
    ret->policy.idle_count = (uint32_t) policy->idle_count;
    ret->policy.idle_time_ms = policy->idle_time_ms;
    ret->policy.scale_factor = policy->scale_factor;
    ret->policy.scale_factor_limit = (uint32_t) policy->scale_factor_limit;
    ret->policy.preemptive =
        policy->preemptive < 0 ? policy->idle_count > 0 : policy->preemptive != 0;
}
