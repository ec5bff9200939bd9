/* core/supervisor/group_orders.c - growing and shrinking: intent, call, outcome (hardening.md R5). */
#include "core/supervisor/group_parts.h"

#include <errno.h>
#include <flotilla/provider.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/settings.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define CHANGE_DEADLINE_MS 120000
#define DECREASE_BATCH 100
/* How long an order of a former run without an answer is waited for, in looks of the fast interval:
 * two minutes by default, which clouds need until they list what they make. */
#define UNANSWERED_LOOKS 60
/* How far back orders are told apart: those of before that are done with, or given up. */
#define FORMER_ORDERS_MS ((int64_t) 4 * FLEET_PENDING_LIMIT_MS)

/* Whether the cloud acted is unknown: the same request is made again under its own id. */
static bool outcome_unknown(int code)
{
    return code == FLT_E_UNAVAILABLE || code == FLT_E_TIMEOUT || code == FLT_E_CANCELLED ||
           code == FLT_E_INTERNAL || code == FLT_E_THROTTLED;
}

static void on_increased(void *arg, int code, const char *message, int64_t retry_after_ms,
                         json_t *reply)
{
    struct group *group = arg;
    struct supervisor *supervisor = group->supervisor;
    struct error err = { 0 };
    int64_t accepted = 0;

    group->increase_busy = false;
    effect_point("provider_increase", "after");
    counts_note_answer(group, code);
    if (outcome_unknown(code)) {
        fleet_on_increase_unanswered(group->fleet, group->increase_n);
        if (group->provider) /* else closed for good */
            group_growth_failed(group, group_growth_kind(code), message, retry_after_ms);
        return;
    }
    if (reply)
        (void) json_opt_i64(reply, "accepted", 0, UINT32_MAX, &accepted, NULL);
    if (accepted > group->increase_n) {
        log_error("increasing instances response: the provider claims %" PRId64
                  " of %u asked for, taken as %u",
                  accepted, group->increase_n, group->increase_n);
        accepted = group->increase_n;
    }
    if (ledger_end_intent(supervisor->ledger, group->increase_id,
                          code == 0 ? INTENT_DONE : INTENT_FAILED, accepted, message, &err) < 0) {
        supervisor_fatal(supervisor, "ending an intent", &err);
        return;
    }
    group_log_increased(group, (uint32_t) accepted);
    counts_note_increase(group, (uint32_t) accepted);
    fleet_on_increase(group->fleet, now_wall(supervisor), group->increase_n, (uint32_t) accepted);
    group_log_orders(group);
    if (code == FLT_E_STALE)
        group_became_stale(group, message);
    else if (code != 0 || accepted < group->increase_n)
        group_growth_failed(group, group_growth_kind(code),
                            code != 0 ? message : "fewer instances than asked for", retry_after_ms);
    else
        group_growth_succeeded(group);
    group->increase_id[0] = '\0';
    group_list_soon(group);
    supervisor_evaluate_soon(supervisor);
}

static bool begin_intent(struct group *group, const char *kind, uint32_t n, json_t *ids,
                         char request_id[UUID_SIZE])
{
    struct ledger_intent intent = { .group_id = group->id,
                                    .epoch = group->epoch,
                                    .count = n,
                                    .ids = ids ? json_text(ids) : NULL,
                                    .created_ms = now_wall(group->supervisor) };
    struct error err = { 0 };

    rng_uuid(group->supervisor->rng, request_id);
    (void) str_copy(intent.request_id, sizeof(intent.request_id), request_id);
    (void) str_copy(intent.kind, sizeof(intent.kind), kind);
    if (ledger_add_intent(group->supervisor->ledger, &intent, &err) == 0)
        return true;
    supervisor_fatal(group->supervisor, "storing an intent", &err);
    return false;
}

static json_t *change_request(struct group *group, const char *type, const char *request_id)
{
    json_t *request = json_frame(type);

    if (request) {
        (void) json_add_str(request, "request_id", request_id);
        (void) json_add_i64(request, "epoch", group->epoch);
    }
    return request;
}

