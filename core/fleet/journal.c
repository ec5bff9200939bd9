/* core/fleet/journal.c - writes down what a fleet is told and decides (journal.h). The words are read
 * again in replay.c. */
#include "core/fleet/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"

void journal_note(struct fleet *fleet, const char *fmt, ...)
{
    autobuf struct buf line = BUF_INIT;
    va_list args;

    if (!fleet->record)
        return;
    va_start(args, fmt);
    buf_vaddf(&line, fmt, args);
    va_end(args);
    fleet->recorded_rest = false;
    if (buf_error(&line) == 0)
        fleet->record(fleet->record_arg, buf_str(&line));
}

void journal_config(struct fleet *fleet)
{
    const struct fleet_config *c = &fleet->config;
    const struct fleet_policy *p = &c->policy;
    int64_t factor; /* its bits, so that it is read again as it is */

    memcpy(&factor, &p->scale_factor, sizeof(factor));
    journal_note(fleet,
                 "config %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRId64 " %" PRId64
                 " %" PRIu32 " %d %d %d %d %" PRId64 " %" PRIu32 " %" PRId64 " %" PRId64 " %" PRId32
                 " %" PRIu32 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
                 c->capacity, c->max_use_count, c->max_instances, p->idle_count, p->idle_time_ms,
                 factor, p->scale_factor_limit, p->preemptive, c->vm_isolation,
                 c->drained + c->leaving, c->unthrottled_reservations, c->pending_limit_ms,
                 c->failure_threshold, c->heartbeat_interval_ms, c->heartbeat_valid_ms,
                 c->throttle_limit, c->throttle_burst, c->price_micros_hour, c->minimum_billed_ms,
                 c->minimum_life_ms, c->recycle_ms, c->pause_unit_ms);
}

static void add_former(const struct fleet_listed *item, struct buf *out)
{
    const struct fleet_instance *former = item->former;

    if (former)
        buf_addf(out, ",%d,%" PRIu32 ",%d,%d,%" PRId64 ",%d", (int) former->cause, former->uses,
                 former->removing, (int) former->remove_reason, former->first_seen_ms,
                 item->returns);
}

static int compare_listed(const void *a, const void *b)
{
    return strcmp(((const struct fleet_listed *) a)->id, ((const struct fleet_listed *) b)->id);
}

static void add_missing(const struct fleet *fleet, const struct fleet_listed *listed, size_t n,
                        struct buf *out)
{
    autofree struct fleet_listed *sorted = mem_array(n + 1, sizeof(*sorted));

    if (!sorted) {
        buf_add_str(out, " ?"); /* which no replay understands */
        return;
    }
    if (n > 0)
        memcpy(sorted, listed, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_listed);
    for (size_t i = 0; i < fleet->n_members; i++) {
        const struct fleet_listed like = { .id = fleet->members[i]->instance.id };

        if (!bsearch(&like, sorted, n, sizeof(*sorted), compare_listed))
            buf_addf(out, " -%s", like.id);
    }
}

/* Only what is not as the fleet knows it: "+id,state" is new, "=id,state" has another state, "-id" is
 * missing. New ones keep their order. */
void journal_list(struct fleet *fleet, int64_t now_ms, const struct fleet_listed *listed, size_t n,
                  bool complete)
{
    autobuf struct buf text = BUF_INIT;

    if (!fleet->record)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct fleet_instance *known = fleet_get(fleet, listed[i].id);

        if (known && known->state == listed[i].state)
            continue;
        buf_addf(&text, " %c%s,%d", known ? '=' : '+', listed[i].id, (int) listed[i].state);
        add_former(&listed[i], &text);
    }
    add_missing(fleet, listed, n, &text);
    journal_note(fleet, "list %" PRId64 " %d%s", now_ms, complete, buf_str(&text));
}

/* The fleet as it is. */

