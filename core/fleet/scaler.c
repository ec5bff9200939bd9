/* core/fleet/scaler.c - how many instances should exist, and which to let go.
 *
 * Pure decisions: scaler_plan() reads the fleet and returns a plan; the supervisor carries it out
 * through the provider. No clock, no I/O, so every rule has a table row in
 * tests/unit/fleet/test_vectors.c. What is chosen where the reference leaves it open, and why, is in
 * docs/design/scaling.md. How a plan reads is in explain.c.
 */
#include "core/fleet/scaler.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"

/* 0.1 × 30 must be 3: binary fractions must not order a fourth (V10). */
static uint32_t scaled(double factor, uint32_t jobs)
{
    double exact = factor * jobs, nearest = round(exact);

    if (fabs(exact - nearest) < 1e-6)
        exact = nearest;
    return exact >= UINT32_MAX ? UINT32_MAX : (uint32_t) ceil(exact);
}

static enum fleet_reason why_drained(const struct fleet_config *config)
{
    return config->leaving ? REASON_LEAVING : REASON_DRAINED;
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

static uint64_t instances_for(const struct fleet *fleet, uint32_t slots)
{
    uint32_t each = fleet_new_slots(&fleet->config);

    return ((uint64_t) slots + each - 1) / each;
}

/* autoscaler.md 7.2; reservations are in no term, because a reservation has no job (taskscaler#29).
 * An instance that must go leaves nothing behind: its lost slots are no demand, its place is free for
 * a replacement in the same decision (V21). */
static void count_demand(const struct fleet *fleet, int64_t now_ms, struct scaler_plan *plan)
{
    uint32_t leaving = fleet->tally[TALLY_LEAVING];
    struct fleet_numbers n;
    uint64_t slots;

    fleet_count(fleet, &n);
    plan->acquired = n.acquired;
    plan->waiting = n.waiting;
    plan->lost = n.unavailable - fleet->tally[TALLY_LEAVING_LOST];
    plan->idle_target = idle_target(&fleet->config, n.acquired + n.waiting);
    plan->max_instances = fleet->config.max_instances;
    plan->have = n.live - leaving + n.requested + n.pending;
    plan->total = n.instances + n.requested + n.pending;
    plan->pending = n.pending;
    plan->recycling = places_taken(fleet, now_ms, &plan->place_ms);
    slots = (uint64_t) fleet->tally[TALLY_TAKEN] - fleet->tally[TALLY_LEAVING_LOST] + n.waiting +
            plan->idle_target;
    plan->slots_wanted = (uint32_t) MIN(slots, (uint64_t) UINT32_MAX);
    plan->wanted =
        (uint32_t) MIN(instances_for(fleet, plan->slots_wanted), (uint64_t) plan->max_instances);
}

static bool growth_waits(const struct fleet *fleet, int64_t now_ms, struct scaler_plan *plan)
{
    if (!fleet_growth_paused(fleet, now_ms, &plan->failure, &plan->grows_ms))
        return false;
    plan->reason = REASON_GROWTH_PAUSED;
    return true;
}

static enum fleet_reason why_no_room(const struct scaler_plan *plan)
{
    return plan->total < plan->max_instances ? REASON_RECYCLING : REASON_AT_MAXIMUM;
}

static void order_more(const struct fleet *fleet, int64_t now_ms, struct scaler_plan *plan)
{
    uint32_t taken = plan->total + plan->recycling;
    uint32_t room = plan->max_instances > taken ? plan->max_instances - taken : 0;
    uint32_t missing = MIN(plan->wanted - plan->have, room);
    int64_t next_ms;

    if (missing < plan->wanted - plan->have)
        plan->grows_ms = plan->place_ms;
    if (missing == 0) {
        plan->reason = why_no_room(plan);
        return;
    }
    if (growth_waits(fleet, now_ms, plan))
        return;
    plan->request = MIN(missing, orders_allowed(fleet, now_ms, &next_ms));
    plan->held_back = missing - plan->request;
    if (plan->held_back > 0)
        plan->grows_ms = MIN(plan->grows_ms, next_ms);
    plan->reason = plan->request == 0  ? REASON_THROTTLED
                   : plan->waiting > 0 ? REASON_DEMAND
                                       : REASON_IDLE_TARGET;
}

static void decide_growth(const struct fleet *fleet, int64_t now_ms, struct scaler_plan *plan)
{
    uint32_t unneeded = plan->have - MIN(plan->have, plan->wanted);
    uint32_t taken = plan->total + plan->recycling;
    uint32_t above = taken - MIN(taken, plan->max_instances); /* it was lowered */

    plan->cancel = MIN(MAX(unneeded, above), fleet->requested - fleet->early);
    if (plan->cancel > 0) {
        plan->reason = unneeded >= above                    ? REASON_DEMAND_GONE
                       : plan->total <= plan->max_instances ? REASON_RECYCLING
                                                            : REASON_AT_MAXIMUM;
    } else if (plan->wanted > plan->have) {
        order_more(fleet, now_ms, plan);
    } else if (fleet->requested > 0 && growth_waits(fleet, now_ms, plan)) {
        return; /* what was decided is not made before the pause is over (V20) */
    } else if (instances_for(fleet, plan->slots_wanted) > plan->max_instances) {
        plan->reason = REASON_AT_MAXIMUM;
    } else {
        plan->reason = fleet->config.drained && plan->wanted == 0 ? why_drained(&fleet->config)
                                                                  : REASON_ENOUGH;
    }
}

static int add_removal(struct scaler_plan *plan, const struct fleet_instance *instance,
                       enum fleet_reason reason, int64_t idle_ms, int64_t paid_ms)
{
    struct scaler_removal *removal;

