/* core/fleet/slots.c - places for jobs: reservations before a job is asked for, waiting, handing
 * out, giving back (autoscaler.md 3 to 5). */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"

void fleet_count(const struct fleet *fleet, struct fleet_numbers *ret)
{
    const uint32_t *tally = fleet->tally;

    *ret = (struct fleet_numbers) { .instances = (uint32_t) fleet->n_members,
                                    .live = tally[TALLY_LIVE],
                                    .acquired = tally[TALLY_ACQUIRED],
                                    .idle = tally[TALLY_IDLE],
                                    .waiting = fleet_waiting(fleet),
                                    .reserved = fleet->reserved,
                                    .unavailable = tally[TALLY_UNAVAILABLE],
                                    .unhealthy = tally[TALLY_UNHEALTHY],
                                    .unready = tally[TALLY_UNREADY],
                                    .requested = fleet->requested - fleet->early,
                                    .pending = fleet_pending(fleet),
                                    .removing = tally[TALLY_REMOVING],
                                    .draining = tally[TALLY_DRAINING],
                                    .foreign = tally[TALLY_FOREIGN],
                                    .held = tally[TALLY_HELD] };
}

uint32_t fleet_waiting(const struct fleet *fleet)
{
    return (uint32_t) fleet->waiting.n;
}

/* One instance's worth of idle slots stays unreserved, so that it can age out (autoscaler.md 5.1).
 */
static bool throttled(const struct fleet *fleet, const struct fleet_numbers *n)
{
    uint32_t worth = fleet_new_slots(&fleet->config), bound;

    if (n->idle == 0 || fleet->config.unthrottled_reservations)
        return false;
    bound = n->idle > worth ? n->idle - worth : 0;
    return fleet->reserved + n->waiting >= MAX(bound, 1U) && fleet->reserved + n->waiting < n->idle;
}

/* Slots that exist or could be made, whatever state their instances are in. */
static uint64_t potential(const struct fleet *fleet, int64_t now_ms, const struct fleet_numbers *n)
{
    int64_t ignored;
    uint64_t taken = (uint64_t) n->instances + places_taken(fleet, now_ms, &ignored);
    uint64_t room = fleet->config.max_instances > taken ? fleet->config.max_instances - taken : 0;

    return n->idle + n->unhealthy + n->unready + room * fleet_new_slots(&fleet->config);
}

bool fleet_reserve(struct fleet *fleet, int64_t now_ms, struct error *why)
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
                         "no capacity: %u idle slot%s, all but one instance's worth are promised",
                         n.idle, str_plural(n.idle));
        return false;
    }
    if (!available &&
        (fleet->config.policy.preemptive || promised >= potential(fleet, now_ms, &n))) {
        (void) error_set(why, -EAGAIN,
                         "no capacity: no immediately available capacity (idle:%u, acquired:%u, "
                         "unavailable:%u, unhealthy:%u, unready:%u)",
                         n.idle, n.acquired, n.unavailable, n.unhealthy, n.unready);
        return false;
    }
    journal_note(fleet, "reserve %" PRId64, now_ms);
    fleet->reserved++;
    return true;
}

static void take_reservation(struct fleet *fleet)
{
    if (fleet->reserved > 0)
        fleet->reserved--;
}

void fleet_unreserve(struct fleet *fleet)
{
    journal_note(fleet, "unreserve");
    take_reservation(fleet);
}

static struct fleet_job *find_job(const struct fleet *fleet, int64_t seq)
{
    const struct sorted_node like = { .key = { seq } };

    return sorted_find(&fleet->jobs, &like);
}

static int add_job(struct fleet *fleet, int64_t seq, struct fleet_job **ret)
{
    struct fleet_job *job;

    if (find_job(fleet, seq))
        return -EEXIST;
    job = mem_zero(sizeof(*job));
    if (!job)
        return -ENOMEM;
    job->seq = seq;
    job->by_seq = (struct sorted_node) { .key = { seq }, .item = job };
    sorted_insert(&fleet->jobs, &job->by_seq);
    *ret = job;
    return 0;
}

static void forget_job(struct fleet *fleet, struct fleet_job *job)
{
    sorted_remove(&fleet->jobs, &job->by_seq);
    if (!job->member)
        sorted_remove(&fleet->waiting, &job->waiting);
    free(job);
}

void forget_jobs(struct fleet *fleet, const struct fleet_instance *instance)
{
    for (uint32_t i = 0; i < instance->n_slots; i++)
        if (instance->slots[i].seq != 0)
            forget_job(fleet, find_job(fleet, instance->slots[i].seq));
}

