/* tests/unit/fleet/properties.c - what must hold whatever happens, checked at each step of a random history (manager.h).
 * Nothing here asks the fleet for its counts: instances are looked at one by one, jobs and uses are the manager's. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/unit/fleet/manager.h"

static uint32_t jobs_on(const struct manager *manager, const char *id)
{
    uint32_t n = 0;

    for (size_t i = 0; i < manager->n_work; i++)
        n += !manager->work[i].waits && str_eq(manager->work[i].id, id);
    return n;
}

static uint32_t jobs_waiting(const struct manager *manager)
{
    uint32_t n = 0;

    for (size_t i = 0; i < manager->n_work; i++)
        n += manager->work[i].waits;
    return n;
}

static bool stranger(const struct manager *manager, const struct fleet_instance *instance)
{
    return instance->cause == CAUSE_PREEXISTED && !manager->config.vm_isolation;
}

/* Exists or is being made, and stays (autoscaler.md 7.2). */
static bool lives(const struct fleet_instance *instance)
{
    return (instance->state == INSTANCE_CREATING || instance->state == INSTANCE_RUNNING) &&
           !instance->removing && instance->draining == REASON_NONE &&
           instance->held_until_ms == 0 && instance->cause != CAUSE_FOREIGN;
}

static bool takes_jobs(const struct manager *manager, const struct fleet_instance *instance)
{
    return lives(instance) && instance->state == INSTANCE_RUNNING && instance->ready &&
           instance->failures == 0 && !instance->connection_dead && !stranger(manager, instance);
}

static uint32_t places(const struct manager *manager, const struct fleet_instance *instance)
{
    const struct fleet_config *config = &manager->config;
    uint32_t busy = jobs_on(manager, instance->id);
    uint32_t by_slots = config->capacity > busy ? config->capacity - busy : 0;
    uint32_t by_uses =
        config->max_use_count > instance->uses ? config->max_use_count - instance->uses : 0;

    return config->max_use_count > 0 ? MIN(by_slots, by_uses) : by_slots;
}

/* What a new instance offers. */
static uint32_t new_places(const struct manager *manager)
{
    const struct fleet_config *config = &manager->config;

    return config->max_use_count > 0 ? MIN(config->capacity, config->max_use_count)
                                     : config->capacity;
}

static bool leaves(const struct scaler_plan *plan, const char *id)
{
    for (size_t i = 0; plan && i < plan->n_removals; i++)
        if (str_eq(plan->removals[i].id, id))
            return true;
    return false;
}

/* With heartbeats a place is handed out only while the last one is good and young (autoscaler.md 5.2). */
static bool answered(struct manager *manager, const struct fleet_instance *instance)
{
    const struct machine *machine = cloud_find(&manager->cloud, instance->id);

    return manager->config.heartbeat_interval_ms == 0 ||
           (machine && machine->answered_ms > 0 &&
            manager_now(manager) - machine->answered_ms < manager->config.heartbeat_valid_ms);
}

struct tally {
    uint32_t instances, live, acquired;
    uint32_t ready, answered; /* places that take jobs, and at once */
    uint64_t free;            /* places of what lives, ready or not */
};

/* Over all instances, without those that a plan removes. */
static struct tally count(struct manager *manager, const struct scaler_plan *plan)
{
    struct tally tally = { .instances = (uint32_t) fleet_instance_count(manager->fleet) };

