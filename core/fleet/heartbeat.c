/* core/fleet/heartbeat.c - which instances are to be asked whether they are well: before a job is put
 * on them, and from time to time while they are idle (autoscaler.md 5.2, 9.2).
 *
 * A slot is handed out only while the instance's last heartbeat is good and young. For each waiting job
 * that no fresh or asked instance would take, the one that it would get is asked; whoever answers
 * first serves the first waiter, so that one that hangs holds up nobody but itself. Time alone makes an
 * answer old, so for waiting jobs those that have free slots are walked through, the best first. */
#include <inttypes.h>

#include "core/base/str.h"
#include "core/fleet/internal.h"

static bool is_fresh(const struct fleet *fleet, const struct fleet_instance *instance,
                     int64_t now_ms)
{
    return fleet->config.heartbeat_interval_ms <= 0 ||
           (instance->answered_ms > 0 &&
            now_ms - instance->answered_ms < fleet->config.heartbeat_valid_ms);
}

static bool may_be_asked(const struct fleet *fleet, const struct fleet_instance *instance,
                         int64_t now_ms)
{
    return !instance->asked && !is_fresh(fleet, instance, now_ms) &&
           (instance->asked_ms == 0 ||
            now_ms - instance->asked_ms >= fleet->config.heartbeat_valid_ms);
}

struct search {
    const struct fleet *fleet;
    int64_t now_ms;
    size_t covered; /* slots of those that are fresh or asked */
    struct fleet_member *found;
};

static bool visit_for_a_job(void *item, void *arg)
{
    struct fleet_member *member = item;
    struct search *search = arg;

    if (is_fresh(search->fleet, &member->instance, search->now_ms))
        search->found = member;
    return !search->found;
}

struct fleet_member *heartbeat_first_fresh(const struct fleet *fleet, int64_t now_ms)
{
    struct search search = { .fleet = fleet, .now_ms = now_ms };

    sorted_walk(&fleet->lanes[LANE_OFFERED], visit_for_a_job, &search);
    return search.found;
}

static bool visit_for_a_question(void *item, void *arg)
{
    struct fleet_member *member = item;
    struct search *search = arg;
    const struct fleet_instance *instance = &member->instance;

    if (instance->asked || is_fresh(search->fleet, instance, search->now_ms))
        search->covered += instance_free(&search->fleet->config, instance);
    else if (!search->found && may_be_asked(search->fleet, instance, search->now_ms))
        search->found = member;
    return search->covered < search->fleet->waiting.n;
}

static struct fleet_member *next_for_waiting_jobs(const struct fleet *fleet, int64_t now_ms)
{
    struct search search = { .fleet = fleet, .now_ms = now_ms };

    sorted_walk(&fleet->lanes[LANE_OFFERED], visit_for_a_question, &search);
    return search.covered < fleet->waiting.n ? search.found : NULL;
}

/* One that failed is asked until it is well again, or replaced; jobs that run on it do not save it. */
bool heartbeat_due_ms(const struct fleet *fleet, const struct fleet_instance *instance,
                      int64_t *ret_ms)
{
    const struct fleet_config *config = &fleet->config;
    int64_t idle_due_ms =
        MAX(instance->asked_ms, instance->ready_ms) + config->heartbeat_interval_ms;

    if (config->heartbeat_interval_ms <= 0 || instance->asked ||
        instance->state != INSTANCE_RUNNING || !instance->ready || instance->removing ||
        instance->draining != REASON_NONE || instance->held_until_ms != 0 ||
        instance->cause == CAUSE_FOREIGN ||
        (instance->failures == 0 && instance_busy(instance) > 0))
        return false;
    *ret_ms = instance->failures > 0 ? 0 : idle_due_ms;
    /* An answer is not asked for while the last one counts, be it good or bad. */
    if (MAX(instance->answered_ms, instance->asked_ms) > 0)
        *ret_ms = MAX(*ret_ms,
                      MAX(instance->answered_ms, instance->asked_ms) + config->heartbeat_valid_ms);
    return true;
}

static struct fleet_member *first_due(const struct fleet *fleet, int64_t now_ms)
{
    struct fleet_member *member = sorted_first(&fleet->lanes[LANE_HEARTBEAT]);

    return member && member->lanes[LANE_HEARTBEAT].key[0] <= now_ms ? member : NULL;
}

const struct fleet_instance *fleet_next_heartbeat(struct fleet *fleet, int64_t now_ms)
{
    struct fleet_member *found;

    if (fleet->config.heartbeat_interval_ms <= 0)
        return NULL;
    found = next_for_waiting_jobs(fleet, now_ms);
    if (!found)
        found = first_due(fleet, now_ms);
    if (!found)
        return NULL;
    journal_note(fleet, "ask %" PRId64 " %s", now_ms, found->instance.id);
    found->instance.asked = true;
    found->instance.asked_ms = now_ms;
    census_update(fleet, &found->instance);
    return &found->instance;
}

void fleet_heartbeat_ended(struct fleet *fleet, const char *id, bool good, int64_t now_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance)
        return;
    journal_note(fleet, "answered %s %d %" PRId64, id, good, now_ms);
    instance->asked = false;
    instance->asked_ms = now_ms;
    if (good)
        instance->answered_ms = now_ms;
    census_update(fleet, instance);
}
