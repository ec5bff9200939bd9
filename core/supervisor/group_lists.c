/* core/supervisor/group_lists.c - what the provider lists, taken into fleet and ledger. */
#include "core/supervisor/group_parts.h"

#include <flotilla/provider.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/hold.h"
#include "core/supervisor/operator.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

/* A list may still name what was deleted a while ago. */
#define REMOVAL_GOES_ON_MS (10 * 60 * 1000)

struct list_turn {
    struct group *group;
    struct fleet_instance *formers;
    struct {
        int64_t seq;
        const char *why;
    } * lost;
    size_t n_lost;
};

/* Jobs of an instance that went are told after the fleet is done with the list. */
static void note_lost_jobs(struct list_turn *turn, const struct fleet_change *change)
{
    const struct fleet_instance *instance = change->instance;
    void *grown;

    for (uint32_t i = 0; i < instance->n_slots; i++) {
        if (instance->slots[i].seq == 0)
            continue;
        grown = mem_resize(turn->lost, turn->n_lost + 1, sizeof(*turn->lost));
        if (!grown)
            return; /* the job's own connection tells it soon enough */
        turn->lost = grown;
        turn->lost[turn->n_lost].seq = instance->slots[i].seq;
        turn->lost[turn->n_lost++].why = group_loss_text(instance, change->reason);
    }
}

/* Jobs that were told of the loss hold their slots until their workers are done with them. */
static void take_back_jobs(struct group *group, const struct fleet_instance *instance)
{
    for (const struct job *job = group->supervisor->jobs; job; job = job->next)
        if (job->group == group && job->state >= JOB_ASSIGNED && job->state < JOB_FINISHED &&
            str_eq(job->instance_id, instance->id))
            (void) fleet_occupy(group->fleet, instance->id, job->slot, job->seq, NULL);
}

static void on_appeared(struct group *group, const struct fleet_instance *instance)
{
    if (instance->cause == CAUSE_FOREIGN)
        log_warning("instance %s of runner '%s' belongs to another runner entry by the ledger: it "
                    "gets no jobs and is not removed. Put that entry back if it was renamed or "
                    "taken out of the configuration, or delete the instance",
                    instance->id, group->runner->name);
    else
        group_log_discovery(group, instance);
    if (instance->uses > 0)
        take_back_jobs(group, instance);
    group_add_row(group, instance);
    operator_on_appeared(group, instance);
    supervisor_emit(group->supervisor, EVENT_INSTANCE_APPEARED, group, instance->id, NULL,
                    instance_state_name(instance->state));
}

static void on_change(void *arg, const struct fleet_change *change)
{
    struct list_turn *turn = arg;
    struct group *group = turn->group;
    const struct fleet_instance *instance = change->instance;

    switch (change->kind) {
    case CHANGE_APPEARED:
        on_appeared(group, instance);
        break;
    case CHANGE_STATE:
        group_log_update(group, instance);
        group_persist(group, instance, instance->removing ? LIFE_REMOVING : LIFE_PRESENT);
        group_instance_deleting(group, instance);
        break;
    case CHANGE_GONE:
        group_log_pruned(group, instance, change->reason);
        note_lost_jobs(turn, change);
        group_note_gone(group, instance, change->reason);
        group_persist(group, instance, LIFE_GONE);
        hold_on_gone(group, instance->id);
        supervisor_emit(group->supervisor, EVENT_INSTANCE_GONE, group, instance->id, NULL,
                        fleet_reason_name(change->reason));
        break;
    case CHANGE_PENDING_EXPIRED:
        group_orders_expired(group, change->count);
        break;
    }
}

int group_read_list(json_t *reply, struct fleet_listed **ret, size_t *ret_n, struct error *err)
{
    autofree struct fleet_listed *listed = NULL;
    json_t *array = NULL;
    size_t n;
    int r;

    r = json_opt_array(reply, "instances", &array, err);
    if (r < 0)
        return r;
    n = array ? json_object_array_length(array) : 0;
    listed = mem_array(n + 1, sizeof(*listed));
    if (!listed)
        return error_set(err, -ENOMEM, "list: out of memory");
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_object_array_get_idx(array, i);
        int64_t state = 0;

        r = json_need_str(item, "id", &listed[i].id, err);
        if (r == 0)
            r = json_need_i64(item, "state", INSTANCE_CREATING, INSTANCE_RESUMING, &state, err);
        if (r < 0)
            return error_wrap(err, r, "list");
        listed[i].state = (enum instance_state) state;
    }
    *ret = take_ptr(listed);
    *ret_n = n;
    return 0;
}

static void read_former(const struct group *group, const struct ledger_instance *row,
                        struct fleet_instance *ret)
{
    *ret = (struct fleet_instance) { .cause = CAUSE_FOREIGN };
    if (row->group_id != group->id)
        return;
    ret->cause = (enum instance_cause) row->cause;
    ret->uses = (uint32_t) row->uses;
    ret->first_seen_ms = row->first_seen_ms;
    ret->removing =
        *row->remove_reason && now_wall(group->supervisor) - row->gone_ms < REMOVAL_GOES_ON_MS;
    if (ret->removing)
        ret->remove_reason = fleet_reason_parse(row->remove_reason);
}