    for (size_t i = 0; i < fleet_instance_count(manager->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(manager->fleet, i);

        if (!lives(instance) || leaves(plan, instance->id))
            continue;
        tally.live++;
        tally.free += places(manager, instance);
        tally.acquired += jobs_on(manager, instance->id);
        if (!takes_jobs(manager, instance))
            continue;
        tally.ready += places(manager, instance);
        if (answered(manager, instance))
            tally.answered += places(manager, instance);
    }
    return tally;
}

/* Of those whose answer was lost some may have appeared already. */
static uint32_t on_order(const struct manager *manager)
{
    struct fleet_numbers n;

    fleet_count(manager->fleet, &n);
    return n.requested + n.pending;
}

static uint32_t idle_target(const struct manager *manager, uint32_t jobs)
{
    const struct fleet_policy *policy = &manager->config.policy;
    uint32_t by_factor = (uint32_t) ceil(policy->scale_factor * jobs - 1e-6);

    if (policy->scale_factor_limit > 0)
        by_factor = MIN(by_factor, policy->scale_factor_limit);
    return manager->config.drained ? 0 : MAX(policy->idle_count, by_factor);
}

/* Of hosts that are still being cleaned. */
static uint32_t places_not_back(const struct manager *manager)
{
    uint32_t n = 0;

    for (size_t i = 0; i < manager->n_gone; i++)
        n += manager_now(manager) - manager->gone[i] < manager->config.recycle_ms;
    return n;
}

/* Growth: never while what exists or is ordered covers the demand, always when it does not. */
static void check_growth(struct manager *manager, const struct scaler_plan *plan)
{
    struct tally tally = count(manager, plan);
    uint32_t waiting = jobs_waiting(manager), max = manager->config.max_instances;
    uint32_t orders = on_order(manager), taken = tally.instances + places_not_back(manager);
    uint64_t demand = waiting + idle_target(manager, tally.acquired + waiting);
    uint64_t covered = tally.free + (uint64_t) orders * new_places(manager);
    bool held = plan->reason == REASON_GROWTH_PAUSED || plan->reason == REASON_THROTTLED;

    manager_check(manager, plan->request == 0 || covered < demand,
                  "orders %u although %" PRIu64 " places cover %" PRIu64, plan->request, covered,
                  demand);
    manager_check(manager, plan->request == 0 || plan->request + orders + taken <= max,
                  "orders %u with %u places taken and %u orders of max_instances %u", plan->request,
                  taken, orders, max);
    manager_check(manager,
                  plan->request > 0 || covered >= demand || held || orders + taken >= max ||
                      tally.live + orders >= max,
                  "orders nothing (%s) although %" PRIu64 " places do not cover %" PRIu64
                  ", with %u places taken and %u orders of max_instances %u",
                  fleet_reason_name(plan->reason), covered, demand, taken, orders, max);
    manager_check(manager,
                  plan->reason != REASON_GROWTH_PAUSED ||
                      fleet_growth_paused(manager->fleet, manager_now(manager), NULL, NULL),
                  "growth is not paused");
    manager_check(manager, plan->request == 0 || plan->cancel == 0, "orders and cancels at once");
}

static void check_each_removal(struct manager *manager, const struct scaler_removal *removal)
{
    const struct fleet_instance *instance = fleet_find(manager->fleet, removal->id);

    manager_check(manager, instance && !instance->removing, "%s cannot be marked", removal->id);
    if (!instance)
        return;
    manager_check(manager, removal->reason != REASON_NONE, "%s goes without a reason", removal->id);
    manager_check(manager, jobs_on(manager, removal->id) == 0, "%s goes (%s) with a job",
                  removal->id, fleet_reason_name(removal->reason));
    manager_check(manager, instance->cause != CAUSE_FOREIGN, "%s goes and is another's",
                  removal->id);
    manager_check(manager,
                  removal->reason != REASON_IDLE_TOO_LONG ||
                      manager_now(manager) - instance->idle_since_ms >=
                          manager->config.policy.idle_time_ms,
                  "%s goes before its idle_time", removal->id);
    manager_check(manager,
                  removal->reason != REASON_USES_SPENT ||
                      instance->uses >= manager->config.max_use_count,
                  "%s goes with uses left", removal->id);
}

/* What goes for being idle is not needed, neither for the demand nor for what was promised. */
static void check_shrinking(struct manager *manager, const struct scaler_plan *plan)
{
    struct tally tally = count(manager, plan);
    uint32_t waiting = jobs_waiting(manager), promised = manager->reserved + waiting;
    uint32_t orders = on_order(manager);
    uint64_t demand = waiting + idle_target(manager, tally.acquired + waiting);
    uint64_t covered = tally.free + (uint64_t) (orders - plan->cancel) * new_places(manager);
    uint32_t taken = tally.instances + places_not_back(manager);
    bool idle = false, above = tally.instances + orders > manager->config.max_instances;

    for (size_t i = 0; i < plan->n_removals; i++) {
        check_each_removal(manager, &plan->removals[i]);
        idle |= plan->removals[i].reason == REASON_IDLE_TOO_LONG;
        above |= plan->removals[i].reason == REASON_ABOVE_MAXIMUM;
    }
    manager_check(manager, !idle || above || plan->request == 0, "orders and lets idle ones go");
    manager_check(manager, !idle || above || covered >= demand,
                  "lets idle ones go although %" PRIu64 " places do not cover %" PRIu64, covered,
                  demand);
    manager_check(
        manager, !idle || above || !manager->config.policy.preemptive || tally.ready >= promised,
        "lets idle ones go although %u places are ready for %u promises", tally.ready, promised);
    manager_check(manager, plan->cancel <= on_order(manager) - fleet_pending(manager->fleet),
                  "cancels %u orders, %u are made", plan->cancel, orders);
    manager_check(manager,
                  plan->cancel == 0 || covered >= demand ||
                      tally.live + orders > plan->max_instances ||
                      taken + orders > plan->max_instances,
                  "cancels %u although %" PRIu64 " places do not cover %" PRIu64, plan->cancel,
                  covered, demand);
}

static void check_reasons(struct manager *manager, const struct scaler_plan *plan)
{
    autobuf struct buf text = BUF_INIT;

    scaler_explain(manager->fleet, plan, manager_now(manager), &text);
    manager_check(manager, plan->reason != REASON_NONE, "a decision without a reason");
    manager_check(manager, strstr(buf_str(&text), fleet_reason_text(plan->reason)),
                  "no reason is given: %.200s", buf_str(&text));
    if (plan->request + plan->cancel + plan->n_removals > 0)
        manager_tell(manager, "%s", buf_str(&text));
}

static void check_repeatable(struct manager *manager, const struct scaler_plan *plan)
{
    struct scaler_plan again = { 0 };
    bool same = scaler_plan(manager->fleet, manager_now(manager), 1, &again) == 0 &&
                again.request == plan->request && again.cancel == plan->cancel &&
                again.reason == plan->reason && again.n_removals == plan->n_removals;

    for (size_t i = 0; same && i < plan->n_removals; i++)
        same = str_eq(again.removals[i].id, plan->removals[i].id);
    scaler_plan_done(&again);
    manager_check(manager, same, "the same state gives another plan");
}

void check_plan(struct manager *manager, const struct scaler_plan *plan)
{
    check_growth(manager, plan);
    check_shrinking(manager, plan);
    check_reasons(manager, plan);
    check_repeatable(manager, plan);
}

void check_assignment(struct manager *manager, int64_t seq, const struct fleet_instance *instance,
                      uint32_t slot)
{
    const struct machine *machine = cloud_find(&manager->cloud, instance->id);
    const struct work *first = manager->work;
    uint32_t lowest = 0;

    while (first < manager->work + manager->n_work && !first->waits)
        first++;
    manager_check(manager, first < manager->work + manager->n_work && first->seq == seq,
                  "job %" PRId64 " is served out of turn", seq);
    manager_check(manager, machine, "a job on %s, which never was", instance->id);
    manager_check(manager, takes_jobs(manager, instance), "a job on %s, which takes none",
                  instance->id);
    manager_check(manager, answered(manager, instance), "a job on %s without a good heartbeat",
                  instance->id);
    manager_check(manager,
                  manager->config.max_use_count == 0 ||
                      (machine && machine->uses < manager->config.max_use_count),
                  "use %u of %s of max_use_count %u", machine ? machine->uses + 1 : 0, instance->id,
                  manager->config.max_use_count);
    for (size_t i = 0; i < manager->n_work; i++)
        for (size_t k = 0; k < manager->n_work; k++)
            lowest += !manager->work[k].waits && manager->work[k].slot == lowest &&
                      str_eq(manager->work[k].id, instance->id);
    manager_check(manager, slot == lowest && slot < manager->config.capacity,
                  "slot %u of %s, the lowest is %u", slot, instance->id, lowest);
}

void check_nothing_is_free(struct manager *manager)
{
    struct tally tally = count(manager, NULL);

    manager_check(manager, jobs_waiting(manager) == 0 || tally.answered == 0,
                  "%u jobs wait beside %u places", jobs_waiting(manager), tally.answered);
}

void check_removal(struct manager *manager, const char *id)
{
    const struct fleet_instance *instance = fleet_find(manager->fleet, id);

    manager_check(manager, jobs_on(manager, id) == 0, "%s is deleted with a job on it", id);
    manager_check(manager, instance && instance->held_until_ms == 0, "%s is deleted and held", id);
}

/* Of a cloud without lies and strangers, no more than max_instances are there at any time. */
void check_order(struct manager *manager, uint32_t n)
{
    struct tally tally = count(manager, NULL);
    uint32_t max = manager->config.max_instances, pending = fleet_pending(manager->fleet);
    uint32_t ordered = cloud_ordered(&manager->cloud, manager->now);

    manager_check(manager, tally.instances + pending + n <= max,
                  "%u are ordered beside %u and %u on their way, of max_instances %u", n,
                  tally.instances, pending, max);
    manager_check(manager, ordered + n <= max || !manager->honest || manager->skew != 0,
                  "%u are ordered and %u are there, of max_instances %u", n, ordered, max);
}

/* Its slots tell whose jobs are lost. */
void check_gone(struct manager *manager, const struct fleet_instance *instance)
{
    uint32_t told = 0;
    size_t kept = 0;

    manager_check(manager,
                  instance->state == INSTANCE_DELETED || instance->state == INSTANCE_TIMEOUT ||
                      instance->misses > 0,
                  "%s goes without having missed a list", instance->id);
    for (uint32_t i = 0; i < instance->n_slots; i++)
        told += instance->slots[i].seq != 0;
    manager_check(manager, told == jobs_on(manager, instance->id),
                  "%s is gone with %u jobs, %u are told", instance->id,
                  jobs_on(manager, instance->id), told);
    for (size_t i = 0; i < manager->n_work; i++)
        if (manager->work[i].waits || !str_eq(manager->work[i].id, instance->id))
            manager->work[kept++] = manager->work[i];
    manager->n_work = kept;
}

/* One instance's worth of what is ready stays unreserved, but one place may always be (autoscaler.md 5.1). */
static bool throttles(const struct manager *manager, uint32_t promised, uint32_t ready)
{
    uint32_t worth = new_places(manager), bound = ready > worth ? ready - worth : 0;

    return !manager->config.unthrottled_reservations && promised < ready &&
           promised >= MAX(bound, 1U);
}

void check_reservation(struct manager *manager, bool given)
{
    struct tally tally = count(manager, NULL);
    uint32_t promised = manager->reserved + jobs_waiting(manager);
    uint32_t max = manager->config.max_instances;
    uint32_t taken = tally.instances + places_not_back(manager);
    uint64_t room = max > taken ? max - taken : 0;
    uint64_t potential = tally.free + room * new_places(manager);
    bool may = promised < tally.ready ? !throttles(manager, promised, tally.ready)
                                      : !manager->config.policy.preemptive && promised < potential;

    manager_check(manager, given == (may && !manager->config.drained),
                  "reservation %u is %s with %u places ready and %" PRIu64 " possible",
                  promised + 1, given ? "given" : "refused", tally.ready, potential);
}

/* No demand for long: as much idle capacity as is wanted, and no instance that could go. */
void check_rest(struct manager *manager)
{
    struct tally tally = count(manager, NULL);
    uint32_t target = idle_target(manager, 0), max = manager->config.max_instances;
    uint32_t foreign = 0;

    for (size_t i = 0; i < fleet_instance_count(manager->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(manager->fleet, i);

        if (instance->cause == CAUSE_FOREIGN) {
            foreign++;
            continue;
        }
        manager_check(manager, takes_jobs(manager, instance), "%s neither takes jobs nor goes",
                      instance->id);
        manager_check(manager, tally.free < target + places(manager, instance),
                      "%s stays, and the idle target is %u of %" PRIu64 " places", instance->id,
                      target, tally.free);
    }
    manager_check(manager, tally.free >= target || tally.live + foreign >= max,
                  "%" PRIu64 " places are idle, the target is %u", tally.free, target);
    manager_check(
        manager, fleet_requested(manager->fleet) == 0 && fleet_pending(manager->fleet) == 0,
        "%u requested, %u pending", fleet_requested(manager->fleet), fleet_pending(manager->fleet));
    for (size_t i = 0; i < manager->cloud.n_machines; i++) {
        const struct machine *machine = &manager->cloud.machines[i];

        manager_check(
            manager, !cloud_alive(machine, manager->now) || fleet_find(manager->fleet, machine->id),
            "%s runs and nobody knows it", machine->id);
    }
}