void group_start_increase(struct group *group)
{
    json_t *request;
    int64_t wait_ms;

    /* Only the last list tells how many there are (autoscaler.md 10.1). */
    if (group->increase_busy || group->list_busy || group->signals.busy || !group->listed_once ||
        group->list_backoff_ms || group_growth_waits(group, &wait_ms))
        return;
    /* An id that was given out again before it was seen to go would be taken for its former use. */
    if (group->ids_return && fleet_awaits_removal(group->fleet))
        return;
    if (!*group->increase_id) {
        group->increase_n = fleet_requested(group->fleet);
        if (group->increase_n == 0 ||
            !begin_intent(group, "increase", group->increase_n, NULL, group->increase_id))
            return;
        group_log_increase(group);
    }
    request = change_request(group, "increase", group->increase_id);
    if (request)
        (void) json_add_i64(request, "n", group->increase_n);
    effect_point("provider_increase", "before");
    group->increase_busy = group_call(group, request, CHANGE_DEADLINE_MS, on_increased, group) == 0;
}

/* Orders of former runs. */

struct former {
    struct group *group;
    struct fleet_former_order *orders;
    int64_t *appeared_ms;
    size_t n_orders, n_appeared;
    int r;
};

static void note_order(void *arg, const struct ledger_intent *intent)
{
    struct former *former = arg;
    struct group *group = former->group;
    int64_t now = now_wall(group->supervisor);
    int64_t grace = UNANSWERED_LOOKS * group_settings(group)->update_interval_when_expecting_ms;
    bool answered = intent->state != INTENT_OPEN;
    struct fleet_former_order *grown;

    if (!str_eq(intent->kind, "increase"))
        return;
    grown = mem_resize(former->orders, former->n_orders + 1, sizeof(*grown));
    if (!grown) {
        former->r = -ENOMEM;
        return;
    }
    former->orders = grown;
    grown[former->n_orders++] = (struct fleet_former_order) {
        .count = (uint32_t) intent->count,
        .made_ms = intent->created_ms,
        .expires_ms = answered ? MIN(intent->ended_ms, now) + FLEET_PENDING_LIMIT_MS : now + grace,
        .answered = answered
    };
}

static void note_ordered(void *arg, int64_t first_seen_ms)
{
    struct former *former = arg;
    int64_t *grown = mem_resize(former->appeared_ms, former->n_appeared + 1, sizeof(*grown));

    if (!grown) {
        former->r = -ENOMEM;
        return;
    }
    former->appeared_ms = grown;
    grown[former->n_appeared++] = first_seen_ms;
}

/* What was ordered and has not appeared yet must neither be ordered again nor, once it does, be
 * taken for a stranger. Orders that are given up are looked at, too: what appeared may be theirs. */
void group_restore_orders(struct group *group)
{
    struct ledger *ledger = group->supervisor->ledger;
    int64_t now = now_wall(group->supervisor), since = now - FORMER_ORDERS_MS;
    struct former former = { .group = group };
    struct error err = { 0 };
    int r = ledger_each_late_intent(ledger, group->id, since, note_order, &former, &err);

    if (r == 0)
        r = ledger_each_ordered(ledger, group->id, since, note_ordered, &former, &err);
    if (r == 0 && former.r < 0)
        r = error_set(&err, former.r, "out of memory");
    if (r < 0)
        supervisor_fatal(group->supervisor, "reading intents", &err);
    else
        fleet_restore_orders(group->fleet, now, former.orders, former.n_orders, former.appeared_ms,
                             former.n_appeared);
    free(former.orders);
    free(former.appeared_ms);
}

struct old_intents {
    const struct group *group;
    char (*ids)[UUID_SIZE];
    size_t n;
};

/* This run's own intents are ended by their answers. */
static void collect_old(void *arg, const struct ledger_intent *intent)
{
    struct old_intents *old = arg;
    void *grown;

    if (intent->state != INTENT_OPEN || intent->epoch >= old->group->epoch)
        return;
    grown = mem_resize(old->ids, old->n + 1, sizeof(*old->ids));
    if (!grown)
        return;
    old->ids = grown;
    (void) str_copy(old->ids[old->n++], UUID_SIZE, intent->request_id);
}

