/* core/fleet/slots.c - places for jobs: reservations before a job is asked for, waiting, handing
 * out, giving back (autoscaler.md 3 to 5). */
#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"

void fleet_count(const struct fleet *fleet, struct fleet_numbers *ret)
{
    *ret = (struct fleet_numbers) { .instances = (uint32_t) fleet->n_instances,
                                    .waiting = (uint32_t) fleet->n_waiters,
                                    .reserved = fleet->reserved,
                                    .requested = fleet->requested - fleet->early,
                                    .pending = fleet_pending(fleet) };
    for (size_t i = 0; i < fleet->n_instances; i++) {
        const struct fleet_instance *instance = fleet->instances[i];
        uint32_t busy = instance_busy(instance), free_slots;

        ret->removing += instance->removing;
        ret->foreign += instance->cause == CAUSE_FOREIGN;
        ret->draining += instance->draining != REASON_NONE && !instance->removing;
        if (!instance_live(instance))
            continue;
        ret->live++;
        ret->acquired += busy;
        free_slots = instance_free(&fleet->config, instance);
        if (instance_usable(instance))
            ret->idle += free_slots;
        else if (instance->ready && instance->failures > 0)
            ret->unhealthy += free_slots;
        else
            ret->unready += free_slots;
        if (fleet->config.capacity > busy + free_slots)
            ret->unavailable += fleet->config.capacity - busy - free_slots;
    }
}

uint32_t fleet_waiting(const struct fleet *fleet)
{
    return (uint32_t) fleet->n_waiters;
}

/* One instance's worth of idle slots stays unreserved, so that it can age out (autoscaler.md 5.1).
 */
static bool throttled(const struct fleet *fleet, const struct fleet_numbers *n)
{
    uint32_t bound;

    if (n->idle == 0 || fleet->config.unthrottled_reservations)
        return false;
    bound = n->idle > fleet->config.capacity ? n->idle - fleet->config.capacity : 0;
    return fleet->reserved + n->waiting >= MAX(bound, 1U) && fleet->reserved + n->waiting < n->idle;
}

/* Slots that exist or could be made, whatever state their instances are in. */
static uint64_t potential(const struct fleet *fleet, const struct fleet_numbers *n)
{
    uint64_t room =
        fleet->config.max_instances > n->instances ? fleet->config.max_instances - n->instances : 0;

    return n->idle + n->unhealthy + n->unready + room * fleet->config.capacity;
}

bool fleet_reserve(struct fleet *fleet, struct error *why)
{
    struct fleet_numbers n;
    uint32_t promised;
    bool available;

    fleet_count(fleet, &n);
    if (fleet->config.drained) {
        (void) error_set(why, -EAGAIN, "an operator drains this runner");
        return false;
    }
    promised = fleet->reserved + n.waiting;
    available = promised < n.idle;
    if (available && throttled(fleet, &n)) {
        (void) error_set(why, -EAGAIN,
                         "no capacity: %u idle slots, all but one instance's worth are promised",
                         n.idle);
        return false;
    }
    if (!available && (fleet->config.policy.preemptive || promised >= potential(fleet, &n))) {
        (void) error_set(why, -EAGAIN,
                         "no capacity: no immediately available capacity (idle:%u, acquired:%u, "
                         "unavailable:%u, unhealthy:%u, unready:%u)",
                         n.idle, n.acquired, n.unavailable, n.unhealthy, n.unready);
        return false;
    }
    fleet->reserved++;
    return true;
}

void fleet_unreserve(struct fleet *fleet)
{
    if (fleet->reserved > 0)
        fleet->reserved--;
}

