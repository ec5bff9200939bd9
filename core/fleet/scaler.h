/* core/fleet/scaler.h - how many instances should exist, and which to let go.
 *
 * A pure decision (autoscaler.md 7.2 and 8): scaler_plan() reads the fleet and returns a plan; the
 * supervisor carries it out. Same input, same plan. What it costs grows with what is to be done, not
 * with the fleet.
 */
#pragma once

#include "core/fleet/fleet.h"

struct scaler_removal {
    char id[256];
    enum fleet_reason reason;
    int64_t idle_ms; /* the numbers behind it */
    int64_t paid_ms; /* it is paid for that much longer */
    uint32_t uses;
};
struct scaler_plan {
    uint32_t request, cancel;
    enum fleet_reason reason; /* for request, cancel, or why neither */
    /* The numbers behind it. */
    uint32_t wanted, have, total, pending, acquired, waiting, lost, idle_target, slots_wanted,
        max_instances;
    uint32_t held_back;          /* by scale_throttle */
    uint32_t recycling;          /* places that are not back yet, */
    int64_t place_ms;            /* and when the next one is */
    enum growth_failure failure; /* of REASON_GROWTH_PAUSED */
    struct scaler_removal *removals;
    size_t n_removals;
    uint32_t kept_paid; /* past their idle_time, not needed, and paid for anyway */
    /* When time alone can change the decision, or what may be reserved: the earliest of when more may be
     * ordered, when the next idle instance may go and when a place comes back; INT64_MAX = never. */
    int64_t next_ms, grows_ms, removes_ms;
};
int scaler_plan(const struct fleet *fleet, int64_t now_ms, uint64_t seed, struct scaler_plan *ret);
/* The plan under another configuration; the fleet has its own again when this returns. */
int scaler_plan_under(struct fleet *fleet, const struct fleet_config *config, int64_t now_ms,
                      uint64_t seed, struct scaler_plan *ret);
/* Makes and cancels the orders of a plan. The first `sent` of those that were made before are on their way
 * to the cloud and cannot be taken back. */
void scaler_order(struct fleet *fleet, const struct scaler_plan *plan, uint32_t sent,
                  int64_t now_ms);
void scaler_plan_done(struct scaler_plan *plan);

/* One sentence with the numbers, such as "wanted 3 instances (2 slots acquired, 1 jobs waiting, 0
 * slots lost, idle target 0), have 2 of max_instances 5: order 1, because jobs wait for slots",
 * followed by what is held back, what is removed, or when time alone would let the next instance go.
 */
void scaler_explain(const struct fleet *fleet, const struct scaler_plan *plan, int64_t now_ms,
                    struct buf *out);
