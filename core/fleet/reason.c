/* core/fleet/reason.c - states and reasons: names, stable for JSON and the ledger, and
 * the texts that people search logs for (autoscaler.md 13.1). */
#include <errno.h>

#include "core/base/str.h"
#include "core/fleet/internal.h"

static const char *const states[] = {
    [INSTANCE_CREATING] = "creating",   [INSTANCE_RUNNING] = "running",
    [INSTANCE_DELETING] = "deleting",   [INSTANCE_DELETED] = "deleted",
    [INSTANCE_TIMEOUT] = "timeout",     [INSTANCE_SUSPENDING] = "suspending",
    [INSTANCE_SUSPENDED] = "suspended", [INSTANCE_RESUMING] = "resuming",
};

static const char *const causes[] = {
    [CAUSE_REQUESTED] = "requested",
    [CAUSE_UNEXPECTED] = "unexpected",
    [CAUSE_PREEXISTED] = "preexisted",
    [CAUSE_FOREIGN] = "foreign",
};

static const struct {
    const char *name, *text;
} reasons[] = {
    [REASON_NONE] = { "none", "no reason" },
    [REASON_DEMAND] = { "demand", "jobs wait for slots" },
    [REASON_IDLE_TARGET] = { "idle_target", "the policy wants idle capacity" },
    [REASON_AT_MAXIMUM] = { "at_maximum", "max_instances holds it back" },
    [REASON_ENOUGH] = { "enough", "that is enough" },
    [REASON_DEMAND_GONE] = { "demand_gone", "the demand is gone" },
    [REASON_USES_SPENT] = { "uses_spent", "max_use_count is reached" },
    [REASON_IDLE_TOO_LONG] = { "idle_too_long", "instance exceeded max idle time" },
    [REASON_UNKNOWN_AT_START] = { "unknown_at_start",
                                  "no data on pre-existing instance so removing for safety" },
    [REASON_REPORTED_GONE] = { "reported_gone", "the cloud reports it gone" },
    [REASON_VANISHED] = { "vanished", "instance unexpectedly removed" },
    [REASON_HOST_KEY_CHANGED] = { "host_key_changed", "it shows another host key than before" },
    [REASON_UNHEALTHY] = { "unhealthy", "it cannot be connected to" },
    [REASON_WORKERS_CRASHED] = { "workers_crashed",
                                 "three workers of its jobs crashed within an hour" },
    [REASON_SHUTDOWN] = { "shutdown", "the manager shuts down" },
    [REASON_PENDING_EXPIRED] = { "pending_expired", "ordered and never seen" },
    [REASON_ABOVE_MAXIMUM] = { "above_maximum", "there are more than max_instances" },
    [REASON_THROTTLED] = { "throttled", "scale_throttle holds it back" },
    [REASON_GROWTH_PAUSED] = { "growth_paused", "growth failed and is tried again later" },
    [REASON_DRAINED] = { "drained", "an operator drains it" },
    [REASON_INTERRUPTED] = { "interrupted", "the cloud is about to take it" },
    [REASON_NOT_BOOTED] = { "not_booted", "it did not become ready" },
    [REASON_BY_HAND] = { "by_hand", "an operator removed it" },
    [REASON_JOB_LOST] = { "job_lost",
                          "pre-existing instance has acquisition so removing for safety" },
    [REASON_LEAVING] = { "leaving", "its entry left the configuration" },
    [REASON_RECYCLING] = { "recycling", "the places of instances that went are not back yet" },
};

static const struct {
    const char *name, *text;
} growth_failures[] = {
    [GROWTH_CAPACITY] = { "capacity", "the cloud delivers fewer than it was asked for" },
    [GROWTH_QUOTA] = { "quota", "the cloud has no more for this group" },
    [GROWTH_RATE] = { "rate", "the cloud is asked too often" },
    [GROWTH_UNREACHABLE] = { "unreachable", "the cloud does not take orders" },
    [GROWTH_BOOT] = { "boot", "instances do not become ready" },
};

const char *instance_cause_name(enum instance_cause cause)
{
    return (size_t) cause < ARRAY_LEN(causes) ? causes[cause] : "unknown";
}

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
    return (size_t) reason < ARRAY_LEN(reasons) ? reasons[reason].name : "unknown";
}

const char *fleet_reason_text(enum fleet_reason reason)
{
    return (size_t) reason < ARRAY_LEN(reasons) ? reasons[reason].text : "unknown";
}

const char *growth_failure_name(enum growth_failure kind)
{
    return (size_t) kind < ARRAY_LEN(growth_failures) ? growth_failures[kind].name : "unknown";
}

const char *growth_failure_text(enum growth_failure kind)
{
    return (size_t) kind < ARRAY_LEN(growth_failures) ? growth_failures[kind].text : "unknown";
}

enum fleet_reason fleet_reason_parse(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (str_eq(name, reasons[i].name))
            return (enum fleet_reason) i;
    return REASON_NONE;
}

void reason_explain(const struct fleet_config *config, enum fleet_reason reason, int64_t idle_ms,
                    uint32_t uses, struct buf *out)
{
    buf_add_str(out, fleet_reason_text(reason));
    if (reason == REASON_USES_SPENT)
        buf_addf(out, " (used %u time%s of max_use_count %u)", uses, str_plural(uses),
                 config->max_use_count);
    if (reason != REASON_IDLE_TOO_LONG || idle_ms < 0)
        return;
    buf_add_str(out, " (idle for ");
    format_duration(out, idle_ms);
    buf_add_str(out, ", idle_time ");
    format_duration(out, config->policy.idle_time_ms);
    buf_add_str(out, ")");
}
