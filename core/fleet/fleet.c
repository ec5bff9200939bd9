/* core/fleet/fleet.c - the instances of one group: what lists and answers of the provider do to
 * them. orders.c has those to come, slots.c hands out places, census.c counts, scaler.c decides how
 * many there should be.
 *
 * Refuses to know the provider, the ledger and the clock. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"

#define CRASHES_COUNT_MS (INT64_C(3600) * 1000)

int fleet_new(const struct fleet_config *config, struct fleet **ret)
{
    struct fleet *fleet = mem_zero(sizeof(*fleet));

    if (!fleet)
        return -ENOMEM;
    fleet->config = *config;
    *ret = fleet;
    return 0;
}

static void free_member(struct fleet_member *member)
{
    free(member->instance.slots);
    free(member);
}

void fleet_free(struct fleet *fleet)
{
    if (!fleet)
        return;
    forget_all_jobs(fleet);
    for (size_t i = 0; i < fleet->n_members; i++)
        free_member(fleet->members[i]);
    free(fleet->members);
    free(fleet->orders);
    free(fleet->gone_ms);
    free(fleet);
}

/* Slots that hold jobs are never taken away; a smaller capacity acts as they become free. */
static int resize_slots(struct fleet_instance *instance, uint32_t capacity)
{
    uint32_t want = capacity;
    struct fleet_slot *slots;

    for (uint32_t i = 0; i < instance->n_slots; i++)
        if (instance->slots[i].seq != 0 && i + 1 > want)
            want = i + 1;
    if (want == instance->n_slots)
        return 0;
    slots = mem_array(want, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    memcpy(slots, instance->slots, MIN(want, instance->n_slots) * sizeof(*slots));
    free(instance->slots);
    instance->slots = slots;
    instance->n_slots = want;
    return 0;
}

/* What an instance is counted as hangs on these alone. */
static bool counts_alike(const struct fleet_config *a, const struct fleet_config *b)
{
    return a->capacity == b->capacity && a->max_use_count == b->max_use_count &&
           a->vm_isolation == b->vm_isolation &&
           a->heartbeat_interval_ms == b->heartbeat_interval_ms &&
           a->heartbeat_valid_ms == b->heartbeat_valid_ms;
}

int fleet_configure(struct fleet *fleet, const struct fleet_config *config)
{
    bool alike = counts_alike(&fleet->config, config);
    int r = 0;

    fleet->config = *config;
    journal_config(fleet);
    if (alike)
        return 0;
    for (size_t i = 0; i < fleet->n_members && r == 0; i++)
        r = resize_slots(&fleet->members[i]->instance, config->capacity);
    census_update_all(fleet);
    return r;
}

const struct fleet_config *fleet_config_of(const struct fleet *fleet)
{
    return &fleet->config;
}

size_t fleet_instance_count(const struct fleet *fleet)
{
    return fleet->n_members;
}

const struct fleet_instance *fleet_instance_at(const struct fleet *fleet, size_t i)
{
    return &fleet->members[i]->instance;
}

struct fleet_instance *fleet_get(struct fleet *fleet, const char *id)
{
    const struct sorted_node like = { .name = id };
    struct fleet_member *member = sorted_find(&fleet->by_id, &like);

    return member ? &member->instance : NULL;
}

const struct fleet_instance *fleet_find(const struct fleet *fleet, const char *id)
{
    return fleet_get((struct fleet *) (uintptr_t) fleet, id);
}

static int make_room(struct fleet *fleet)
{
    size_t cap = fleet->cap_members ? fleet->cap_members * 2 : 16;
    struct fleet_member **grown;

    if (fleet->n_members < fleet->cap_members)
        return 0;
    grown = mem_resize(fleet->members, cap, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    fleet->members = grown;
    fleet->cap_members = cap;
    return 0;
}

struct fleet_instance *fleet_add(struct fleet *fleet, const char *id)
{
    struct fleet_member *member = mem_zero(sizeof(*member));
    struct fleet_slot *slots = mem_array(fleet->config.capacity, sizeof(*slots));

    if (!member || !slots || make_room(fleet) < 0) {
        free(member);
        free(slots);
        return NULL;
    }
    member->instance.slots = slots;
    member->instance.n_slots = fleet->config.capacity;
    (void) str_copy(member->instance.id, sizeof(member->instance.id), id);
    member->born = fleet->n_born++;
    member->by_id = (struct sorted_node) { .name = member->instance.id, .item = member };
    sorted_insert(&fleet->by_id, &member->by_id);
    fleet->members[fleet->n_members++] = member;
    return &member->instance;
}

int fleet_restore(struct fleet *fleet, const struct fleet_instance *saved)
{
    struct fleet_instance *instance = fleet_add(fleet, saved->id);

    if (!instance)
        return -ENOMEM;
    instance->state = saved->state;
    instance->cause = saved->cause;
    instance->uses = saved->uses;
    instance->first_seen_ms = saved->first_seen_ms;
    instance->ready_ms = saved->ready_ms;
    instance->ready = saved->ready_ms != 0 && saved->state == INSTANCE_RUNNING;
    instance->idle_since_ms = saved->idle_since_ms;
    instance->removing = saved->removing;
    instance->remove_reason = saved->remove_reason;
    census_update(fleet, instance);
    return 0;
}

/* Lists. */

static bool id_valid(const char *id)
{
    size_t len = id ? strnlen(id, 256) : 0;

    return len >= 1 && len <= 255 &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/-") == len;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* A list that contradicts itself is no evidence of anything (hardening.md case 39). */
static int check_list(const struct fleet_listed *listed, size_t n, struct error *err)
{
    autofree const char **ids = mem_array(n + 1, sizeof(*ids));

    if (!ids)
        return error_set(err, -ENOMEM, "list: out of memory");
    for (size_t i = 0; i < n; i++) {
        if (!id_valid(listed[i].id))
            return error_set(
                err, -EINVAL,
                "the provider lists an id that is not 1 to 255 bytes of letters, digits "
                "and ._:/-");
        ids[i] = listed[i].id;
    }
    qsort(ids, n, sizeof(*ids), compare_ids);
    for (size_t i = 1; i < n; i++)
        if (str_eq(ids[i - 1], ids[i]))
            return error_set(err, -EINVAL, "the provider lists instance %s twice", ids[i]);
    return 0;
}

static bool gone_state(enum instance_state state)
{
    return state == INSTANCE_DELETED || state == INSTANCE_TIMEOUT;
}

static void report(fleet_change_fn on_change, void *arg, enum fleet_change_kind kind,
                   const struct fleet_instance *instance, enum fleet_reason reason, uint32_t count)
{
    struct fleet_change change = { kind, instance, reason, count };

    on_change(arg, &change);
}

static bool is_ordered(struct fleet *fleet, struct fleet_instance *instance)
{
    instance->ordered_ms = orders_oldest_ms(fleet);
    if (orders_take_or_early(fleet))
        return true;
    instance->ordered_ms = 0;
    return false;
}

static enum instance_cause cause_of_new(struct fleet *fleet, struct fleet_instance *instance)
{
    if (is_ordered(fleet, instance))
        return CAUSE_REQUESTED;
    return fleet->complete_lists == 0 ? CAUSE_PREEXISTED : CAUSE_UNEXPECTED;
}

/* An id that comes back is what it was: its uses are spent, a removal goes on, and it is none of
 * those that were ordered since. Unless its provider gives ids out again: then it may be one. */
static void begin_life(struct fleet *fleet, int64_t now_ms, const struct fleet_listed *item,
                       struct fleet_instance *instance)
{
    const struct fleet_instance *former = item->former;

    instance->seen = true;
    instance->state = item->state;
    instance->first_seen_ms = instance->last_seen_ms = now_ms;
    instance->running_ms = item->state == INSTANCE_RUNNING ? now_ms : 0;
    if (!former) {
        instance->cause = cause_of_new(fleet, instance);
        return;
    }
    if (item->returns && is_ordered(fleet, instance)) {
        instance->cause = CAUSE_REQUESTED;
        instance->anew = true;
        return;
    }
    instance->cause = former->cause;
    instance->uses = former->uses;
    instance->removing = former->removing;
    instance->remove_reason = former->remove_reason;
    if (former->first_seen_ms != 0)
        instance->first_seen_ms = former->first_seen_ms;
}

static void change_state(struct fleet_instance *instance, enum instance_state state, int64_t now_ms)
{
    if (state == INSTANCE_RUNNING && instance->state != state && instance->running_ms == 0)
        instance->running_ms = now_ms;
    instance->state = state;
    if (state != INSTANCE_RUNNING)
        instance->ready = false;
}

static int see_new(struct fleet *fleet, int64_t now_ms, const struct fleet_listed *item,
                   fleet_change_fn on_change, void *arg)
{
    struct fleet_instance *instance;

    if (gone_state(item->state))
        return 0;
    instance = fleet_add(fleet, item->id);
    if (!instance)
        return -ENOMEM;
    begin_life(fleet, now_ms, item, instance);
    census_update(fleet, instance);
    report(on_change, arg, CHANGE_APPEARED, instance, REASON_NONE, 1);
    return 0;
}

static int see_instance(struct fleet *fleet, int64_t now_ms, const struct fleet_listed *item,
                        fleet_change_fn on_change, void *arg)
{
    struct fleet_instance *instance = fleet_get(fleet, item->id);
    bool lost_clock, changed;

    if (!instance)
        return see_new(fleet, now_ms, item, on_change, arg);
    changed = instance->state != item->state;
    /* An adopted one whose job ended with the former run: it is idle since we know. */
    lost_clock = instance->ready && instance->idle_since_ms == 0 && instance_busy(instance) == 0;
    instance->seen = true;
    instance->last_seen_ms = now_ms;
    if (!changed && !lost_clock && instance->misses == 0)
        return 0;
    instance->misses = 0;
    if (lost_clock)
        instance->idle_since_ms = now_ms;
    change_state(instance, item->state, now_ms);
    census_update(fleet, instance);
    if (changed && !gone_state(item->state)) /* those are let go with what the list does not name */
        report(on_change, arg, CHANGE_STATE, instance, REASON_NONE, 1);
    return 0;
}

/* Absence is proved by complete lists only: at once for what we delete, or what the cloud says it
 * deletes, or whose connection is dead; else at the second miss in a row (architecture.md §3). */
static enum fleet_reason judge_absence(const struct fleet_instance *instance)
{
    if (instance->removing && instance->remove_reason != REASON_NONE)
        return instance->remove_reason;
    if (instance->removing || instance->state == INSTANCE_DELETING)
        return REASON_REPORTED_GONE;
    return instance->connection_dead || instance->misses >= 2 ? REASON_VANISHED : REASON_NONE;
}

static enum fleet_reason judge(struct fleet *fleet, bool complete, struct fleet_instance *instance)
{
    bool seen = instance->seen;

    instance->seen = false;
    if (gone_state(instance->state))
        return REASON_REPORTED_GONE;
    if (!complete || (seen && !instance->connection_dead))
        return REASON_NONE;
    if (seen) { /* it is there: the next job tries anew */
        instance->connection_dead = false;
        census_update(fleet, instance);
        return REASON_NONE;
    }
    instance->misses++;
    census_update(fleet, instance);
    return judge_absence(instance);
}

static void drop(struct fleet *fleet, struct fleet_member *member)
{
    forget_jobs(fleet, &member->instance);
    census_forget(fleet, &member->instance);
    sorted_remove(&fleet->by_id, &member->by_id);
    free_member(member);
}

/* All are told before the first is dropped: who hears of it may look at the fleet. */
static void let_go(struct fleet *fleet, int64_t now_ms, bool complete, fleet_change_fn on_change,
                   void *arg)
{
    size_t kept = 0;

    for (size_t i = 0; i < fleet->n_members; i++) {
        struct fleet_member *member = fleet->members[i];

        member->gone = judge(fleet, complete, &member->instance);
        if (member->gone != REASON_NONE)
            report(on_change, arg, CHANGE_GONE, &member->instance, member->gone, 1);
    }
    for (size_t i = 0; i < fleet->n_members; i++) {
        if (fleet->members[i]->gone == REASON_NONE) {
            fleet->members[kept++] = fleet->members[i];
            continue;
        }
        places_note_gone(fleet, now_ms);
        drop(fleet, fleet->members[i]);
    }
    fleet->n_members = kept;
}

static void count_list(struct fleet *fleet)
{
    if (fleet->complete_lists == 2)
        return;
    fleet->complete_lists++;
    if (fleet->complete_lists == 2)
        census_update_all(fleet); /* strangers are judged now (hardening.md R7) */
}

int fleet_on_list(struct fleet *fleet, int64_t now_ms, const struct fleet_listed *listed, size_t n,
                  bool complete, fleet_change_fn on_change, void *arg, struct error *err)
{
    uint32_t expired;
    int r = check_list(listed, n, err);

    if (r == 0)
        journal_list(fleet, now_ms, listed, n, complete);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = see_instance(fleet, now_ms, &listed[i], on_change, arg);
    if (r < 0)
        return r == -ENOMEM ? error_set(err, r, "list: out of memory") : r;
    places_forget(fleet, now_ms);
    let_go(fleet, now_ms, complete, on_change, arg);
    if (!complete)
        return 0;
    count_list(fleet);
    expired = orders_expire(fleet, now_ms);
    if (expired > 0)
        report(on_change, arg, CHANGE_PENDING_EXPIRED, NULL, REASON_PENDING_EXPIRED, expired);
    return 0;
}

bool fleet_expecting(const struct fleet *fleet)
{
    return fleet->requested > 0 || fleet->n_orders > 0 || fleet->complete_lists < 2 ||
           fleet->tally[TALLY_UNSETTLED] > 0;
}

/* Removal. */

void fleet_mark_removing(struct fleet *fleet, const char *id, enum fleet_reason reason,
                         int64_t now_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->removing || instance->cause == CAUSE_FOREIGN)
        return;
    journal_note(fleet, "remove %s %d %" PRId64, id, (int) reason, now_ms);
    instance->removing = true;
    instance->remove_reason = reason;
    instance->removing_ms = now_ms;
    census_update(fleet, instance);
}

void fleet_explain_removal(const struct fleet *fleet, const struct fleet_instance *instance,
                           struct buf *out)
{
    int64_t idle_ms =
        instance->removing_ms > 0 ? instance->removing_ms - instance->idle_since_ms : -1;

    reason_explain(&fleet->config, instance->remove_reason, idle_ms, instance->uses, out);
}

void fleet_on_removal_accepted(struct fleet *fleet, const char *id, int64_t now_ms)
{
    struct fleet_instance *instance = id ? fleet_get(fleet, id) : NULL;

    if (!instance || !instance->removing)
        return;
    journal_note(fleet, "accepted %s %" PRId64, id, now_ms);
    instance->removal_accepted = true;
    instance->removal_accepted_ms = now_ms;
    census_update(fleet, instance);
}

struct removable {
    int64_t due_ms; /* answered after that: not again yet */
    const char **ids;
    size_t n, max;
};

static bool add_removable(void *item, void *arg)
{
    const struct fleet_member *member = item;
    struct removable *removable = arg;

    if (removable->n == removable->max ||
        (member->instance.removal_accepted &&
         member->instance.removal_accepted_ms > removable->due_ms))
        return false;
    removable->ids[removable->n++] = member->instance.id;
    return true;
}

size_t fleet_removable(const struct fleet *fleet, int64_t now_ms, int64_t retry_ms,
                       const char **ids, size_t max)
{
    struct removable removable = { now_ms - retry_ms, ids, 0, max };

    sorted_walk(&fleet->lanes[LANE_REMOVABLE], add_removable, &removable);
    return removable.n;
}

bool fleet_awaits_removal(const struct fleet *fleet)
{
    return fleet->tally[TALLY_AWAITED] > 0;
}

const struct fleet_instance *fleet_next_unready(const struct fleet *fleet,
                                                const struct fleet_instance *instance)
{
    const struct sorted *lane = &fleet->lanes[LANE_UNREADY];
    const struct fleet_member *member =
        instance ? sorted_after(lane, &member_of(instance)->lanes[LANE_UNREADY])
                 : sorted_first(lane);

    return member ? &member->instance : NULL;
}

void fleet_mark_ready(struct fleet *fleet, const char *id, int64_t now_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->ready)
        return;
    journal_note(fleet, "ready %s %" PRId64, id, now_ms);
    instance->ready = true;
    instance->in_doubt = false;
    fleet->growth[GROWTH_BOOT] = (struct fleet_growth) { 0 };
    /* An adopted instance keeps its clocks (V64). */
    if (instance->ready_ms == 0)
        instance->ready_ms = now_ms;
    if (instance->idle_since_ms == 0 && instance_busy(instance) == 0)
        instance->idle_since_ms = now_ms;
    census_update(fleet, instance);
}

void fleet_recheck(struct fleet *fleet, const char *id)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance_busy(instance) > 0)
        return;
    journal_note(fleet, "recheck %s", id);
    instance->ready = false;
    census_update(fleet, instance);
}

void fleet_doubt(struct fleet *fleet, const char *id)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->in_doubt || instance->ready_ms == 0)
        return; /* before it was ready it goes through the gate anyway */
    journal_note(fleet, "doubt %s", id);
    instance->ready = false;
    instance->in_doubt = true;
    census_update(fleet, instance);
}

void fleet_mark_connection_dead(struct fleet *fleet, const char *id)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance)
        return;
    journal_note(fleet, "dead %s", id);
    instance->connection_dead = true;
    census_update(fleet, instance);
}

bool fleet_note_crash(struct fleet *fleet, const char *id, int64_t now_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);
    int64_t before_last;

    if (!instance)
        return false;
    journal_note(fleet, "crash %s %" PRId64, id, now_ms);
    before_last = instance->crashes_ms[1];
    instance->crashes_ms[1] = instance->crashes_ms[0];
    instance->crashes_ms[0] = now_ms;
    return before_last > 0 && now_ms - before_last < CRASHES_COUNT_MS;
}