static void note_instance(struct fleet *fleet, const struct fleet_instance *i)
{
    journal_note(fleet,
                 "instance %s %d %d %d %d %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
                 " %" PRId64 " %" PRIu32 " %" PRIu32 " %d %d %" PRId64 " %" PRIu32 " %d %" PRId64
                 " %" PRId64 " %" PRId64 " %" PRId64,
                 i->id, (int) i->state, (int) i->cause, i->ready, i->removing, i->removal_accepted,
                 (int) i->remove_reason, i->removing_ms, i->removal_accepted_ms, i->first_seen_ms,
                 i->ready_ms, i->idle_since_ms, i->uses, i->misses, i->connection_dead,
                 (int) i->draining, i->interrupted_ms, i->failures, i->asked, i->asked_ms,
                 i->answered_ms, i->crashes_ms[0], i->crashes_ms[1]);
    if (i->held_until_ms != 0)
        journal_note(fleet, "hold %s %" PRId64, i->id, i->held_until_ms);
    for (uint32_t slot = 0; slot < i->n_slots; slot++)
        if (i->slots[slot].seq != 0)
            journal_note(fleet, "occupy %s %" PRIu32 " %" PRId64, i->id, slot, i->slots[slot].seq);
}

static bool note_waiter(void *item, void *arg)
{
    const struct fleet_job *job = item;

    journal_note(arg, "wait %" PRId64 " 0", job->seq);
    return true;
}

static void note_all(struct fleet *fleet)
{
    journal_note(fleet, "begin");
    journal_config(fleet);
    for (size_t i = 0; i < fleet->n_members; i++)
        note_instance(fleet, &fleet->members[i]->instance);
    for (size_t i = 0; i < fleet->n_orders; i++)
        journal_note(fleet, "order %" PRIu32 " %" PRId64 " %d", fleet->orders[i].count,
                     fleet->orders[i].expires_ms, !fleet->orders[i].uncertain);
    for (size_t i = 0; i < fleet->n_gone; i++)
        journal_note(fleet, "gone %" PRId64, fleet->gone_ms[i]);
    for (size_t i = 0; i < GROWTH_FAILURES; i++)
        if (fleet->growth[i].failures > 0)
            journal_note(fleet, "growth %zu %u %" PRId64, i, fleet->growth[i].failures,
                         fleet->growth[i].until_ms);
    journal_note(
        fleet, "counts %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRId64 " %" PRId64 " %" PRIu32 " %u",
        fleet->requested, fleet->unanswered, fleet->early, fleet->spent_milli, fleet->spent_ms,
        fleet->reserved, fleet->complete_lists);
    sorted_walk(&fleet->waiting, note_waiter, fleet);
}

void fleet_record(struct fleet *fleet, fleet_record_fn fn, void *arg)
{
    fleet->record = fn;
    fleet->record_arg = arg;
    note_all(fleet);
}

/* Decisions. */

void journal_plan(const struct scaler_plan *plan, int64_t now_ms, uint64_t seed, struct buf *out)
{
    buf_addf(out, "plan %" PRId64 " %" PRIu64 " %" PRIu32 " %" PRIu32 " %d %" PRIu32 " %" PRIu32,
             now_ms, seed, plan->request, plan->cancel, (int) plan->reason, plan->wanted,
             plan->have);
    for (size_t i = 0; i < plan->n_removals; i++)
        buf_addf(out, " %s,%d", plan->removals[i].id, (int) plan->removals[i].reason);
}

void fleet_record_plan(struct fleet *fleet, const struct scaler_plan *plan, int64_t now_ms,
                       uint64_t seed)
{
    bool rests = plan->request == 0 && plan->cancel == 0 && plan->n_removals == 0;
    autobuf struct buf line = BUF_INIT;

    if (!fleet->record || (rests && fleet->recorded_rest))
        return;
    journal_plan(plan, now_ms, seed, &line);
    journal_note(fleet, "%s", buf_str(&line));
    fleet->recorded_rest = rests;
}