void forget_all_jobs(struct fleet *fleet)
{
    struct fleet_job *job;

    while ((job = sorted_first(&fleet->jobs)))
        forget_job(fleet, job);
}

int fleet_wait(struct fleet *fleet, int64_t seq, bool had_reservation)
{
    struct fleet_job *job = NULL;
    int r;

    journal_note(fleet, "wait %" PRId64 " %d", seq, had_reservation);
    if (had_reservation)
        take_reservation(fleet);
    r = add_job(fleet, seq, &job);
    if (r < 0)
        return r;
    job->waiting = (struct sorted_node) { .key = { fleet->n_waited++ }, .item = job };
    sorted_insert(&fleet->waiting, &job->waiting);
    return 0;
}

void fleet_stop_waiting(struct fleet *fleet, int64_t seq)
{
    struct fleet_job *job = find_job(fleet, seq);

    if (!job || job->member)
        return;
    journal_note(fleet, "leave %" PRId64, seq);
    forget_job(fleet, job);
}

static void place_job(struct fleet *fleet, struct fleet_job *job, struct fleet_member *member,
                      uint32_t slot)
{
    job->member = member;
    job->slot = slot;
    member->instance.slots[slot].seq = job->seq;
    member->instance.idle_since_ms = 0;
    census_update(fleet, &member->instance);
}

int fleet_assign_next(struct fleet *fleet, int64_t now_ms, int64_t *ret_seq,
                      const struct fleet_instance **ret_instance, uint32_t *ret_slot)
{
    struct fleet_job *job = sorted_first(&fleet->waiting);
    struct fleet_member *member = job ? heartbeat_first_fresh(fleet, now_ms) : NULL;
    uint32_t slot = 0;

    if (!member)
        return 0;
    while (member->instance.slots[slot].seq != 0)
        slot++;
    journal_note(fleet, "assign %" PRId64 " %" PRId64 " %s %" PRIu32, now_ms, job->seq,
                 member->instance.id, slot);
    sorted_remove(&fleet->waiting, &job->waiting);
    member->instance.uses++; /* at acquisition, not at release (autoscaler.md 3.3) */
    place_job(fleet, job, member, slot);
    *ret_seq = job->seq;
    *ret_instance = &member->instance;
    *ret_slot = slot;
    return 1;
}

/* A slot beyond the capacity: that was lowered while the job ran, and it exists until it ends. */
static int make_slot(struct fleet_instance *instance, uint32_t slot)
{
    struct fleet_slot *grown;

    if (slot < instance->n_slots)
        return 0;
    grown = mem_resize(instance->slots, slot + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    memset(&grown[instance->n_slots], 0, (slot + 1 - instance->n_slots) * sizeof(*grown));
    instance->slots = grown;
    instance->n_slots = slot + 1;
    return 0;
}

int fleet_occupy(struct fleet *fleet, const char *id, uint32_t slot, int64_t seq, struct error *err)
{
    struct fleet_instance *instance = fleet_get(fleet, id);
    struct fleet_job *job = NULL;
    int r;

    if (!instance)
        return error_set(err, -ENOENT, "instance %s is not known any more", id);
    if (make_slot(instance, slot) < 0)
        return error_set(err, -ENOMEM, "instance %s: out of memory", id);
    if (instance->slots[slot].seq != 0)
        return error_set(err, -EBUSY, "slot %u of instance %s is taken already", slot, id);
    r = add_job(fleet, seq, &job);
    if (r == -EEXIST)
        return error_set(err, r, "the job on slot %u of instance %s has a place already", slot, id);
    if (r < 0)
        return error_set(err, r, "instance %s: out of memory", id);
    journal_note(fleet, "occupy %s %" PRIu32 " %" PRId64, id, slot, seq);
    place_job(fleet, job, member_of(instance), slot);
    return 0;
}

void fleet_count_use(struct fleet *fleet, const char *id)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance)
        return;
    journal_note(fleet, "use %s", id);
    instance->uses++;
    census_update(fleet, instance);
}

void fleet_release(struct fleet *fleet, int64_t seq, int64_t now_ms)
{
    struct fleet_job *job = find_job(fleet, seq);
    struct fleet_instance *instance;

    if (!job || !job->member)
        return;
    journal_note(fleet, "release %" PRId64 " %" PRId64, seq, now_ms);
    instance = &job->member->instance;
    instance->slots[job->slot].seq = 0;
    if (instance_busy(instance) == 0)
        instance->idle_since_ms = now_ms;
    forget_job(fleet, job);
    census_update(fleet, instance);
}
