/* core/fleet/census.c - what the fleet amounts to: counters over its instances, and who comes next
 * for what. Both are kept as instances change, so that a decision looks at what changed and not at
 * ten thousand instances.
 *
 * An instance's part in them is judged anew from the instance alone after each change of it, and
 * replaces its former part: whatever changed, and whoever changed it, the sums are right as long as
 * census_update() was called. tests/unit/fleet/recount.c counts everything anew and compares.
 */
#include <string.h>

#include "core/base/str.h"
#include "core/fleet/internal.h"

uint32_t instance_busy(const struct fleet_instance *instance)
{
    uint32_t busy = 0;

    for (uint32_t i = 0; i < instance->n_slots; i++)
        busy += instance->slots[i].seq != 0;
    return busy;
}

uint32_t instance_free(const struct fleet_config *config, const struct fleet_instance *instance)
{
    uint32_t busy = instance_busy(instance);
    uint32_t by_slots = config->capacity > busy ? config->capacity - busy : 0;
    uint32_t by_uses =
        config->max_use_count > instance->uses ? config->max_use_count - instance->uses : 0;

    return config->max_use_count == 0 ? by_slots : MIN(by_slots, by_uses);
}

uint32_t fleet_new_slots(const struct fleet_config *config)
{
    return config->max_use_count == 0 ? config->capacity
                                      : MIN(config->capacity, config->max_use_count);
}

uint32_t instance_taken(const struct fleet_config *config, const struct fleet_instance *instance)
{
    return fleet_new_slots(config) - instance_free(config, instance);
}

/* What was there before us and is not known waits for its judgement (hardening.md R7). */
static bool is_stranger(const struct fleet_config *config, const struct fleet_instance *instance)
{
    return instance->cause == CAUSE_PREEXISTED && !config->vm_isolation;
}

static bool is_held(const struct fleet_instance *instance)
{
    return instance->held_until_ms != 0;
}

static bool is_usable(const struct fleet_config *config, const struct fleet_instance *instance)
{
    return instance->state == INSTANCE_RUNNING && instance->ready && !instance->removing &&
           !instance->connection_dead && instance->draining == REASON_NONE &&
           instance->failures == 0 && instance->cause != CAUSE_FOREIGN && !is_held(instance) &&
           !is_stranger(config, instance);
}

/* autoscaler.md 7.2 */
static bool is_live(const struct fleet_instance *instance)
{
    return (instance->state == INSTANCE_CREATING || instance->state == INSTANCE_RUNNING) &&
           !instance->removing && instance->draining == REASON_NONE && !is_held(instance) &&
           instance->cause != CAUSE_FOREIGN;
}

enum fleet_reason instance_must_go(const struct fleet *fleet, const struct fleet_instance *instance)
{
    const struct fleet_config *config = &fleet->config;

    if (instance->removing || instance->cause == CAUSE_FOREIGN || is_held(instance) ||
        instance_busy(instance) > 0)
        return REASON_NONE;
    if (config->max_use_count > 0 && instance->uses >= config->max_use_count)
        return REASON_USES_SPENT;
    if (instance->draining != REASON_NONE)
        return instance->draining;
    if (is_stranger(config, instance) && fleet->complete_lists >= 2)
        return REASON_UNKNOWN_AT_START;
    return REASON_NONE;
}

static bool is_unsettled(const struct fleet_instance *instance)
{
    return instance->removing || instance->misses > 0 || instance->connection_dead ||
           (instance->state != INSTANCE_RUNNING && instance->state != INSTANCE_SUSPENDED);
}

static void count_slots(const struct fleet_config *config, const struct fleet_instance *instance,
                        uint32_t tally[TALLIES])
{
    uint32_t busy = instance_busy(instance), free_slots = instance_free(config, instance);
    uint32_t taken = instance_taken(config, instance);

    tally[TALLY_ACQUIRED] = busy;
    tally[TALLY_TAKEN] = taken;
    if (is_usable(config, instance))
        tally[TALLY_IDLE] = free_slots;
    else if (instance->ready && instance->failures > 0)
        tally[TALLY_UNHEALTHY] = free_slots;
    else
        tally[TALLY_UNREADY] = free_slots;
    tally[TALLY_UNAVAILABLE] = taken - MIN(taken, busy);
}

static void count(const struct fleet *fleet, const struct fleet_instance *instance,
                  uint32_t tally[TALLIES])
{
    bool foreign = instance->cause == CAUSE_FOREIGN;
    bool must_go = instance_must_go(fleet, instance) != REASON_NONE;

    tally[TALLY_REMOVING] = instance->removing;
    tally[TALLY_FOREIGN] = foreign;
    tally[TALLY_DRAINING] = instance->draining != REASON_NONE && !instance->removing;
    tally[TALLY_HELD] = is_held(instance);
    tally[TALLY_STAYING] =
        !instance->removing && !foreign && !must_go && instance->state != INSTANCE_DELETING;
    tally[TALLY_UNSETTLED] = is_unsettled(instance);
    tally[TALLY_AWAITED] = instance->removing && !is_held(instance) &&
                           (instance->removal_accepted || instance_busy(instance) == 0);
    if (!is_live(instance))
        return;
    tally[TALLY_LIVE] = 1;
    count_slots(&fleet->config, instance, tally);
    tally[TALLY_LEAVING] = must_go;
    tally[TALLY_LEAVING_LOST] = must_go ? tally[TALLY_UNAVAILABLE] : 0;
}

