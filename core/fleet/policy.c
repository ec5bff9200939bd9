/* core/fleet/policy.c - policies by period, compiled and asked (policy.h). */
#include "core/fleet/policy.h"

#include <errno.h>
#include <inttypes.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"
#include "core/fleet/schedule.h"

#define DEFAULT_IDLE_TIME_MS (5 * 60 * 1000)
#define SEARCH_S (366 * INT64_C(86400))

struct policy {
    struct fleet_policy asks;
    struct schedule schedule; /* without periods = always */
};
struct policies {
    struct policy *items;
    size_t count;
};

static struct fleet_policy asked_by(const struct config_policy *policy)
{
    return (struct fleet_policy) { .idle_count = (uint32_t) policy->idle_count,
                                   .idle_time_ms = policy->idle_time_ms,
                                   .scale_factor = policy->scale_factor,
                                   .scale_factor_limit = (uint32_t) policy->scale_factor_limit,
                                   .preemptive = policy->preemptive < 0 ? policy->idle_count > 0
                                                                        : policy->preemptive != 0 };
}

int policies_new(const struct config_autoscaler *autoscaler, struct policies **ret,
                 struct error *err)
{
    auto_ptr(policies_free) struct policies *policies = mem_zero(sizeof(*policies));
    int r;

    if (policies)
        policies->items = mem_array(autoscaler->n_policies + 1, sizeof(*policies->items));
    if (!policies || !policies->items)
        return error_set(err, -ENOMEM, "policies: out of memory");
    while (policies->count < autoscaler->n_policies) {
        size_t i = policies->count++; /* also when it fails: it is freed as far as it came */
        const struct config_policy *given = &autoscaler->policies[i];

        policies->items[i].asks = asked_by(given);
        r = schedule_load(&policies->items[i].schedule, given->periods, given->n_periods,
                          given->timezone, period_parse, err);
        if (r < 0)
            return error_wrap(err, r, "policy[%zu]", i);
    }
    *ret = take_ptr(policies);
    return 0;
}

void policies_free(struct policies *policies)
{
    if (!policies)
        return;
    for (size_t i = 0; i < policies->count && policies->items; i++)
        schedule_done(&policies->items[i].schedule);
    free(policies->items);
    free(policies);
}

/* Whatever the time is, the i-th from 1 holds, or none for 0. */
static bool holds_for_ever(const struct policies *policies, size_t i)
{
    return i == policies->count && (i == 0 || policies->items[i - 1].schedule.n_periods == 0);
}

struct fleet_policy policies_at(const struct policies *policies, int64_t wall_ms, size_t *ret_index,
                                int64_t *ret_until_ms)
{
    int64_t now_s = schedule_second(wall_ms);
    int64_t until_s = now_s + SEARCH_S;
    size_t i = policies->count;

    while (i > 0 && !schedule_holds(&policies->items[i - 1].schedule, now_s))
        i--;
    /* Those further down begin, or the one that holds ends. */
    for (size_t k = i; k < policies->count; k++)
        until_s = MIN(until_s, schedule_find(&policies->items[k].schedule, now_s, until_s, true));
    if (i > 0)
        until_s =
            MIN(until_s, schedule_find(&policies->items[i - 1].schedule, now_s, until_s, false));
    *ret_until_ms = holds_for_ever(policies, i) ? INT64_MAX : until_s * 1000;
    *ret_index = i > 0 ? i - 1 : POLICY_DEFAULT;
    return i > 0 ? policies->items[i - 1].asks
                 : (struct fleet_policy) { .idle_time_ms = DEFAULT_IDLE_TIME_MS };
}

void policy_name(const struct config_autoscaler *autoscaler, size_t index, struct buf *out)
{
    const struct config_policy *policy;

    if (index >= autoscaler->n_policies) {
        buf_add_str(out, "the default");
        return;
    }
    policy = &autoscaler->policies[index];
    buf_addf(out, "policy[%zu]", index);
    for (size_t i = 0; i < policy->n_periods; i++)
        buf_addf(out, "%s%s", i > 0 ? ", " : " (", policy->periods[i]);
    if (policy->n_periods > 0)
        buf_addf(out, " in %s)",
                 str_empty(policy->timezone) ? "the system's time zone" : policy->timezone);
}

void policy_describe(const struct fleet_policy *policy, struct buf *out)
{
    buf_addf(out, "idle_count %" PRIu32 ", idle_time ", policy->idle_count);
    format_duration(out, policy->idle_time_ms);
    if (policy->scale_factor > 0)
        buf_addf(out, ", scale_factor %g", policy->scale_factor);
    if (policy->scale_factor > 0 && policy->scale_factor_limit > 0)
        buf_addf(out, " up to %" PRIu32, policy->scale_factor_limit);
    buf_addf(out, ", preemptive_mode %s", policy->preemptive ? "on" : "off");
}

void fleet_set_policy(struct fleet *fleet, const struct fleet_policy *policy)
{
    fleet->config.policy = *policy;
    journal_config(fleet);
}
