/* core/fleet/settings.c - a configuration's [runners.autoscaler] as the fleet's own settings. */
#include "core/fleet/settings.h"

#include <math.h>

#include "core/base/fault.h"
#include "core/base/str.h"

/* autoscaler.md 9.2; of the second the peer says nothing: jobs that come together need one answer. */
#define HEARTBEAT_EVERY_MS (5 * 60 * 1000)
#define HEARTBEAT_VALID_MS (10 * 1000)

/* Without a max_instances the burst is the limit (autoscaler.md 10.3): a plugin's own maximum is no
 * wish of the operator's. */
static void read_throttle(const struct config_autoscaler *autoscaler, struct fleet_config *ret)
{
    const struct config_throttle *throttle = &autoscaler->throttle;

    ret->throttle_limit = throttle->limit == 0 ? FLEET_THROTTLE_LIMIT : (int32_t) throttle->limit;
    ret->throttle_burst = (uint32_t) (throttle->burst > 0             ? throttle->burst
                                      : autoscaler->max_instances > 0 ? autoscaler->max_instances
                                      : ret->throttle_limit > 0       ? ret->throttle_limit
                                                                      : 0);
}

static void read_billing(const struct config_autoscaler *autoscaler,
                         const struct fleet_provider *provider, struct fleet_config *ret)
{
    ret->price_micros_hour = autoscaler->instance_price > 0
                                 ? (int64_t) llround(autoscaler->instance_price * 1e6)
                                 : provider->price_micros_hour;
    ret->minimum_billed_ms = autoscaler->instance_minimum_billed_ms > 0
                                 ? autoscaler->instance_minimum_billed_ms
                                 : provider->minimum_billed_ms;
    ret->minimum_life_ms = autoscaler->instance_minimum_life_ms > 0
                               ? autoscaler->instance_minimum_life_ms
                               : provider->minimum_life_ms;
    ret->recycle_ms = provider->recycle_ms;
}

void fleet_settings_read(const struct config_autoscaler *autoscaler,
                         const struct fleet_policy *policy, const struct fleet_provider *provider,
                         struct fleet_config *ret)
{
    int64_t max = autoscaler->max_instances > 0 ? autoscaler->max_instances
                  : provider->max_size > 0      ? provider->max_size
                                                : FLEET_MAX_INSTANCES;

    *ret = (struct fleet_config) {
        .capacity = (uint32_t) MAX((int64_t) 1, autoscaler->capacity_per_instance),
        .max_use_count = (uint32_t) autoscaler->max_use_count,
        .max_instances = (uint32_t) MIN(max, (int64_t) UINT32_MAX),
        .policy = *policy,
        .vm_isolation = autoscaler->vm_isolation.enabled,
        .unthrottled_reservations = !autoscaler->reservation_throttling,
        .pending_limit_ms = fault_limit_ms("pending", FLEET_PENDING_LIMIT_MS),
        .failure_threshold = (uint32_t) autoscaler->failure_threshold,
        .pause_unit_ms = fault_limit_ms("back_off", 0),
        .heartbeat_interval_ms = autoscaler->flags.set[FF_USE_FLEETING_ACQUIRE_HEARTBEATS] == 1
                                     ? fault_limit_ms("heartbeat", HEARTBEAT_EVERY_MS)
                                     : 0,
        .heartbeat_valid_ms = fault_limit_ms("heartbeat_valid", HEARTBEAT_VALID_MS),
    };
    read_throttle(autoscaler, ret);
    read_billing(autoscaler, provider, ret);
}