    /* Room is doubled: at 0, 1, 2, 4… */
    if ((plan->n_removals & (plan->n_removals - 1)) == 0) {
        removal =
            mem_resize(plan->removals, MAX(plan->n_removals * 2, (size_t) 1), sizeof(*removal));
        if (!removal)
            return -ENOMEM;
        plan->removals = removal;
    }
    removal = &plan->removals[plan->n_removals++];
    *removal = (struct scaler_removal) { .reason = reason, .idle_ms = idle_ms, .paid_ms = paid_ms };
    (void) str_copy(removal->id, sizeof(removal->id), instance->id);
    removal->uses = instance->uses;
    return 0;
}

/* One that is past its idle_time, and how long it is paid for. */
struct candidate {
    const struct fleet_instance *instance;
    int64_t paid_ms;
    size_t place; /* in the order of the reference */
};

/* The walk over the idle ones, the longest idle first. */
struct surplus {
    const struct fleet *fleet;
    struct scaler_plan *plan;
    int64_t now_ms;
    /* What would remain: instances, the slots that they are wanted for, the lost ones of these, and the
     * idle ones. */
    uint32_t have, slots, lost, free_left;
    uint32_t too_many; /* instances beyond what may be */
    struct candidate *candidates;
    size_t n_candidates, cap_candidates;
    int r;
};

/* Promises are kept: in preemptive mode the slots that reservations count on stay (8.3). */
static bool promise_broken(const struct surplus *surplus, uint32_t slots)
{
    const struct fleet *fleet = surplus->fleet;
    uint32_t left = surplus->free_left > slots ? surplus->free_left - slots : 0;

    return fleet->config.policy.preemptive && left < fleet->reserved + fleet_waiting(fleet);
}

/* What is lost on an instance is wanted no more once it is gone: it must not be what keeps it. */
static uint32_t wanted_without(const struct surplus *surplus, uint32_t lost)
{
    uint64_t wanted = instances_for(surplus->fleet, surplus->slots - lost);

    return (uint32_t) MIN(wanted, (uint64_t) surplus->plan->max_instances);
}

static bool is_spare(const struct surplus *surplus, const struct fleet_instance *instance)
{
    uint32_t lost = instance_taken(&surplus->fleet->config, instance);

    return surplus->have > wanted_without(surplus, lost);
}

static void let_go(struct surplus *surplus, const struct fleet_instance *instance,
                   enum fleet_reason reason, int64_t paid_ms)
{
    uint32_t slots = instance_free(&surplus->fleet->config, instance);
    uint32_t lost = instance_taken(&surplus->fleet->config, instance);

