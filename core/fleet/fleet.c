/* core/fleet/fleet.c - instances and orders of one group: what lists and answers of the provider do
 * to them. slots.c hands out places on them, scaler.c decides how many there should be.
 *
 * Refuses to know the provider, the ledger and the clock. */
#include <errno.h>
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

static void free_instance(struct fleet_instance *instance)
{
    free(instance->slots);
    free(instance);
}

void fleet_free(struct fleet *fleet)
{
    if (!fleet)
        return;
    for (size_t i = 0; i < fleet->n_instances; i++)
        free_instance(fleet->instances[i]);
    free(fleet->instances);
    free(fleet->by_id);
    free(fleet->orders);
    free(fleet->waiters);
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

int fleet_configure(struct fleet *fleet, const struct fleet_config *config)
{
    int r = 0;

    fleet->config = *config;
    for (size_t i = 0; i < fleet->n_instances && r == 0; i++)
        r = resize_slots(fleet->instances[i], config->capacity);
    return r;
}

size_t fleet_instance_count(const struct fleet *fleet)
{
    return fleet->n_instances;
}

const struct fleet_instance *fleet_instance_at(const struct fleet *fleet, size_t i)
{
    return fleet->instances[i];
}

/* Where the id is in by_id, or belongs: the fleet is looked up for each id of each list, and a list
 * may name thousands. */
static size_t find_place(const struct fleet *fleet, const char *id)
{
    size_t low = 0, high = fleet->n_instances;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(fleet->by_id[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct fleet_instance *fleet_get(struct fleet *fleet, const char *id)
{
    size_t at = find_place(fleet, id);

    return at < fleet->n_instances && str_eq(fleet->by_id[at]->id, id) ? fleet->by_id[at] : NULL;
}

const struct fleet_instance *fleet_find(const struct fleet *fleet, const char *id)
{
    return fleet_get((struct fleet *) (uintptr_t) fleet, id);
}

static int make_room(struct fleet *fleet)
{
    size_t cap = fleet->cap_instances ? fleet->cap_instances * 2 : 16;
    struct fleet_instance **grown;

    if (fleet->n_instances < fleet->cap_instances)
        return 0;
    grown = mem_resize(fleet->instances, cap, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    fleet->instances = grown;
    grown = mem_resize(fleet->by_id, cap, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    fleet->by_id = grown;
    fleet->cap_instances = cap;
    return 0;
}

struct fleet_instance *fleet_add(struct fleet *fleet, const char *id)
{
    struct fleet_instance *instance = mem_zero(sizeof(*instance));
    struct fleet_slot *slots = mem_array(fleet->config.capacity, sizeof(*slots));
    size_t at = find_place(fleet, id);

    if (!instance || !slots || make_room(fleet) < 0) {
        free(instance);
        free(slots);
        return NULL;
    }
    *instance = (struct fleet_instance) { .slots = slots, .n_slots = fleet->config.capacity };
    (void) str_copy(instance->id, sizeof(instance->id), id);
    memmove(&fleet->by_id[at + 1], &fleet->by_id[at],
            (fleet->n_instances - at) * sizeof(*fleet->by_id));
    fleet->by_id[at] = instance;
    fleet->instances[fleet->n_instances++] = instance;
    return instance;
}

/* Order is kept, so that the same events give the same decisions. */
static void drop_at(struct fleet *fleet, size_t i)
{
    struct fleet_instance *instance = fleet->instances[i];
    size_t at = find_place(fleet, instance->id);

    fleet->n_instances--;
    memmove(&fleet->instances[i], &fleet->instances[i + 1],
            (fleet->n_instances - i) * sizeof(*fleet->instances));
    memmove(&fleet->by_id[at], &fleet->by_id[at + 1],
            (fleet->n_instances - at) * sizeof(*fleet->by_id));
    free_instance(instance);
}

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

bool instance_usable(const struct fleet_instance *instance)
{
    return instance->state == INSTANCE_RUNNING && instance->ready && !instance->removing &&
           !instance->connection_dead && instance->draining == REASON_NONE &&
           instance->failures == 0 && instance->cause != CAUSE_FOREIGN;
}

bool instance_live(const struct fleet_instance *instance)
{
    return (instance->state == INSTANCE_CREATING || instance->state == INSTANCE_RUNNING) &&
           !instance->removing && instance->draining == REASON_NONE &&
           instance->cause != CAUSE_FOREIGN;
}

bool instance_spent(const struct fleet_config *config, const struct fleet_instance *instance)
{
    return config->max_use_count > 0 && instance->uses >= config->max_use_count;
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
    return 0;
}

/* Orders. */

uint32_t fleet_requested(const struct fleet *fleet)
{
    return fleet->requested;
}

uint32_t fleet_pending(const struct fleet *fleet)
{
    uint32_t n = 0;

    for (size_t i = 0; i < fleet->n_orders; i++)
        n += fleet->orders[i].count;
    return n;
}

void fleet_request(struct fleet *fleet, uint32_t n, int64_t now_ms)
{
    (void) now_ms;
    fleet->requested += n;
}

void fleet_cancel_requests(struct fleet *fleet, uint32_t n)
{
    fleet->requested -= MIN(n, fleet->requested - fleet->early);
}

static void add_order(struct fleet *fleet, struct fleet_order order)
{
    struct fleet_order *grown;

    if (order.count == 0)
        return;
    if (fleet->n_orders == fleet->cap_orders) {
        size_t cap = fleet->cap_orders ? fleet->cap_orders * 2 : 8;

        grown = mem_resize(fleet->orders, cap, sizeof(*grown));
        if (!grown)
            return; /* what appears then counts as unexpected, which is taken in as well */
        fleet->orders = grown;
        fleet->cap_orders = cap;
    }
    fleet->orders[fleet->n_orders++] = order;
}

void fleet_on_increase(struct fleet *fleet, int64_t now_ms, uint32_t asked, uint32_t accepted)
{
    uint32_t appeared = MIN(fleet->early, asked), known;

    accepted = MIN(accepted, asked);
    known = MAX(accepted, appeared); /* what is there was made, whatever the answer says */
    fleet->requested -= MIN(known, fleet->requested);
    fleet->unanswered = fleet->early = 0;
    add_order(fleet, (struct fleet_order) { known - appeared,
                                            now_ms + fleet->config.pending_limit_ms, false });
}

void fleet_on_increase_unanswered(struct fleet *fleet, uint32_t asked)
{
    fleet->unanswered = MIN(asked, fleet->requested);
}

/* First in, first out: ids are not known before they appear (autoscaler.md 2.2). What is certain
 * comes first, so that an order that never reached the cloud is what is left over and expires soon.
 */
static bool take_order(struct fleet *fleet)
{
    size_t i = 0;

    if (fleet->n_orders == 0)
        return false;
    while (i + 1 < fleet->n_orders && fleet->orders[i].uncertain)
        i++;
    if (fleet->orders[i].uncertain)
        i = 0;
    if (--fleet->orders[i].count == 0) {
        fleet->n_orders--;
        memmove(&fleet->orders[i], &fleet->orders[i + 1],
                (fleet->n_orders - i) * sizeof(*fleet->orders));
    }
    return true;
}

void fleet_restore_order(struct fleet *fleet, uint32_t n, int64_t expires_ms, bool answered)
{
    add_order(fleet, (struct fleet_order) { n, expires_ms, !answered });
}

void fleet_settle_orders(struct fleet *fleet, uint32_t n)
{
    while (n > 0 && take_order(fleet))
        n--;
}

bool fleet_has_unanswered(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->n_orders; i++)
        if (fleet->orders[i].uncertain)
            return true;
    return false;
}

/* V17: the cloud accepted and never delivered. */
static uint32_t expire_orders(struct fleet *fleet, int64_t now_ms)
{
    uint32_t expired = 0;
    size_t kept = 0;

    for (size_t i = 0; i < fleet->n_orders; i++) {
        if (now_ms >= fleet->orders[i].expires_ms)
            expired += fleet->orders[i].count;
        else
            fleet->orders[kept++] = fleet->orders[i];
    }
    fleet->n_orders = kept;
    return expired;
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

static bool take_order_or_early(struct fleet *fleet)
{
    if (take_order(fleet))
        return true;
    if (fleet->early >= fleet->unanswered)
        return false;
    fleet->early++;
    return true;
}

static enum instance_cause cause_of_new(struct fleet *fleet)
{
    if (take_order_or_early(fleet))
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
    instance->first_seen_ms = now_ms;
    if (!former) {
        instance->cause = cause_of_new(fleet);
        return;
    }
    if (item->returns && take_order_or_early(fleet)) {
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

static int see_instance(struct fleet *fleet, int64_t now_ms, const struct fleet_listed *item,
                        fleet_change_fn on_change, void *arg)
{
    struct fleet_instance *instance = fleet_get(fleet, item->id);

    if (!instance && gone_state(item->state))
        return 0;
    if (!instance) {
        instance = fleet_add(fleet, item->id);
        if (!instance)
            return -ENOMEM;
        begin_life(fleet, now_ms, item, instance);
        report(on_change, arg, CHANGE_APPEARED, instance, REASON_NONE, 1);
        return 0;
    }
    instance->seen = true;
    instance->misses = 0;
    if (gone_state(item->state)) {
        instance->state = item->state;
        return 0; /* let go with those that the list does not name */
    }
    if (instance->state != item->state) {
        instance->state = item->state;
        if (item->state != INSTANCE_RUNNING)
            instance->ready = false;
        report(on_change, arg, CHANGE_STATE, instance, REASON_NONE, 1);
    }
    return 0;
}

/* Absence is proved by complete lists only: at once for what we delete, or what the cloud says it
 * deletes, or whose connection is dead; else at the second miss in a row (architecture.md §3). */
static enum fleet_reason judge_absence(struct fleet_instance *instance)
{
    instance->misses++;
    if (instance->removing && instance->remove_reason != REASON_NONE)
        return instance->remove_reason;
    if (instance->removing || instance->state == INSTANCE_DELETING)
        return REASON_REPORTED_GONE;
    return instance->connection_dead || instance->misses >= 2 ? REASON_VANISHED : REASON_NONE;
}

static void let_go(struct fleet *fleet, bool complete, fleet_change_fn on_change, void *arg)
{
    for (size_t i = 0; i < fleet->n_instances;) {
        struct fleet_instance *instance = fleet->instances[i];
        enum fleet_reason reason = REASON_NONE;

        if (gone_state(instance->state))
            reason = REASON_REPORTED_GONE;
        else if (complete && !instance->seen)
            reason = judge_absence(instance);
        else if (complete)
            instance->connection_dead = false; /* it is there: the next job tries anew */
        instance->seen = false;
        if (reason == REASON_NONE) {
            i++;
            continue;
        }
        report(on_change, arg, CHANGE_GONE, instance, reason, 1);
        drop_at(fleet, i);
    }
}

int fleet_on_list(struct fleet *fleet, int64_t now_ms, const struct fleet_listed *listed, size_t n,
                  bool complete, fleet_change_fn on_change, void *arg, struct error *err)
{
    uint32_t expired;
    int r = check_list(listed, n, err);

    for (size_t i = 0; r == 0 && i < n; i++)
        r = see_instance(fleet, now_ms, &listed[i], on_change, arg);
    if (r < 0)
        return r == -ENOMEM ? error_set(err, r, "list: out of memory") : r;
    let_go(fleet, complete, on_change, arg);
    if (!complete)
        return 0;
    if (fleet->complete_lists < 2)
        fleet->complete_lists++;
    expired = expire_orders(fleet, now_ms);
    if (expired > 0)
        report(on_change, arg, CHANGE_PENDING_EXPIRED, NULL, REASON_PENDING_EXPIRED, expired);
    return 0;
}

bool fleet_expecting(const struct fleet *fleet)
{
    if (fleet->requested > 0 || fleet->n_orders > 0 || fleet->complete_lists < 2)
        return true;
    for (size_t i = 0; i < fleet->n_instances; i++) {
        const struct fleet_instance *instance = fleet->instances[i];

        if (instance->removing || instance->misses > 0 || instance->connection_dead ||
            (instance->state != INSTANCE_RUNNING && instance->state != INSTANCE_SUSPENDED))
            return true;
    }
    return false;
}

/* Removal. */

void fleet_mark_removing(struct fleet *fleet, const char *id, enum fleet_reason reason,
                         int64_t now_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->removing || instance->cause == CAUSE_FOREIGN)
        return;
    instance->removing = true;
    instance->remove_reason = reason;
    instance->removing_ms = now_ms;
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
    instance->removal_accepted = true;
    instance->removal_accepted_ms = now_ms;
}

size_t fleet_removable(const struct fleet *fleet, int64_t now_ms, int64_t retry_ms,
                       const char **ids, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < fleet->n_instances && n < max; i++) {
        const struct fleet_instance *instance = fleet->instances[i];
        bool forced = instance->remove_reason == REASON_SHUTDOWN;

        if (!instance->removing || (instance_busy(instance) > 0 && !forced))
            continue;
        if (instance->removal_accepted && (instance->state == INSTANCE_DELETING ||
                                           now_ms - instance->removal_accepted_ms < retry_ms))
            continue;
        ids[n++] = instance->id;
    }
    return n;
}

bool fleet_awaits_removal(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->n_instances; i++) {
        const struct fleet_instance *instance = fleet->instances[i];

        if (instance->removing && (instance->removal_accepted || instance_busy(instance) == 0))
            return true;
    }
    return false;
}

void fleet_mark_ready(struct fleet *fleet, const char *id, int64_t now_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->ready)
        return;
    instance->ready = true;
    fleet->growth[GROWTH_BOOT] = (struct fleet_growth) { 0 };
    /* An adopted instance keeps its clocks (V64). */
    if (instance->ready_ms == 0)
        instance->ready_ms = now_ms;
    if (instance->idle_since_ms == 0)
        instance->idle_since_ms = now_ms;
}

void fleet_mark_connection_dead(struct fleet *fleet, const char *id)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (instance)
        instance->connection_dead = true;
}

bool fleet_note_crash(struct fleet *fleet, const char *id, int64_t now_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);
    int64_t before_last;

    if (!instance)
        return false;
    before_last = instance->crashes_ms[1];
    instance->crashes_ms[1] = instance->crashes_ms[0];
    instance->crashes_ms[0] = now_ms;
    return before_last > 0 && now_ms - before_last < CRASHES_COUNT_MS;
}
