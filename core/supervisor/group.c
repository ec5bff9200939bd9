/* core/supervisor/group.c - one instance group: carries out what the scaler decides, through the
 * provider, and keeps fleet and ledger true to what the provider lists.
 *
 * group_evaluate() is the whole cycle of autoscaler.md 10.1: probe, hand out slots, plan, remove,
 * list, grow, ask for jobs. It is called on every change and on the tick and starts whatever is due.
 * The calls themselves are in group_lists.c, group_orders.c, group_connect.c and group_probes.c. */
#include "core/supervisor/group_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/journal.h"
#include "core/supervisor/hold.h"
#include "core/supervisor/strangers.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define SLOTS_A_TURN 8 /* a worker each */

void group_begin_rows(struct group *group)
{
    struct error err = { 0 };

    if (ledger_begin(group->supervisor->ledger, &err) < 0)
        supervisor_fatal(group->supervisor, "storing instances", &err);
}

void group_end_rows(struct group *group)
{
    struct error err = { 0 };

    if (ledger_end(group->supervisor->ledger, 0, &err) < 0)
        supervisor_fatal(group->supervisor, "storing instances", &err);
}

/* Another group's instance is that group's to remember. */
static void write_row(struct group *group, const struct fleet_instance *instance,
                      enum ledger_life life, bool is_new)
{
    struct supervisor *supervisor = group->supervisor;
    struct ledger_instance row = { .group_id = group->id,
                                   .life = life,
                                   .state = (int) instance->state,
                                   .cause = (int) instance->cause,
                                   .uses = instance->uses,
                                   .anew = instance->anew,
                                   .first_seen_ms = instance->first_seen_ms,
                                   .ready_ms = instance->ready_ms,
                                   .idle_since_ms = instance->idle_since_ms,
                                   .gone_ms = life == LIFE_GONE ? now_wall(supervisor) : 0 };
    struct error err = { 0 };
    int r;

    if (instance->cause == CAUSE_FOREIGN)
        return;
    (void) str_copy(row.id, sizeof(row.id), instance->id);
    (void) str_copy(row.remove_reason, sizeof(row.remove_reason),
                    instance->removing ? fleet_reason_name(instance->remove_reason) : "");
    EFFECT("instance_row", r = is_new ? ledger_add_instance(supervisor->ledger, &row, &err)
                                      : ledger_put_instance(supervisor->ledger, &row, &err));
    if (r < 0)
        supervisor_fatal(supervisor, "storing an instance", &err);
}

void group_add_row(struct group *group, const struct fleet_instance *instance)
{
    write_row(group, instance, instance->removing ? LIFE_REMOVING : LIFE_PRESENT, true);
}

void group_persist(struct group *group, const struct fleet_instance *instance,
                   enum ledger_life life)
{
    write_row(group, instance, life, false);
}

void group_mark_removing(struct group *group, const char *id, enum fleet_reason reason)
{
    const struct fleet_instance *instance = fleet_find(group->fleet, id);
    autobuf struct buf why = BUF_INIT;

    if (!instance || instance->removing)
        return;
    fleet_mark_removing(group->fleet, id, reason, now_wall(group->supervisor));
    if (!instance->removing)
        return; /* another group's */
    fleet_explain_removal(group->fleet, instance, &why);
    log_info("instance marked for removal: %s of runner '%s', reason %s", id, group->runner->name,
             buf_str(&why));
    group_persist(group, instance, LIFE_REMOVING);
    supervisor_emit(group->supervisor, EVENT_INSTANCE_REMOVING, group, id, NULL,
                    fleet_reason_name(reason));
}

void group_connection_lost(struct group *group, const char *id)
{
    fleet_mark_connection_dead(group->fleet, id);
    group_list_soon(group);
}

void group_worker_crashed(struct group *group, const char *id)
{
    if (fleet_note_crash(group->fleet, id, now_wall(group->supervisor)))
        group_mark_removing(group, id, REASON_WORKERS_CRASHED);
}

void group_became_stale(struct group *group, const char *message)
{
    if (group->stale)
        return;
    group->stale = true;
    group->usable = false;
    (void) snprintf(group->provider_error, sizeof(group->provider_error),
                    "another flotilla holds this group (%.500s); nothing is changed in it any more",
                    message);
    log_error("runner '%s': %s", group->runner->name, group->provider_error);
    group_refuse(group, group->provider_error);
    group_end_probes(group);
}

void group_note_holder(struct group *group, int code, const char *message)
{
    if (code == FLT_E_STALE) {
        group_became_stale(group, message);
        group->list_stale = true;
    } else if (code == 0 && group->list_stale) {
        group->list_stale = group->stale = false;
        log_notice("runner '%s': no other flotilla holds this group any more", group->runner->name);
        group_configure(group);
    }
}

