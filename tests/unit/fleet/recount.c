/* tests/unit/fleet/recount.c - the counters and orders of core/fleet/census.c by their definitions: each in its own
 * walk over all instances, with nothing kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"
#include "tests/unit/fleet/recount.h"

struct view { /* one instance by the definitions */
    const struct fleet *fleet;
    const struct fleet_instance *instance;
    uint32_t busy, free_slots, when_new;
    bool stranger, usable, live, must_go, held;
};

static struct view look(const struct fleet *fleet, const struct fleet_instance *instance)
{
    const struct fleet_config *config = &fleet->config;
    struct view view = { .fleet = fleet, .instance = instance };
    bool ours = instance->cause != CAUSE_FOREIGN, quiet = instance->draining == REASON_NONE;
    bool spent = config->max_use_count > 0 && instance->uses >= config->max_use_count;

    for (uint32_t i = 0; i < instance->n_slots; i++)
        view.busy += instance->slots[i].seq != 0;
    view.free_slots = config->capacity > view.busy ? config->capacity - view.busy : 0;
    if (config->max_use_count > 0)
        view.free_slots = spent ? 0 : MIN(view.free_slots, config->max_use_count - instance->uses);
    view.when_new =
        config->max_use_count > 0 ? MIN(config->capacity, config->max_use_count) : config->capacity;
    view.stranger = instance->cause == CAUSE_PREEXISTED && !config->vm_isolation;
    view.held = instance->held_until_ms != 0;
    view.live = ours && quiet && !view.held && !instance->removing &&
                (instance->state == INSTANCE_CREATING || instance->state == INSTANCE_RUNNING);
    view.usable = view.live && instance->state == INSTANCE_RUNNING && instance->ready &&
                  !view.stranger && instance->failures == 0 && !instance->connection_dead;
    view.must_go = ours && !view.held && !instance->removing && view.busy == 0 &&
                   (spent || !quiet || (view.stranger && fleet->complete_lists >= 2));
    return view;
}

typedef uint32_t (*part_fn)(const struct fleet *fleet, const struct view *view);

#define PART(name, value)                                                                          \
    static uint32_t name(const struct fleet *fleet, const struct view *view)                       \
    {                                                                                              \
        (void) fleet;                                                                              \
        return (uint32_t) (value);                                                                 \
    }
PART(removing, view->instance->removing)
PART(foreign, view->instance->cause == CAUSE_FOREIGN)
PART(draining, view->instance->draining != REASON_NONE && !view->instance->removing)
PART(held, view->held)
PART(live, view->live)
PART(acquired, view->live ? view->busy : 0)
PART(idle, view->usable ? view->free_slots : 0)
PART(is_unhealthy, view->live && view->instance->ready && view->instance->failures > 0)
PART(unhealthy, is_unhealthy(fleet, view) ? view->free_slots : 0)
PART(unready, view->live && !view->usable && !is_unhealthy(fleet, view) ? view->free_slots : 0)
PART(taken, view->live ? view->when_new - view->free_slots : 0)
PART(lost, view->live && view->when_new > view->busy + view->free_slots
               ? view->when_new - view->busy - view->free_slots
               : 0)
PART(staying, !view->instance->removing && !foreign(fleet, view) && !view->must_go &&
                  view->instance->state != INSTANCE_DELETING)
PART(leaving, view->live && view->must_go)
PART(leaving_lost, leaving(fleet, view) ? lost(fleet, view) : 0)
PART(unsettled,
     view->instance->removing || view->instance->misses > 0 || view->instance->connection_dead ||
         (view->instance->state != INSTANCE_RUNNING && view->instance->state != INSTANCE_SUSPENDED))
PART(awaited, view->instance->removing && !view->held &&
                  (view->instance->removal_accepted || view->busy == 0))

