/* tests/unit/fleet/manager.c - see manager.h. */
#include "tests/unit/fleet/manager.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/journal.h"
#include "tests/unit/fleet/recount.h"

#define PENDING_LIMIT (15 * MINUTE)
#define READY_LIMIT (5 * MINUTE)
#define UNANSWERED_GRACE (2 * MINUTE)

void manager_tell(struct manager *manager, const char *fmt, ...)
{
    va_list args;

    if (!manager->verbose)
        return;
    printf("%9.1f  ", (double) manager->now / 1000);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

int64_t manager_now(const struct manager *manager)
{
    return manager->now + manager->skew;
}

static void need(bool condition)
{
    if (!condition)
        abort(); /* out of memory */
}

void manager_init(struct manager *manager, uint64_t seed)
{
    *manager = (struct manager) { .seed = seed, .now = 1000 * HOUR };
    cloud_init(&manager->cloud, seed);
}

void manager_done(struct manager *manager)
{
    fleet_free(manager->fleet);
    cloud_done(&manager->cloud);
    free(manager->work);
    free(manager->intents);
    free(manager->appeared);
    free(manager->gone);
    buf_done(&manager->journal);
}

static void keep_line(void *arg, const char *line)
{
    buf_addf(arg, "%s\n", line);
}

/* Jobs. */

void manager_job_arrives(struct manager *manager, bool had_reservation)
{
    struct work *grown = mem_resize(manager->work, manager->n_work + 1, sizeof(*grown));

    need(grown);
    manager->work = grown;
    grown[manager->n_work++] =
        (struct work) { .seq = ++manager->last_seq,
                        .waits = true,
                        .ends_ms = SECOND + (int64_t) cloud_below(&manager->cloud, 10 * MINUTE) };
    manager_tell(manager, "job %" PRId64 " arrives", manager->last_seq);
    if (had_reservation)
        manager->reserved--;
    need(fleet_wait(manager->fleet, manager->last_seq, had_reservation) == 0);
}

static void drop_work(struct manager *manager, size_t at)
{
    manager->n_work--;
    memmove(&manager->work[at], &manager->work[at + 1],
            (manager->n_work - at) * sizeof(*manager->work));
}

void manager_end_job(struct manager *manager, size_t at)
{
    struct work *work = &manager->work[at];

    manager_tell(manager, "job %" PRId64 " ends", work->seq);
    if (work->waits)
        fleet_stop_waiting(manager->fleet, work->seq);
    else
        fleet_release(manager->fleet, work->seq, manager_now(manager));
    drop_work(manager, at);
}

static void hand_out(struct manager *manager)
{
    const struct fleet_instance *instance;
    uint32_t slot;
    int64_t seq;

    while (fleet_assign_next(manager->fleet, manager_now(manager), &seq, &instance, &slot) == 1) {
        struct work *work = manager->work;

        check_assignment(manager, seq, instance, slot);
        if (*manager->failure)
            return;
        while (work->seq != seq)
            work++;
        work->waits = false;
        work->ends_ms += manager->now;
        work->slot = slot;
        (void) str_copy(work->id, sizeof(work->id), instance->id);
        cloud_find(&manager->cloud, instance->id)->uses++;
        manager_tell(manager, "job %" PRId64 " runs on %s, slot %u", seq, instance->id, slot);
    }
    check_nothing_is_free(manager);
}

bool manager_reserve(struct manager *manager)
{
    bool given = fleet_reserve(manager->fleet, manager_now(manager), NULL);

    check_reservation(manager, given);
    manager->reserved += given;
    return given;
}

/* Lists. */

static void note_appeared(struct manager *manager, const struct fleet_instance *instance)
{
    int64_t *grown = mem_resize(manager->appeared, manager->n_appeared + 1, sizeof(*grown));

    need(grown);
    manager->appeared = grown;
    grown[manager->n_appeared++] = instance->first_seen_ms;
}

static void note_gone(struct manager *manager)
{
    int64_t *grown = mem_resize(manager->gone, manager->n_gone + 1, sizeof(*grown));

    need(grown);
    manager->gone = grown;
    grown[manager->n_gone++] = manager_now(manager);
}

/* A place that a list found back stays so, though the clock may go back. */
static void forget_places(struct manager *manager)
{
    size_t kept = 0;

    for (size_t i = 0; i < manager->n_gone; i++)
        if (manager_now(manager) - manager->gone[i] < manager->config.recycle_ms)
            manager->gone[kept++] = manager->gone[i];
    manager->n_gone = kept;
}

static void on_change(void *arg, const struct fleet_change *change)
{
    struct manager *manager = arg;
    const struct fleet_instance *instance = change->instance;
    struct machine *machine;

    if (change->kind == CHANGE_PENDING_EXPIRED) {
        manager_tell(manager, "%u never appeared", change->count);
        return;
    }
    manager_tell(manager, "%s: %s, %s", instance->id,
                 change->kind == CHANGE_GONE ? fleet_reason_name(change->reason)
                                             : instance_state_name(instance->state),
                 change->kind == CHANGE_APPEARED ? "new" : "known");
    if (change->kind == CHANGE_APPEARED && instance->cause == CAUSE_REQUESTED)
        note_appeared(manager, instance);
    if (change->kind != CHANGE_GONE)
        return;
    check_gone(manager, instance);
    if (manager->config.recycle_ms > 0)
        note_gone(manager);
    machine = cloud_find(&manager->cloud, instance->id);
    machine->asked_ms = machine->answered_ms = 0; /* it is another one should it come back */
}

/* What it was for the ledger: as the supervisor reads it back. */
static struct fleet_instance kept(const struct fleet_instance *instance)
{
    struct fleet_instance row = { .state = instance->state,
                                  .cause = instance->cause,
                                  .uses = instance->uses,
                                  .first_seen_ms = instance->first_seen_ms,
                                  .ready_ms = instance->ready_ms,
                                  .idle_since_ms = instance->idle_since_ms,
                                  .removing = instance->removing,
                                  .remove_reason = instance->remove_reason };

    (void) str_copy(row.id, sizeof(row.id), instance->id);
    return row;
}

/* Before the list is taken in: whoever is let go by it is remembered. */
static void keep_rows(struct manager *manager)
{
    for (size_t i = 0; i < fleet_instance_count(manager->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(manager->fleet, i);
        struct machine *machine = cloud_find(&manager->cloud, instance->id);

        if (machine && instance->cause != CAUSE_FOREIGN) {
            machine->told_gone = true;
            machine->former = kept(instance);
        }
    }
}

/* Orders of former runs whose answers were lost: what was to appear has. */
static void settle_intents(struct manager *manager)
{
    size_t n = manager->n_intents - (manager->asked > 0);

    if (fleet_has_unanswered(manager->fleet))
        return;
    for (size_t i = 0; i < n; i++)
        if (manager->intents[i].ended_ms == 0)
            manager->intents[i] = (struct intent) { .ended_ms = 1 };
}

static void take_list(struct manager *manager, const struct cloud_list *list)
{
    size_t before = fleet_instance_count(manager->fleet);
    int r;

    r = fleet_on_list(manager->fleet, manager_now(manager), list->items, list->n, list->complete,
                      on_change, manager, NULL);

    manager_check(manager, (r < 0) == list->absurd, "a list of %zu, absurd %d, gave %d", list->n,
                  list->absurd, r);
    manager_check(manager, r == 0 || fleet_instance_count(manager->fleet) == before,
                  "a refused list changed something");
    if (r == 0)
        forget_places(manager);
    manager->listed |= r == 0 && list->complete;
    manager->list_fails = r < 0;
    if (r == 0 && list->complete)
        settle_intents(manager);
}

static void look(struct manager *manager)
{
    struct cloud_list list;

    if (manager->now < manager->next_list_ms)
        return;
    keep_rows(manager);
    manager->list_fails = !cloud_list(&manager->cloud, manager->now, &list);
    if (!manager->list_fails)
        take_list(manager, &list);
    free(list.items);
    manager->next_list_ms = manager->now + (manager->list_fails               ? 10 * SECOND
                                            : fleet_expecting(manager->fleet) ? 2 * SECOND
                                                                              : MINUTE);
}

/* What runs passes the ready gate, or does not. */
static void open_gates(struct manager *manager)
{
    for (size_t i = 0; i < fleet_instance_count(manager->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(manager->fleet, i);
        const struct machine *machine = cloud_find(&manager->cloud, instance->id);

        if (instance->state != INSTANCE_RUNNING || instance->ready || instance->removing ||
            instance->cause == CAUSE_FOREIGN || !machine || manager->now < machine->runs_ms)
            continue;
        if (manager->now >= machine->ready_ms) {
            fleet_mark_ready(manager->fleet, instance->id, manager_now(manager));
        } else if (manager->now >= machine->runs_ms + READY_LIMIT) {
            fleet_growth_failed(manager->fleet, GROWTH_BOOT, manager_now(manager), 0);
            fleet_mark_removing(manager->fleet, instance->id, REASON_NOT_BOOTED,
                                manager_now(manager));
        }
    }
}

/* Who looks at an instance has had the time for it. */
static void end_holds(struct manager *manager)
{
    for (size_t i = 0; i < fleet_instance_count(manager->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(manager->fleet, i);

        if (instance->held_until_ms != 0 && instance->held_until_ms <= manager_now(manager))
            (void) fleet_release_hold(manager->fleet, instance->id);
    }
}

/* Answers come after a while; those of a former run never do. */
static void hear_heartbeats(struct manager *manager)
{
    for (size_t i = 0; i < manager->cloud.n_machines; i++) {
        struct machine *machine = &manager->cloud.machines[i];
        bool good;

        if (machine->asked_ms == 0 || manager->now < machine->asked_ms + 5 * SECOND)
            continue;
        good = cloud_heartbeat(&manager->cloud, manager->now, machine->id);
        machine->asked_ms = 0;
        if (good)
            machine->answered_ms = manager_now(manager);
        manager_tell(manager, "%s is %s", machine->id, good ? "well" : "not well");
        fleet_heartbeat_ended(manager->fleet, machine->id, good, manager_now(manager));
        if (fleet_note_health(manager->fleet, machine->id, good))
            fleet_mark_removing(manager->fleet, machine->id, REASON_UNHEALTHY,
                                manager_now(manager));
    }
}

static void ask_heartbeats(struct manager *manager)
{
    const struct fleet_instance *instance;

    while ((instance = fleet_next_heartbeat(manager->fleet, manager_now(manager)))) {
        struct machine *machine = cloud_find(&manager->cloud, instance->id);

        manager_check(manager, machine && machine->asked_ms == 0, "%s is asked twice",
                      instance->id);
        if (*manager->failure)
            return;
        machine->asked_ms = manager->now;
    }
}

/* Orders and removals. */

static struct intent *begin_intent(struct manager *manager, uint32_t n)
{
    struct intent *grown = mem_resize(manager->intents, manager->n_intents + 1, sizeof(*grown));

    need(grown);
    manager->intents = grown;
    grown[manager->n_intents] = (struct intent) { .count = n, .made_ms = manager_now(manager) };
    return &grown[manager->n_intents++];
}

static void grow(struct manager *manager)
{
    struct intent *intent;
    enum cloud_answer answer;
    uint32_t taken = 0;

    if (!manager->listed || manager->list_fails ||
        fleet_growth_paused(manager->fleet, manager_now(manager), NULL, NULL))
        return;
    if (manager->asked == 0) {
        manager->asked = fleet_requested(manager->fleet);
        if (manager->asked == 0)
            return;
        check_order(manager, manager->asked);
        (void) begin_intent(manager, manager->asked);
    }
    intent = &manager->intents[manager->n_intents - 1];
    answer = cloud_increase(&manager->cloud, manager->now, manager->asked, &taken);
    manager_tell(manager, "order %u: %s, %u", manager->asked,
                 answer == ANSWER_LOST ? "no answer" : "answered", taken);
    if (answer == ANSWER_LOST) {
        fleet_on_increase_unanswered(manager->fleet, manager->asked);
        fleet_growth_failed(manager->fleet, GROWTH_UNREACHABLE, manager_now(manager), 0);
        return;
    }
    fleet_on_increase(manager->fleet, manager_now(manager), manager->asked, taken);
    if (taken < manager->asked)
        fleet_growth_failed(manager->fleet, GROWTH_CAPACITY, manager_now(manager), 0);
    else
        fleet_growth_succeeded(manager->fleet);
    intent->count = taken;
    intent->ended_ms = manager_now(manager);
    manager->asked = 0;
}

static void shrink(struct manager *manager)
{
    const char *ids[64];
    size_t n = fleet_removable(manager->fleet, manager_now(manager), MINUTE, ids, ARRAY_LEN(ids));

    for (size_t i = 0; i < n && !*manager->failure; i++) {
        check_removal(manager, ids[i]);
        if (!cloud_decrease(&manager->cloud, manager->now, ids[i]))
            return; /* the others later */
        fleet_on_removal_accepted(manager->fleet, ids[i], manager_now(manager));
        manager_tell(manager, "removal of %s is taken", ids[i]);
    }
}

static void carry_out(struct manager *manager)
{
    struct scaler_plan plan = { 0 };

    need(scaler_plan(manager->fleet, manager_now(manager), 1, &plan) == 0);
    fleet_record_plan(manager->fleet, &plan, manager_now(manager), 1);
    check_plan(manager, &plan);
    scaler_order(manager->fleet, &plan, manager->asked, manager_now(manager));
    for (size_t i = 0; i < plan.n_removals; i++)
        fleet_mark_removing(manager->fleet, plan.removals[i].id, plan.removals[i].reason,
                            manager_now(manager));
    manager->changes = plan.request + plan.cancel + (uint32_t) plan.n_removals;
    scaler_plan_done(&plan);
}

void manager_evaluate(struct manager *manager)
{
    char when[64];

    manager->changes = 0;
    look(manager);
    open_gates(manager);
    end_holds(manager);
    hear_heartbeats(manager);
    if (manager->listed) {
        hand_out(manager);
        if (!*manager->failure)
            carry_out(manager);
    }
    ask_heartbeats(manager);
    shrink(manager);
    grow(manager);
    (void) snprintf(when, sizeof(when), "FLOTILLA_SEED=%" PRIu64, manager->seed);
    recount(manager->fleet, when);
}

void manager_begin_journal(struct manager *manager)
{
    fleet_record(manager->fleet, keep_line, &manager->journal);
}

void manager_configure(struct manager *manager, const struct fleet_config *config)
{
    manager->config = *config;
    manager->config.pending_limit_ms = PENDING_LIMIT;
    if (manager->fleet)
        need(fleet_configure(manager->fleet, &manager->config) == 0);
    else {
        need(fleet_new(&manager->config, &manager->fleet) == 0);
        manager_begin_journal(manager);
    }
    manager_tell(
        manager, "configured: C %u U %u MAX %u I %u T %" PRId64 "s f %.1f P %d vm %d drained %d",
        config->capacity, config->max_use_count, config->max_instances, config->policy.idle_count,
        config->policy.idle_time_ms / SECOND, config->policy.scale_factor,
        config->policy.preemptive, config->vm_isolation, config->drained);
}

/* Restarts. */

static void restore_orders(struct manager *manager)
{
    struct fleet_former_order *orders = mem_array(manager->n_intents + 1, sizeof(*orders));
    int64_t now = manager_now(manager);

    need(orders);
    for (size_t i = 0; i < manager->n_intents; i++) {
        const struct intent *intent = &manager->intents[i];
        bool answered = intent->ended_ms != 0;

        orders[i] =
            (struct fleet_former_order) { .count = intent->count,
                                          .made_ms = intent->made_ms,
                                          .expires_ms =
                                              answered ? MIN(intent->ended_ms, now) + PENDING_LIMIT
                                                       : now + UNANSWERED_GRACE,
                                          .answered = answered };
    }
    fleet_restore_orders(manager->fleet, now, orders, manager->n_intents, manager->appeared,
                         manager->n_appeared);
    free(orders);
}

static void adopt_jobs(struct manager *manager)
{
    for (size_t i = 0; i < manager->n_work; i++) {
        const struct work *work = &manager->work[i];
        struct error err = { 0 };

        if (work->waits)
            need(fleet_wait(manager->fleet, work->seq, false) == 0);
        else
            manager_check(manager,
                          fleet_occupy(manager->fleet, work->id, work->slot, work->seq, &err) == 0,
                          "adopting job %" PRId64 ": %.200s", work->seq, err.message);
    }
}

void manager_restart(struct manager *manager)
{
    struct fleet *old = manager->fleet;

    manager_tell(manager, "restart");
    need(fleet_new(&manager->config, &manager->fleet) == 0);
    for (size_t i = 0; i < fleet_instance_count(old); i++) {
        struct fleet_instance row = kept(fleet_instance_at(old, i));

        if (row.cause != CAUSE_FOREIGN)
            need(fleet_restore(manager->fleet, &row) == 0);
    }
    fleet_free(old);
    adopt_jobs(manager);
    restore_orders(manager);
    for (size_t i = 0; i < manager->n_gone; i++) {
        manager->gone[i] = MIN(manager->gone[i], manager_now(manager)); /* the clock went back */
        fleet_restore_gone(manager->fleet, manager->gone[i]);
    }
    manager_begin_journal(manager);
    manager->reserved = manager->asked = 0;
    manager->cloud.pending = false;
    for (size_t i = 0; i < manager->cloud.n_machines; i++)
        manager->cloud.machines[i].asked_ms = manager->cloud.machines[i].answered_ms = 0;
    manager->listed = manager->list_fails = false;
    manager->next_list_ms = manager->now;
}
