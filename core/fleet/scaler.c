/* core/fleet/scaler.c - how many instances should exist, and which to let go.
 *
 * Pure decisions: scaler_plan() reads the fleet and returns a plan; the supervisor carries it out
 * through the provider. No clock, no I/O, so every rule has a table row in
 * tests/unit/fleet/test_scaler.c. Which instances go, and in which order, is at judge_removals().
 */
#include "core/fleet/scaler.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"

#define EXPLAINED_REMOVALS 3

/* 0.1 × 30 must be 3: binary fractions must not order a fourth (V10). */
static uint32_t scaled(double factor, uint32_t jobs)
{
    double exact = factor * jobs, nearest = round(exact);

    if (fabs(exact - nearest) < 1e-6)
        exact = nearest;
    return exact >= UINT32_MAX ? UINT32_MAX : (uint32_t) ceil(exact);
}

static uint32_t idle_target(const struct fleet_config *config, uint32_t jobs)
{
    const struct fleet_policy *policy = &config->policy;
    uint32_t by_factor = scaled(policy->scale_factor, jobs);

    if (config->drained)
        return 0;
    if (policy->scale_factor_limit > 0)
        by_factor = MIN(by_factor, policy->scale_factor_limit);
    return MAX(policy->idle_count, by_factor);
}

/* autoscaler.md 7.2; reservations are in no term, because a reservation has no job (taskscaler#29).
 */
static void count_demand(const struct fleet *fleet, struct scaler_plan *plan)
{
    const struct fleet_config *config = &fleet->config;
    struct fleet_numbers n;
    uint64_t slots, wanted;

    fleet_count(fleet, &n);
    plan->acquired = n.acquired;
    plan->waiting = n.waiting;
    plan->lost = n.unavailable;
    plan->idle_target = idle_target(config, n.acquired + n.waiting);
    plan->max_instances = config->max_instances;
    plan->have = n.live + n.requested + n.pending;
    plan->total = n.instances + n.requested + n.pending;
    plan->pending = n.pending;
    slots = (uint64_t) n.acquired + n.waiting + n.unavailable + plan->idle_target;
    plan->slots_wanted = (uint32_t) MIN(slots, (uint64_t) UINT32_MAX);
    wanted = (slots + config->capacity - 1) / config->capacity;
    plan->wanted = (uint32_t) MIN(wanted, (uint64_t) config->max_instances);
}

static void decide_growth(const struct fleet *fleet, int64_t now_ms, struct scaler_plan *plan)
{
    uint64_t uncapped =
        ((uint64_t) plan->slots_wanted + fleet->config.capacity - 1) / fleet->config.capacity;
    uint32_t room = plan->max_instances > plan->total ? plan->max_instances - plan->total : 0;
    int64_t until_ms;

    if (plan->wanted > plan->have && fleet_growth_paused(fleet, now_ms, NULL, &until_ms)) {
        plan->reason = REASON_GROWTH_PAUSED;
        plan->next_ms = MIN(plan->next_ms, until_ms);
        return;
    }
    if (plan->wanted > plan->have) {
        plan->request = MIN(plan->wanted - plan->have, room);
        plan->reason = plan->request == 0  ? REASON_AT_MAXIMUM
                       : plan->waiting > 0 ? REASON_DEMAND
                                           : REASON_IDLE_TARGET;
        return;
    }
    if (plan->wanted < plan->have && fleet->requested > 0) {
        plan->cancel = MIN(plan->have - plan->wanted, fleet->requested);
        plan->reason = REASON_DEMAND_GONE;
        return;
    }
    plan->reason = uncapped > plan->max_instances ? REASON_AT_MAXIMUM : REASON_ENOUGH;
}

/* Longest idle first; ties: most uses, then smallest id (autoscaler.md 8.2). */
static int compare_surplus(const void *a, const void *b)
{
    const struct fleet_instance *x = *(const struct fleet_instance *const *) a;
    const struct fleet_instance *y = *(const struct fleet_instance *const *) b;

    if (x->idle_since_ms != y->idle_since_ms)
        return x->idle_since_ms < y->idle_since_ms ? -1 : 1;
    if (x->uses != y->uses)
        return x->uses > y->uses ? -1 : 1;
    return strcmp(x->id, y->id);
}