void group_settle_old_intents(struct group *group)
{
    struct ledger *ledger = group->supervisor->ledger;
    struct old_intents old = { .group = group };
    struct error err = { 0 };
    int r;

    if (group->intents_settled || fleet_has_unanswered(group->fleet))
        return;
    r = ledger_each_late_intent(ledger, group->id, INT64_MAX, collect_old, &old, &err);
    for (size_t i = 0; r == 0 && i < old.n; i++)
        r = ledger_end_intent(ledger, old.ids[i], INTENT_RESOLVED, 0,
                              "settled by listing after a restart", &err);
    free(old.ids);
    if (r < 0)
        supervisor_fatal(group->supervisor, "settling intents", &err);
    group->intents_settled = true;
}

/* Shrinking. */

static void note_removal_failure(struct group *group, const char *message, int64_t retry_after_ms)
{
    group->removal_backoff_ms = group_back_off(group->removal_backoff_ms);
    group->next_decrease_mono =
        now_mono(group->supervisor) + MAX(retry_after_ms, group->removal_backoff_ms);
    if (str_cut(group->removal_error, sizeof(group->removal_error), message))
        log_error("decreasing instances: runner '%s': %s, retrying", group->runner->name, message);
}

static void note_removal_success(struct group *group)
{
    group->removal_backoff_ms = 0;
    group->removal_error[0] = '\0';
}

struct decrease_turn {
    struct group *group;
    char request_id[UUID_SIZE];
};

static void on_decreased(void *arg, int code, const char *message, int64_t retry_after_ms,
                         json_t *reply)
{
    autofree struct decrease_turn *turn = arg;
    struct group *group = turn->group;
    struct supervisor *supervisor = group->supervisor;
    struct error err = { 0 };
    json_t *accepted = NULL;
    size_t n = 0;

    group->decrease_busy = false;
    effect_point("provider_decrease", "after");
    counts_note_answer(group, code);
    if (reply)
        (void) json_opt_array(reply, "accepted", &accepted, NULL);
    for (size_t i = 0; accepted && i < json_object_array_length(accepted); i++, n++)
        fleet_on_removal_accepted(group->fleet,
                                  json_object_get_string(json_object_array_get_idx(accepted, i)),
                                  now_wall(supervisor));
    if (code == FLT_E_STALE)
        group_became_stale(group, message);
    else if (code != 0 && group->provider) /* else closed for good */
        note_removal_failure(group, message, retry_after_ms);
    else if (code == 0)
        note_removal_success(group);
    /* Removal is by id and may be repeated, so a lost answer needs no settling. */
    if (ledger_end_intent(supervisor->ledger, turn->request_id,
                          code == 0 ? INTENT_DONE : INTENT_FAILED, (int64_t) n, message,
                          &err) < 0) {
        supervisor_fatal(supervisor, "ending an intent", &err);
        return;
    }
    group_list_soon(group);
    supervisor_evaluate_soon(supervisor);
}

void group_start_decrease(struct group *group)
{
    const char *ids[DECREASE_BATCH];
    struct decrease_turn *turn;
    json_t *array, *request;
    int64_t retry_ms;
    size_t n;

    if (group->decrease_busy || now_mono(group->supervisor) < group->next_decrease_mono)
        return;
    /* The rounds of a stop are shorter (autoscaler.md 10.4). */
    retry_ms = group->supervisor->stopping ? group_settings(group)->shutdown_deletion_interval_ms
                                           : group_settings(group)->deletion_retry_interval_ms;
    n = fleet_removable(group->fleet, now_wall(group->supervisor), retry_ms, ids, ARRAY_LEN(ids));
    if (n == 0)
        return;
    turn = mem_zero(sizeof(*turn));
    array = json_object_new_array();
    for (size_t i = 0; array && i < n; i++)
        (void) json_object_array_add(array, json_object_new_string(ids[i]));
    if (!turn || !array) {
        json_object_put(array);
        free(turn);
        return;
    }
    turn->group = group;
    if (!begin_intent(group, "decrease", (uint32_t) n, array, turn->request_id)) {
        json_object_put(array);
        free(turn);
        return;
    }
    group_log_decrease(group, n);
    counts_note_decrease(group, n);
    request = change_request(group, "decrease", turn->request_id);
    if (request)
        (void) json_add(request, "ids", array);
    effect_point("provider_decrease", "before");
    group->decrease_busy = group_call(group, request, CHANGE_DEADLINE_MS, on_decreased, turn) == 0;
    if (!group->decrease_busy)
        free(turn);
}
