/* core/fleet/policy.c - policies by period, compiled and asked (policy.h).
 *
 * A period is a set of minutes of local time. So time is walked in stretches in which the zone's
 * offset stays the same, and in each by days of 1440 minutes: what the clocks skip never comes, what
 * they show twice counts twice (V44, V45). */
#include "core/fleet/policy.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/time_zone.h"
#include "core/config/period.h"
#include "core/fleet/internal.h"

#define DEFAULT_IDLE_TIME_MS (5 * 60 * 1000)
#define MINUTE_S 60
#define HOUR_MINUTES 60
#define DAY_MINUTES (DAY_HOURS * HOUR_MINUTES)
#define ALL_MINUTES ((UINT64_C(1) << HOUR_MINUTES) - 1)
#define SEARCH_S (366 * (int64_t) DAY_MINUTES * MINUTE_S)
/* Far enough from the ends of int64_t for every sum here: the year 30,000. */
#define WALL_MAX_S INT64_C(900000000000)

struct policy {
    struct fleet_policy asks;
    struct period *periods; /* none = always */
    size_t n_periods;
    struct time_zone *zone; /* NULL when nobody asks for the time */
};
struct policies {
    struct policy *items;
    size_t count;
};

static int64_t divide_down(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static struct fleet_policy asked_by(const struct config_policy *policy)
{
    return (struct fleet_policy) { .idle_count = (uint32_t) policy->idle_count,
                                   .idle_time_ms = policy->idle_time_ms,
                                   .scale_factor = policy->scale_factor,
                                   .scale_factor_limit = (uint32_t) policy->scale_factor_limit,
                                   .preemptive = policy->preemptive < 0 ? policy->idle_count > 0
                                                                        : policy->preemptive != 0 };
}

static int compile(const struct config_policy *given, struct policy *ret, struct error *err)
{
    int r;

    ret->asks = asked_by(given);
    ret->periods = mem_array(given->n_periods + 1, sizeof(*ret->periods));
    if (!ret->periods)
        return error_set(err, -ENOMEM, "out of memory");
    for (; ret->n_periods < given->n_periods; ret->n_periods++) {
        r = period_parse(given->periods[ret->n_periods], &ret->periods[ret->n_periods], err);
        if (r < 0)
            return error_wrap(err, r, "periods[%zu]", ret->n_periods);
    }
    return ret->n_periods > 0 ? time_zone_load(given->timezone, &ret->zone, err) : 0;
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

        r = compile(&autoscaler->policies[i], &policies->items[i], err);
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
    for (size_t i = 0; i < policies->count && policies->items; i++) {
        free(policies->items[i].periods);
        time_zone_free(policies->items[i].zone);
    }
    free(policies->items);
    free(policies);
}

/* The minutes of a local day in which a policy is active; days since 1970. */
static void minutes_of_day(const struct policy *policy, int64_t day, uint64_t ret[DAY_HOURS])
{
    time_t midnight = (time_t) day * DAY_MINUTES * MINUTE_S;
    struct tm date;

    memset(ret, 0, DAY_HOURS * sizeof(*ret));
    (void) gmtime_r(&midnight, &date);
    for (size_t i = 0; i < policy->n_periods; i++)
        if (period_has_date(&policy->periods[i], date.tm_mon, date.tm_mday, date.tm_wday))
            period_add_minutes(&policy->periods[i], ret);
}

/* The first minute of a day from `from` on that is active or not, as wanted; DAY_MINUTES = none. */
static int find_minute(const uint64_t minutes[DAY_HOURS], int from, bool active)
{
    for (int hour = from / HOUR_MINUTES; hour < DAY_HOURS; hour++, from = hour * HOUR_MINUTES) {
        uint64_t found = (active ? minutes[hour] : ~minutes[hour]) & ALL_MINUTES;

        found &= ALL_MINUTES << from % HOUR_MINUTES;
        if (found & ALL_MINUTES)
            return hour * HOUR_MINUTES + __builtin_ctzll(found);
    }
    return DAY_MINUTES;
}

/* The first local minute from `from` to before `end` that is as wanted, else `end`; minutes since
 * 1970 of a clock without zone. */
static int64_t find_local(const struct policy *policy, int64_t from, int64_t end, bool active)
{
    uint64_t minutes[DAY_HOURS];

    while (from < end) {
        int64_t day = divide_down(from, DAY_MINUTES);
        int found;

        minutes_of_day(policy, day, minutes);
        found = find_minute(minutes, (int) (from - day * DAY_MINUTES), active);
        from = day * DAY_MINUTES + found;
        if (found < DAY_MINUTES)
            break;
    }
    return MIN(from, end);
}

/* The first instant from `utc_s` to before `end_s` at which the policy is as wanted, else `end_s`. */
static int64_t find_instant(const struct policy *policy, int64_t utc_s, int64_t end_s, bool active)
{
    if (policy->n_periods == 0)
        return active ? utc_s : end_s;
    while (utc_s < end_s) {
        int64_t until_s, local, found;
        int32_t offset = time_zone_offset(policy->zone, utc_s, &until_s);

        until_s = MIN(until_s, end_s);
        local = divide_down(utc_s + offset, MINUTE_S);
        found = find_local(policy, local, divide_down(until_s + offset - 1, MINUTE_S) + 1, active);
        /* The minute that holds utc_s began before it. */
        found = MAX(found * MINUTE_S - offset, utc_s);
        if (found < until_s)
            return found;
        utc_s = until_s;
    }
    return end_s;
}

/* Whatever the time is, the i-th from 1 holds, or none for 0. */
static bool holds_for_ever(const struct policies *policies, size_t i)
{
    return i == policies->count && (i == 0 || policies->items[i - 1].n_periods == 0);
}

struct fleet_policy policies_at(const struct policies *policies, int64_t wall_ms, size_t *ret_index,
                                int64_t *ret_until_ms)
{
    int64_t now_s = MIN(MAX(divide_down(wall_ms, 1000), -WALL_MAX_S), WALL_MAX_S);
    int64_t until_s = now_s + SEARCH_S;
    size_t i = policies->count;

    while (i > 0 && find_instant(&policies->items[i - 1], now_s, now_s + 1, true) != now_s)
        i--;
    /* Those further down begin, or the one that holds ends. */
    for (size_t k = i; k < policies->count; k++)
        until_s = MIN(until_s, find_instant(&policies->items[k], now_s, until_s, true));
    if (i > 0)
        until_s = MIN(until_s, find_instant(&policies->items[i - 1], now_s, until_s, false));
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