static const struct {
    const char *name;
    part_fn part;
} tallies[TALLIES] = {
    [TALLY_REMOVING] = { "removing", removing },
    [TALLY_FOREIGN] = { "foreign", foreign },
    [TALLY_DRAINING] = { "draining", draining },
    [TALLY_HELD] = { "held", held },
    [TALLY_LIVE] = { "live", live },
    [TALLY_ACQUIRED] = { "acquired", acquired },
    [TALLY_IDLE] = { "idle", idle },
    [TALLY_UNHEALTHY] = { "unhealthy", unhealthy },
    [TALLY_UNREADY] = { "unready", unready },
    [TALLY_UNAVAILABLE] = { "unavailable", lost },
    [TALLY_TAKEN] = { "taken", taken },
    [TALLY_STAYING] = { "staying", staying },
    [TALLY_LEAVING] = { "leaving", leaving },
    [TALLY_LEAVING_LOST] = { "lost slots of those that leave", leaving_lost },
    [TALLY_UNSETTLED] = { "unsettled", unsettled },
    [TALLY_AWAITED] = { "awaited removals", awaited },
};

PART(in_offered, view->usable && view->free_slots > 0)
PART(in_idle,
     view->usable && view->busy == 0 && !view->must_go && view->instance->idle_since_ms != 0)
PART(in_must_go, view->must_go)
PART(in_removable, view->instance->removing && !view->held &&
                       (view->busy == 0 || view->instance->remove_reason == REASON_SHUTDOWN) &&
                       view->instance->state != INSTANCE_DELETING)
PART(in_unready, view->instance->state == INSTANCE_RUNNING && !view->instance->ready &&
                     !view->instance->removing && !view->held &&
                     view->instance->cause != CAUSE_FOREIGN)

static int64_t due(const struct fleet *fleet, const struct fleet_instance *instance)
{
    int64_t last = MAX(instance->answered_ms, instance->asked_ms);
    int64_t by_interval =
        MAX(instance->asked_ms, instance->ready_ms) + fleet->config.heartbeat_interval_ms;
    int64_t when = instance->failures > 0 ? 0 : by_interval;

    return last > 0 ? MAX(when, last + fleet->config.heartbeat_valid_ms) : when;
}

PART(in_heartbeat,
     fleet->config.heartbeat_interval_ms > 0 && view->instance->state == INSTANCE_RUNNING &&
         view->instance->ready && !view->instance->removing && !view->instance->asked &&
         view->instance->draining == REASON_NONE && view->instance->cause != CAUSE_FOREIGN &&
         !view->held && (view->instance->failures > 0 || view->busy == 0))

/* True when a may stand before b. */
typedef bool (*order_fn)(const struct view *a, const struct view *b);

static bool better_for_a_job(const struct view *a, const struct view *b)
{
    if (a->free_slots != b->free_slots)
        return a->free_slots < b->free_slots;
    if (a->instance->idle_since_ms != b->instance->idle_since_ms)
        return a->instance->idle_since_ms > b->instance->idle_since_ms;
    if (a->instance->first_seen_ms != b->instance->first_seen_ms)
        return a->instance->first_seen_ms < b->instance->first_seen_ms;
    return strcmp(a->instance->id, b->instance->id) < 0;
}

static bool longer_idle(const struct view *a, const struct view *b)
{
    if (a->instance->idle_since_ms != b->instance->idle_since_ms)
        return a->instance->idle_since_ms < b->instance->idle_since_ms;
    if (a->instance->uses != b->instance->uses)
        return a->instance->uses > b->instance->uses;
    return strcmp(a->instance->id, b->instance->id) < 0;
}

static bool answered_earlier(const struct view *a, const struct view *b)
{
    if (a->instance->removal_accepted != b->instance->removal_accepted)
        return b->instance->removal_accepted;
    return !a->instance->removal_accepted ||
           a->instance->removal_accepted_ms <= b->instance->removal_accepted_ms;
}

static bool due_earlier(const struct view *a, const struct view *b)
{
    return due(a->fleet, a->instance) <= due(b->fleet, b->instance);
}