static void add_removal(struct scaler_plan *plan, const struct fleet_instance *instance,
                        enum fleet_reason reason, int64_t idle_ms)
{
    struct scaler_removal *removal = &plan->removals[plan->n_removals++];

    (void) str_copy(removal->id, sizeof(removal->id), instance->id);
    removal->reason = reason;
    removal->idle_ms = idle_ms;
    removal->uses = instance->uses;
}

/* Reasons that look at no idle time (autoscaler.md 8.1, hardening.md R7). */
static enum fleet_reason must_go(const struct fleet *fleet, const struct fleet_instance *instance)
{
    if (instance->removing || instance_busy(instance) > 0)
        return REASON_NONE;
    if (instance_spent(&fleet->config, instance))
        return REASON_USES_SPENT;
    if (instance->draining != REASON_NONE)
        return instance->draining;
    if (instance->cause == CAUSE_PREEXISTED && !fleet->config.vm_isolation &&
        fleet->complete_lists >= 2)
        return REASON_UNKNOWN_AT_START;
    return REASON_NONE;
}

struct surplus {
    const struct fleet_instance **candidates;
    size_t n;
    uint32_t may_go;    /* instances beyond what is wanted */
    uint32_t too_many;  /* instances beyond what may be */
    uint32_t free_left; /* idle slots that would remain */
};

static bool is_candidate(const struct fleet *fleet, const struct fleet_instance *instance)
{
    return instance_usable(instance) && instance_busy(instance) == 0 &&
           must_go(fleet, instance) == REASON_NONE && instance->cause != CAUSE_PREEXISTED;
}

/* Promises are kept: in preemptive mode the slots that reservations count on stay (8.3). */
static bool promise_broken(const struct fleet *fleet, const struct surplus *surplus, uint32_t slots)
{
    uint32_t left = surplus->free_left > slots ? surplus->free_left - slots : 0;

    return fleet->config.policy.preemptive && left < fleet->reserved + (uint32_t) fleet->n_waiters;
}

static void remove_surplus(const struct fleet *fleet, int64_t now_ms, struct surplus *surplus,
                           struct scaler_plan *plan)
{
    qsort(surplus->candidates, surplus->n, sizeof(*surplus->candidates), compare_surplus);
    for (size_t i = 0; i < surplus->n && MAX(surplus->may_go, surplus->too_many) > 0; i++) {
        const struct fleet_instance *instance = surplus->candidates[i];
        uint32_t slots = instance_free(&fleet->config, instance);
        int64_t idle_ms = now_ms - instance->idle_since_ms;

        if (surplus->too_many > 0) {
            add_removal(plan, instance, REASON_ABOVE_MAXIMUM, idle_ms);
            surplus->too_many--;
            surplus->may_go -= MIN(surplus->may_go, 1U);
            surplus->free_left -= MIN(slots, surplus->free_left);
            continue;
        }
        if (idle_ms < fleet->config.policy.idle_time_ms) {
            plan->next_ms =
                MIN(plan->next_ms, instance->idle_since_ms + fleet->config.policy.idle_time_ms);
            continue;
        }
        if (promise_broken(fleet, surplus, slots))
            continue;
        add_removal(plan, instance, REASON_IDLE_TOO_LONG, idle_ms);
        surplus->may_go--;
        surplus->free_left -= MIN(slots, surplus->free_left);
    }
}

static int judge_removals(const struct fleet *fleet, int64_t now_ms, struct scaler_plan *plan)
{
    autofree const struct fleet_instance **candidates =
        mem_array(fleet->n_instances + 1, sizeof(*candidates));
    struct surplus surplus = { .candidates = candidates };
    uint32_t live_after, staying = 0;

    plan->removals = mem_array(fleet->n_instances + 1, sizeof(*plan->removals));
    if (!candidates || !plan->removals)
        return -ENOMEM;
    live_after = plan->have - plan->cancel;
    for (size_t i = 0; i < fleet->n_instances; i++) {
        const struct fleet_instance *instance = fleet->instances[i];
        enum fleet_reason reason = must_go(fleet, instance);

        if (reason != REASON_NONE) {
            add_removal(plan, instance, reason, 0);
            if (instance_live(instance) && live_after > 0)
                live_after--;
            continue;
        }
        staying += !instance->removing && instance->cause != CAUSE_FOREIGN;
        if (!is_candidate(fleet, instance))
            continue;
        candidates[surplus.n++] = instance;
        surplus.free_left += instance_free(&fleet->config, instance);
    }
    surplus.too_many = staying > plan->max_instances ? staying - plan->max_instances : 0;
    surplus.may_go = live_after > plan->wanted ? live_after - plan->wanted : 0;
    remove_surplus(fleet, now_ms, &surplus, plan);
    return 0;
}

