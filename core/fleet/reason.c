/* core/fleet/reason.c - names of states and reasons, stable for JSON and log searches. */
#include <errno.h>

#include "core/base/str.h"
#include "core/fleet/fleet.h"

static const char *const states[] = {
    [INSTANCE_CREATING] = "creating",   [INSTANCE_RUNNING] = "running",
    [INSTANCE_DELETING] = "deleting",   [INSTANCE_DELETED] = "deleted",
    [INSTANCE_TIMEOUT] = "timeout",     [INSTANCE_SUSPENDING] = "suspending",
    [INSTANCE_SUSPENDED] = "suspended", [INSTANCE_RESUMING] = "resuming",
};

static const char *const reasons[] = {
    [REASON_NONE] = "none",
    [REASON_DEMAND] = "demand",
    [REASON_IDLE_TARGET] = "idle_target",
    [REASON_AT_MAXIMUM] = "at_maximum",
    [REASON_ENOUGH] = "enough",
    [REASON_DEMAND_GONE] = "demand_gone",
    [REASON_USES_SPENT] = "uses_spent",
    [REASON_IDLE_TOO_LONG] = "instance exceeded max idle time",
    [REASON_UNKNOWN_AT_START] = "no data on pre-existing instance so removing for safety",
    [REASON_REPORTED_GONE] = "the cloud reports it gone",
    [REASON_VANISHED] = "instance unexpectedly removed",
    [REASON_NOT_READY] = "not_ready",
    [REASON_HOST_KEY_CHANGED] = "host_key_changed",
    [REASON_UNHEALTHY] = "unhealthy",
    [REASON_SHUTDOWN] = "shutdown",
    [REASON_GROWTH_FAILED] = "growth_failed",
    [REASON_PENDING_EXPIRED] = "pending_expired",
    [REASON_NO_CAPACITY] = "no_capacity",
};

const char *instance_state_name(enum instance_state state)
{
    return (size_t) state < ARRAY_LEN(states) ? states[state] : "unknown";
}

int instance_state_parse(const char *name, enum instance_state *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (str_eq(name, states[i])) {
            *ret = (enum instance_state) i;
            return 0;
        }
    return -EINVAL;
}

const char *fleet_reason_name(enum fleet_reason reason)
{
    return (size_t) reason < ARRAY_LEN(reasons) ? reasons[reason] : "unknown";
}