/* Fullest first, so that whole instances become idle; then the one that was idle for the shortest
 * time, so that the others can age out; then the oldest (autoscaler.md 3.8). */
static bool rank_offered(const struct fleet *fleet, const struct fleet_instance *instance,
                         int64_t key[SORTED_KEYS])
{
    key[0] = instance_free(&fleet->config, instance);
    key[1] = -instance->idle_since_ms;
    key[2] = instance->first_seen_ms;
    return key[0] > 0 && is_usable(&fleet->config, instance);
}

/* Longest idle first; ties: most uses, then smallest id (autoscaler.md 8.2). */
static bool rank_idle(const struct fleet *fleet, const struct fleet_instance *instance,
                      int64_t key[SORTED_KEYS])
{
    key[0] = instance->idle_since_ms;
    key[1] = -(int64_t) instance->uses;
    return is_usable(&fleet->config, instance) && instance->idle_since_ms != 0 &&
           instance_busy(instance) == 0 && instance_must_go(fleet, instance) == REASON_NONE;
}

static bool rank_must_go(const struct fleet *fleet, const struct fleet_instance *instance,
                         int64_t key[SORTED_KEYS])
{
    key[0] = member_of(instance)->born;
    return instance_must_go(fleet, instance) != REASON_NONE;
}

static bool rank_removable(const struct fleet *fleet, const struct fleet_instance *instance,
                           int64_t key[SORTED_KEYS])
{
    (void) fleet;
    key[0] = instance->removal_accepted ? instance->removal_accepted_ms : INT64_MIN;
    key[1] = member_of(instance)->born;
    return instance->removing && !is_held(instance) &&
           (instance_busy(instance) == 0 || instance->remove_reason == REASON_SHUTDOWN) &&
           instance->state != INSTANCE_DELETING; /* the cloud is at it */
}

static bool rank_unready(const struct fleet *fleet, const struct fleet_instance *instance,
                         int64_t key[SORTED_KEYS])
{
    (void) fleet;
    key[0] = member_of(instance)->born;
    return instance->state == INSTANCE_RUNNING && !instance->ready && !instance->removing &&
           !is_held(instance) && instance->cause != CAUSE_FOREIGN;
}

static bool rank_heartbeat(const struct fleet *fleet, const struct fleet_instance *instance,
                           int64_t key[SORTED_KEYS])
{
    key[1] = member_of(instance)->born;
    return heartbeat_due_ms(fleet, instance, &key[0]);
}

/* Whether it is in the lane, and where. */
typedef bool (*rank_fn)(const struct fleet *fleet, const struct fleet_instance *instance,
                        int64_t key[SORTED_KEYS]);
static const rank_fn ranks[LANES] = {
    [LANE_OFFERED] = rank_offered, [LANE_IDLE] = rank_idle,
    [LANE_MUST_GO] = rank_must_go, [LANE_REMOVABLE] = rank_removable,
    [LANE_UNREADY] = rank_unready, [LANE_HEARTBEAT] = rank_heartbeat
};

static void put(struct sorted *lane, struct fleet_member *member, struct sorted_node *node, bool in,
                const int64_t key[SORTED_KEYS])
{
    if (node->weight != 0 && in && memcmp(node->key, key, sizeof(node->key)) == 0)
        return;
    if (node->weight != 0)
        sorted_remove(lane, node);
    if (!in)
        return;
    *node = (struct sorted_node) { .name = member->instance.id, .item = member };
    memcpy(node->key, key, sizeof(node->key));
    sorted_insert(lane, node);
}

static void replace_tally(struct fleet *fleet, struct fleet_member *member,
                          const uint32_t tally[TALLIES])
{
    for (size_t i = 0; i < TALLIES; i++)
        fleet->tally[i] += tally[i] - member->tally[i];
    memcpy(member->tally, tally, sizeof(member->tally));
}

void census_update(struct fleet *fleet, const struct fleet_instance *instance)
{
    struct fleet_member *member = member_of(instance);
    uint32_t tally[TALLIES] = { 0 };

    count(fleet, instance, tally);
    replace_tally(fleet, member, tally);
    for (size_t i = 0; i < LANES; i++) {
        int64_t key[SORTED_KEYS] = { 0 };
        bool in = ranks[i](fleet, instance, key);

        put(&fleet->lanes[i], member, &member->lanes[i], in, key);
    }
}

void census_update_all(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->n_members; i++)
        census_update(fleet, &fleet->members[i]->instance);
}

void census_forget(struct fleet *fleet, const struct fleet_instance *instance)
{
    static const uint32_t nothing[TALLIES] = { 0 };
    struct fleet_member *member = member_of(instance);

    replace_tally(fleet, member, nothing);
    for (size_t i = 0; i < LANES; i++)
        put(&fleet->lanes[i], member, &member->lanes[i], false, NULL);
}