/* An instance that must go leaves nothing behind: its lost slots are no demand, its place is free
 * for a replacement in the same decision (V21). */
static void discount_leaving(const struct fleet *fleet, struct scaler_plan *plan)
{
    uint32_t leaving = 0, lost = 0;
    uint64_t slots;

    for (size_t i = 0; i < fleet->n_instances; i++) {
        const struct fleet_instance *instance = fleet->instances[i];

        if (!instance_live(instance) || must_go(fleet, instance) == REASON_NONE)
            continue;
        leaving++;
        lost += fleet->config.capacity - instance_free(&fleet->config, instance);
    }
    plan->have -= leaving;
    plan->lost -= MIN(lost, plan->lost);
    slots = (uint64_t) plan->acquired + plan->waiting + plan->lost + plan->idle_target;
    plan->slots_wanted = (uint32_t) MIN(slots, (uint64_t) UINT32_MAX);
    plan->wanted = (uint32_t) MIN((slots + fleet->config.capacity - 1) / fleet->config.capacity,
                                  (uint64_t) fleet->config.max_instances);
}

int scaler_plan(const struct fleet *fleet, int64_t now_ms, uint64_t seed, struct scaler_plan *ret)
{
    struct scaler_plan plan = { .next_ms = INT64_MAX };
    uint32_t have_before;

    (void) seed; /* rules that draw lots come with throttles and boot jitter */
    count_demand(fleet, &plan);
    have_before = plan.have;
    discount_leaving(fleet, &plan);
    decide_growth(fleet, now_ms, &plan);
    {
        uint32_t have = plan.have;

        plan.have = have_before;
        if (judge_removals(fleet, now_ms, &plan) < 0) {
            scaler_plan_done(&plan);
            return -ENOMEM;
        }
        plan.have = have;
    }
    *ret = plan;
    return 0;
}

void scaler_plan_done(struct scaler_plan *plan)
{
    free(plan->removals);
    *plan = (struct scaler_plan) { 0 };
}

static void explain_removals(const struct fleet *fleet, const struct scaler_plan *plan,
                             struct buf *out)
{
    for (size_t i = 0; i < plan->n_removals && i < EXPLAINED_REMOVALS; i++) {
        const struct scaler_removal *removal = &plan->removals[i];

        buf_addf(out, "; remove %s: ", removal->id);
        reason_explain(&fleet->config, removal->reason, removal->idle_ms, removal->uses, out);
    }
    if (plan->n_removals > EXPLAINED_REMOVALS)
        buf_addf(out, "; remove %zu more", plan->n_removals - EXPLAINED_REMOVALS);
}

void scaler_explain(const struct fleet *fleet, const struct scaler_plan *plan, int64_t now_ms,
                    struct buf *out)
{
    buf_addf(out,
             "wanted %u instances (%u slots acquired, %u jobs waiting, %u slots lost, idle target "
             "%u), have %u of max_instances %u",
             plan->wanted, plan->acquired, plan->waiting, plan->lost, plan->idle_target, plan->have,
             plan->max_instances);
    if (plan->pending > 0)
        buf_addf(out, " (%u ordered and not seen yet)", plan->pending);
    buf_add_str(out, ": ");
    if (plan->request > 0)
        buf_addf(out, "order %u", plan->request);
    else if (plan->cancel > 0)
        buf_addf(out, "cancel %u orders", plan->cancel);
    else
        buf_add_str(out, "order nothing");
    buf_addf(out, ", because %s", fleet_reason_text(plan->reason));
    explain_removals(fleet, plan, out);
    if (plan->n_removals == 0 && plan->next_ms != INT64_MAX) {
        buf_add_str(out, "; the next idle instance may go in ");
        format_duration(out, MAX(plan->next_ms - now_ms, (int64_t) 0));
    }
}