int fleet_wait(struct fleet *fleet, int64_t seq, bool had_reservation)
{
    if (had_reservation)
        fleet_unreserve(fleet);
    if (fleet->n_waiters == fleet->cap_waiters) {
        size_t cap = fleet->cap_waiters ? fleet->cap_waiters * 2 : 16;
        struct fleet_waiter *grown = mem_resize(fleet->waiters, cap, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        fleet->waiters = grown;
        fleet->cap_waiters = cap;
    }
    fleet->waiters[fleet->n_waiters++] = (struct fleet_waiter) { seq };
    return 0;
}

void fleet_stop_waiting(struct fleet *fleet, int64_t seq)
{
    for (size_t i = 0; i < fleet->n_waiters; i++)
        if (fleet->waiters[i].seq == seq) {
            fleet->n_waiters--;
            memmove(&fleet->waiters[i], &fleet->waiters[i + 1],
                    (fleet->n_waiters - i) * sizeof(*fleet->waiters));
            return;
        }
}

/* Fullest first, so that whole instances become idle; then the one that was idle for the shortest
 * time, so that the others can age out; then the oldest (autoscaler.md 3.8). */
static bool better(const struct fleet_config *config, const struct fleet_instance *a,
                   const struct fleet_instance *b)
{
    uint32_t free_a = instance_free(config, a), free_b = instance_free(config, b);

    if (free_a != free_b)
        return free_a < free_b;
    if (a->idle_since_ms != b->idle_since_ms)
        return a->idle_since_ms > b->idle_since_ms;
    if (a->first_seen_ms != b->first_seen_ms)
        return a->first_seen_ms < b->first_seen_ms;
    return strcmp(a->id, b->id) < 0;
}

static struct fleet_instance *pick_instance(struct fleet *fleet)
{
    struct fleet_instance *best = NULL;

    for (size_t i = 0; i < fleet->n_instances; i++) {
        struct fleet_instance *instance = fleet->instances[i];

        /* What was there before us and is not known waits for its judgement (hardening.md R7). */
        if (!instance_usable(instance) || instance_free(&fleet->config, instance) == 0 ||
            (instance->cause == CAUSE_PREEXISTED && !fleet->config.vm_isolation))
            continue;
        if (!best || better(&fleet->config, instance, best))
            best = instance;
    }
    return best;
}

int fleet_assign_next(struct fleet *fleet, int64_t now_ms, int64_t *ret_seq,
                      const struct fleet_instance **ret_instance, uint32_t *ret_slot)
{
    struct fleet_instance *instance;
    uint32_t slot = 0;

    (void) now_ms;
    if (fleet->n_waiters == 0)
        return 0;
    instance = pick_instance(fleet);
    if (!instance)
        return 0;
    while (instance->slots[slot].seq != 0)
        slot++;
    *ret_seq = fleet->waiters[0].seq;
    *ret_instance = instance;
    *ret_slot = slot;
    instance->slots[slot].seq = *ret_seq;
    instance->uses++; /* at acquisition, not at release (autoscaler.md 3.3) */
    instance->idle_since_ms = 0;
    fleet_stop_waiting(fleet, *ret_seq);
    return 1;
}

int fleet_occupy(struct fleet *fleet, const char *id, uint32_t slot, int64_t seq, struct error *err)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance)
        return error_set(err, -ENOENT, "instance %s is not known any more", id);
    if (slot >= instance->n_slots) {
        /* The capacity was lowered while the job ran: its slot exists until it ends. */
        struct fleet_slot *grown = mem_resize(instance->slots, slot + 1, sizeof(*grown));

        if (!grown)
            return error_set(err, -ENOMEM, "instance %s: out of memory", id);
        memset(&grown[instance->n_slots], 0, (slot + 1 - instance->n_slots) * sizeof(*grown));
        instance->slots = grown;
        instance->n_slots = slot + 1;
    }
    if (instance->slots[slot].seq != 0)
        return error_set(err, -EBUSY, "slot %u of instance %s is taken already", slot, id);
    instance->slots[slot].seq = seq;
    instance->idle_since_ms = 0;
    return 0;
}

void fleet_count_use(struct fleet *fleet, const char *id)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (instance)
        instance->uses++;
}

void fleet_release(struct fleet *fleet, int64_t seq, int64_t now_ms)
{
    for (size_t i = 0; i < fleet->n_instances; i++) {
        struct fleet_instance *instance = fleet->instances[i];

        for (uint32_t k = 0; k < instance->n_slots; k++) {
            if (instance->slots[k].seq != seq)
                continue;
            instance->slots[k].seq = 0;
            if (instance_busy(instance) == 0)
                instance->idle_since_ms = now_ms;
            return;
        }
    }
}