int group_call(struct group *group, json_t *request, int64_t deadline_ms, provider_reply_fn fn,
               void *arg)
{
    struct error err = { 0 };
    int r;

    if (!request)
        return -ENOMEM;
    if (group->provider) {
        r = provider_client_call(group->provider, request, deadline_ms, fn, arg, &err);
    } else {
        json_object_put(request);
        r = error_set(&err, -ENOTCONN, "it does not run");
    }
    if (r < 0)
        log_error("runner '%s': the provider cannot be called: %s", group->runner->name,
                  err.message);
    return r;
}

/* Their workers begin when all of it is on the disk, and what else comes must not wait for many of them. */
static void hand_out_slots(struct group *group)
{
    const struct fleet_instance *instance;
    unsigned n = 0;
    uint32_t slot;
    int64_t seq;

    while (n < SLOTS_A_TURN && fleet_assign_next(group->fleet, now_wall(group->supervisor), &seq,
                                                 &instance, &slot) == 1) {
        struct job *job = job_find(group->supervisor, seq);

        if (!job) {
            fleet_release(group->fleet, seq, now_wall(group->supervisor));
            continue;
        }
        job_put_on(job, instance, slot);
        n++;
    }
    if (n == SLOTS_A_TURN)
        supervisor_evaluate_soon(group->supervisor);
}

static void remove_planned(struct group *group, const struct scaler_plan *plan)
{
    group_begin_rows(group);
    for (size_t i = 0; i < plan->n_removals; i++)
        group_mark_removing(group, plan->removals[i].id, plan->removals[i].reason);
    group_end_rows(group);
}

static void tell_plan(struct group *group, const struct scaler_plan *plan)
{
    autobuf struct buf text = BUF_INIT;

    if (plan->request == 0 && plan->n_removals == 0)
        return;
    counts_note_plan(group, plan);
    scaler_explain(group->fleet, plan, now_wall(group->supervisor), &text);
    if (plan->request > 0)
        group_log_scaling(group, plan, buf_str(&text));
    supervisor_emit(group->supervisor, EVENT_SCALED, group, NULL, NULL, buf_str(&text));
}

static void carry_out_plan(struct group *group)
{
    struct scaler_plan plan = { 0 };
    int64_t now = now_wall(group->supervisor);

    if (scaler_plan(group->fleet, now, (uint64_t) group->id, &plan) < 0) {
        log_error("runner '%s': planning failed: out of memory, retrying", group->runner->name);
        return;
    }
    fleet_record_plan(group->fleet, &plan, now, (uint64_t) group->id);
    tell_plan(group, &plan);
    scaler_order(group->fleet, &plan, *group->increase_id ? group->increase_n : 0, now);
    if (plan.n_removals > 0)
        remove_planned(group, &plan);
    scaler_plan_done(&group->last_plan);
    group->last_plan = plan;
}

static void mark_all_removing(struct group *group)
{
    struct fleet_numbers n;

    fleet_count(group->fleet, &n);
    if (n.held == 0 && n.removing + n.foreign == n.instances)
        return;
    group_begin_rows(group);
    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++)
        if (fleet_instance_at(group->fleet, i)->held_until_ms == 0)
            group_mark_removing(group, fleet_instance_at(group->fleet, i)->id, REASON_SHUTDOWN);
    group_end_rows(group);
}

/* A provider that is still opening is waited for: what a killed manager left is in the fleet. */
static bool can_delete(const struct group *group)
{
    return group->provider && (group->usable || !*group->provider_error);
}

/* No later start would know the instances of an entry that left. */
static bool deletes_at_stop(const struct group *group)
{
    return group->supervisor->stop == STOP_DELETES_ALL ||
           (group->supervisor->stop == STOP_DELETES_AS_SET &&
            (group->leaving || group_settings(group)->delete_instances_on_shutdown));
}

bool group_is_deleting(const struct group *group)
{
    struct fleet_numbers n;

    if (!deletes_at_stop(group) || !can_delete(group))
        return false;
    fleet_count(group->fleet, &n);
    return n.instances > n.foreign + n.held || n.pending > 0 || group->increase_busy ||
           group->decrease_busy;
}

void group_evaluate(struct group *group)
{
    struct supervisor *supervisor = group->supervisor;

    hold_tick(group);
    group_apply_policy(group); /* whatever else holds, or its time would be due for ever */
    if (supervisor->stopping)
        group_end_probes(group);
    if (!group->provider && !group->closing && !supervisor->stopping)
        group_start_provider(group);
    if (!group->provider || !provider_client_is_open(group->provider))
        return;
    if (group->stale) {
        group_start_signals(group);
        group_start_list(group); /* running jobs hear of instances that went */
        return;
    }
    if (!group->usable)
        return;
    if (supervisor->stopping) {
        if (!deletes_at_stop(group))
            return;
        fleet_cancel_requests(group->fleet, fleet_requested(group->fleet));
        mark_all_removing(group);
        group_start_decrease(group);
        group_start_list(group);
        return;
    }
    if (group->listed_once) {
        group_run_probes(group);
        hand_out_slots(group);
        if (!strangers_awaited(supervisor))
            carry_out_plan(group);
    }
    group_start_decrease(group);
    group_start_signals(group);
    group_start_list(group);
    group_start_increase(group);
    scheduler_poll(group);
}