    if (reason != REASON_ABOVE_MAXIMUM && promise_broken(surplus, slots))
        return;
    surplus->r = add_removal(surplus->plan, instance, reason,
                             surplus->now_ms - instance->idle_since_ms, paid_ms);
    surplus->have -= MIN(surplus->have, 1U);
    surplus->slots -= lost;
    surplus->lost -= lost;
    surplus->too_many -= MIN(surplus->too_many, 1U);
    surplus->free_left -= MIN(slots, surplus->free_left);
}

/* A group that is drained keeps nothing idle. */
static int64_t idle_time(const struct fleet_config *config)
{
    return config->drained ? 0 : config->policy.idle_time_ms;
}

static enum fleet_reason why_surplus(const struct fleet_config *config)
{
    return config->drained ? why_drained(config) : REASON_IDLE_TOO_LONG;
}

static void add_candidate(struct surplus *surplus, const struct fleet_instance *instance,
                          int64_t paid_ms)
{
    struct candidate *grown;

    if (surplus->n_candidates == surplus->cap_candidates) {
        size_t cap = surplus->cap_candidates ? surplus->cap_candidates * 2 : 16;

        grown = mem_resize(surplus->candidates, cap, sizeof(*grown));
        if (!grown) {
            surplus->r = -ENOMEM;
            return;
        }
        surplus->candidates = grown;
        surplus->cap_candidates = cap;
    }
    grown = &surplus->candidates[surplus->n_candidates];
    *grown = (struct candidate) { instance, paid_ms, surplus->n_candidates++ };
}

/* What is paid for anyway stays until little of that is left. */
static void judge_paid(struct surplus *surplus, const struct fleet_instance *instance)
{
    const struct fleet_config *config = &surplus->fleet->config;
    int64_t paid_ms = billing_left_ms(config, instance, surplus->now_ms);
    int64_t kept_ms = paid_ms - billing_margin_ms(config);
    struct scaler_plan *plan = surplus->plan;

    if (kept_ms <= 0) {
        add_candidate(surplus, instance, paid_ms);
        return;
    }
    plan->kept_paid++;
    plan->removes_ms = MIN(plan->removes_ms, surplus->now_ms + kept_ms);
}

static bool judge_idle(void *item, void *arg)
{
    const struct fleet_instance *instance = item; /* a member begins with it */
    struct surplus *surplus = arg;
    const struct fleet_config *config = &surplus->fleet->config;

    if (surplus->too_many > 0) {
        let_go(surplus, instance, REASON_ABOVE_MAXIMUM, 0);
        return surplus->r == 0;
    }
    /* Whichever it is: one that is not spent has lost less than all. */
    if (surplus->have <= wanted_without(surplus, MIN(surplus->lost, fleet_new_slots(config) - 1)))
        return false;
    if (!is_spare(surplus, instance))
        return true;
    if (surplus->now_ms - instance->idle_since_ms < idle_time(config)) {
        surplus->plan->removes_ms =
            MIN(surplus->plan->removes_ms, instance->idle_since_ms + idle_time(config));
        return false;
    }
    if (!config->drained && billing_matters(config))
        judge_paid(surplus, instance);
    else
        let_go(surplus, instance, why_surplus(config), 0);
    return surplus->r == 0;
}

/* The one whose paid time ends first goes first; ties as in the reference. */
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->paid_ms != y->paid_ms)
        return x->paid_ms < y->paid_ms ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static void remove_candidates(struct surplus *surplus)
{
    uint32_t still; /* how many could go */

    if (surplus->n_candidates > 0)
        qsort(surplus->candidates, surplus->n_candidates, sizeof(*surplus->candidates),
              compare_candidates);
    for (size_t i = 0; surplus->r == 0 && i < surplus->n_candidates; i++)
        if (is_spare(surplus, surplus->candidates[i].instance))
            let_go(surplus, surplus->candidates[i].instance, REASON_IDLE_TOO_LONG,
                   surplus->candidates[i].paid_ms);
    still = surplus->have - MIN(surplus->have, wanted_without(surplus, surplus->lost));
    surplus->plan->kept_paid = MIN(surplus->plan->kept_paid, still);
}

struct leaving {
    const struct fleet *fleet;
    struct scaler_plan *plan;
    int r;
};

static bool add_leaving(void *item, void *arg)
{
    const struct fleet_instance *instance = item;
    struct leaving *leaving = arg;

    leaving->r =
        add_removal(leaving->plan, instance, instance_must_go(leaving->fleet, instance), 0, 0);
    return leaving->r == 0;
}

static int judge_removals(const struct fleet *fleet, int64_t now_ms, struct scaler_plan *plan)
{
    uint32_t staying = fleet->tally[TALLY_STAYING], coming = plan->have - plan->cancel;
    struct leaving leaving = { .fleet = fleet, .plan = plan };
    struct surplus surplus = { .fleet = fleet,
                               .plan = plan,
                               .now_ms = now_ms,
                               .too_many = staying - MIN(staying, plan->max_instances),
                               .have = coming,
                               .slots = plan->slots_wanted,
                               .lost = plan->lost,
                               .free_left = fleet->tally[TALLY_IDLE] };

    sorted_walk(&fleet->lanes[LANE_MUST_GO], add_leaving, &leaving);
    if (leaving.r < 0)
        return leaving.r;
    sorted_walk(&fleet->lanes[LANE_IDLE], judge_idle, &surplus);
    remove_candidates(&surplus);
    free(surplus.candidates);
    return surplus.r;
}

int scaler_plan(const struct fleet *fleet, int64_t now_ms, uint64_t seed, struct scaler_plan *ret)
{
    struct scaler_plan plan = { .grows_ms = INT64_MAX, .removes_ms = INT64_MAX };
    int r;

    (void) seed; /* no rule draws lots so far */
    count_demand(fleet, now_ms, &plan);
    decide_growth(fleet, now_ms, &plan);
    r = judge_removals(fleet, now_ms, &plan);
    if (r < 0) {
        scaler_plan_done(&plan);
        return r;
    }
    plan.next_ms = MIN(MIN(plan.grows_ms, plan.removes_ms), plan.place_ms);
    *ret = plan;
    return 0;
}

void scaler_order(struct fleet *fleet, const struct scaler_plan *plan, uint32_t sent,
                  int64_t now_ms)
{
    uint32_t unsent;

    if (plan->request > 0)
        fleet_request(fleet, plan->request, now_ms);
    unsent = fleet->requested - MIN(fleet->requested, sent);
    if (plan->cancel > 0 && unsent > 0)
        fleet_cancel_requests(fleet, MIN(plan->cancel, unsent));
}

void scaler_plan_done(struct scaler_plan *plan)
{
    free(plan->removals);
    *plan = (struct scaler_plan) { 0 };
}