/* Ids that are new to the fleet need not be new to the ledger. */
static int find_formers(struct list_turn *turn, struct fleet_listed *listed, size_t n,
                        struct error *err)
{
    const struct group *group = turn->group;
    size_t unknown = 0;
    int r = 0;

    for (size_t i = 0; i < n; i++)
        unknown += !fleet_find(group->fleet, listed[i].id);
    turn->formers = mem_array(unknown + 1, sizeof(*turn->formers));
    if (!turn->formers)
        return error_set(err, -ENOMEM, "list: out of memory");
    for (size_t i = 0, at = 0; r >= 0 && i < n; i++) {
        struct ledger_instance row;

        if (fleet_find(group->fleet, listed[i].id))
            continue;
        r = ledger_find_former(group->supervisor->ledger, group->id, listed[i].id, &row, err);
        if (r != 1)
            continue;
        read_former(group, &row, &turn->formers[at]);
        listed[i].former = &turn->formers[at++];
        listed[i].returns = group->ids_return && listed[i].former->cause != CAUSE_FOREIGN;
    }
    return MIN(r, 0);
}

static int take_in(struct list_turn *turn, json_t *reply, bool complete, struct error *err)
{
    struct group *group = turn->group;
    autofree struct fleet_listed *listed = NULL;
    size_t n = 0;
    int r = group_read_list(reply, &listed, &n, err);

    if (r == 0)
        r = find_formers(turn, listed, n, err);
    if (r == 0)
        r = fleet_on_list(group->fleet, now_wall(group->supervisor), listed, n, complete, on_change,
                          turn, err);
    if (r == 0)
        group_pass_ungated(group);
    return r;
}

static void tell_lost_jobs(struct list_turn *turn)
{
    for (size_t i = 0; i < turn->n_lost; i++) {
        struct job *job = job_find(turn->group->supervisor, turn->lost[i].seq);

        if (job)
            job_instance_lost(job, turn->lost[i].why);
    }
}

static int take_list(struct group *group, int code, json_t *reply, struct error *err)
{
    struct list_turn turn = { .group = group };
    int r;

    group_begin_rows(group);
    r = take_in(&turn, reply, code == 0, err);
    group_end_rows(group);
    tell_lost_jobs(&turn);
    free(turn.lost);
    free(turn.formers);
    if (r < 0)
        return r;
    if (code == 0) {
        group->list_error[0] = '\0';
        group->listed_once = true;
        group_settle_old_intents(group);
    }
    return 0;
}

static void note_list_failure(struct group *group, const char *message, int64_t retry_after_ms)
{
    int64_t pause;

    group->list_backoff_ms = group_back_off(group->list_backoff_ms);
    pause = MAX(retry_after_ms, group->list_backoff_ms);
    group->next_list_mono = now_mono(group->supervisor) + pause;
    if (str_cut(group->list_error, sizeof(group->list_error), message))
        log_error("reconcile: runner '%s', err: %s; trying again in %" PRId64 " ms",
                  group->runner->name, message, pause);
}

int64_t group_list_interval(const struct group *group)
{
    return fleet_expecting(group->fleet) ? group_settings(group)->update_interval_when_expecting_ms
                                         : group_settings(group)->update_interval_ms;
}

static void on_listed(void *arg, int code, const char *message, int64_t retry_after_ms,
                      json_t *reply)
{
    struct group *group = arg;
    struct error err = { 0 };

    group->list_busy = group->signals.after_list = false;
    effect_point("provider_list", "after");
    if (!group->provider)
        return; /* closed for good */
    counts_note_list(group);
    counts_note_answer(group, code);
    group_note_holder(group, code, message);
    if (!reply || (code != 0 && code != FLT_E_PARTIAL)) {
        note_list_failure(group, message, retry_after_ms);
    } else if (take_list(group, code, reply, &err) < 0) {
        note_list_failure(group, err.message, retry_after_ms);
    } else {
        group->list_backoff_ms = 0;
        group->next_list_mono =
            now_mono(group->supervisor) + MAX(retry_after_ms, group_list_interval(group));
    }
    supervisor_evaluate_soon(group->supervisor);
}

void group_list_soon(struct group *group)
{
    if (!group->list_backoff_ms)
        group->next_list_mono = now_mono(group->supervisor);
}

void group_start_list(struct group *group)
{
    int64_t now = now_mono(group->supervisor);

    /* Something new to expect must not wait for the slow interval that was set before it. */
    if (!group->list_backoff_ms)
        group->next_list_mono = MIN(group->next_list_mono, now + group_list_interval(group));
    if (group->list_busy || group->increase_busy || group->signals.busy ||
        now < group->next_list_mono)
        return;
    effect_point("provider_list", "before");
    group->list_busy =
        group_call(group, json_frame("list"), GROUP_LIST_DEADLINE_MS, on_listed, group) == 0;
}