static bool any_order(const struct view *a, const struct view *b)
{
    return a->instance != b->instance;
}

static const struct {
    const char *name;
    part_fn in;
    order_fn before;
} lanes[LANES] = {
    [LANE_OFFERED] = { "offered", in_offered, better_for_a_job },
    [LANE_IDLE] = { "idle", in_idle, longer_idle },
    [LANE_MUST_GO] = { "must go", in_must_go, any_order },
    [LANE_REMOVABLE] = { "removable", in_removable, answered_earlier },
    [LANE_UNREADY] = { "unready", in_unready, any_order },
    [LANE_HEARTBEAT] = { "heartbeat", in_heartbeat, due_earlier },
};

static uint32_t sum(const struct fleet *fleet, part_fn part)
{
    uint32_t n = 0;

    for (size_t i = 0; i < fleet_instance_count(fleet); i++) {
        struct view view = look(fleet, fleet_instance_at(fleet, i));

        n += part(fleet, &view);
    }
    return n;
}

struct lane_walk {
    const struct fleet *fleet;
    const char *when;
    enum lane lane;
    struct view last;
    uint32_t n;
};

static bool step(void *item, void *arg)
{
    struct lane_walk *walk = arg;
    struct view view = look(walk->fleet, item);

    if (!lanes[walk->lane].in(walk->fleet, &view))
        fail_msg("%s: %s is in the lane '%s'", walk->when, view.instance->id,
                 lanes[walk->lane].name);
    if (walk->n++ > 0 && !lanes[walk->lane].before(&walk->last, &view))
        fail_msg("%s: %s stands before %s in the lane '%s'", walk->when, walk->last.instance->id,
                 view.instance->id, lanes[walk->lane].name);
    walk->last = view;
    return true;
}

static void recount_lane(const struct fleet *fleet, enum lane lane, const char *when)
{
    struct lane_walk walk = { .fleet = fleet, .when = when, .lane = lane };
    uint32_t expected = sum(fleet, lanes[lane].in);

    sorted_walk(&fleet->lanes[lane], step, &walk);
    if (walk.n != expected || fleet->lanes[lane].n != expected)
        fail_msg("%s: %u in the lane '%s', not %u", when, walk.n, lanes[lane].name, expected);
}

/* Each job that holds a slot is found by its number, where it is, and no other is kept. */
static void recount_jobs(const struct fleet *fleet, const char *when)
{
    size_t placed = 0;

    for (size_t i = 0; i < fleet_instance_count(fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(fleet, i);

        for (uint32_t k = 0; k < instance->n_slots; k++) {
            const struct sorted_node like = { .key = { instance->slots[k].seq } };
            const struct fleet_job *job = sorted_find(&fleet->jobs, &like);

            if (instance->slots[k].seq == 0)
                continue;
            placed++;
            if (!job || &job->member->instance != instance || job->slot != k)
                fail_msg("%s: the job of slot %u of %s is not found there", when, k, instance->id);
        }
        if (fleet_find(fleet, instance->id) != instance)
            fail_msg("%s: %s is not found by its id", when, instance->id);
    }
    if (fleet->jobs.n != placed + fleet->waiting.n || fleet->by_id.n != fleet_instance_count(fleet))
        fail_msg("%s: %zu jobs are kept, %zu have a slot, %zu wait", when, fleet->jobs.n, placed,
                 fleet->waiting.n);
}

void recount(const struct fleet *fleet, const char *when)
{
    for (size_t i = 0; i < TALLIES; i++) {
        uint32_t expected = sum(fleet, tallies[i].part);

        if (fleet->tally[i] != expected)
            fail_msg("%s: %s is %u, not %u", when, tallies[i].name, fleet->tally[i], expected);
    }
    for (size_t i = 0; i < LANES; i++)
        recount_lane(fleet, (enum lane) i, when);
    recount_jobs(fleet, when);
}
