/* core/fleet/fleet.h - one group's instances, slots, reservations and waiting jobs.
 *
 * A pure state machine: events go in with their time, changes come out; no clock, no I/O. The
 * supervisor persists and carries out; scaler.h decides how many instances there should be. Rules:
 * reference/autoscaler.md, cited by section at the code. A job is known here by its ledger `seq`.
 * Times are milliseconds of one clock that the caller chooses (the supervisor's is the timeline of
 * its ledger, so that idle clocks survive a restart and no step of the wall clock), and above 0, which
 * says "not known".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"

/* numbers as on the wire (autoscaler.md 2.1) */
enum instance_state {
    INSTANCE_CREATING,
    INSTANCE_RUNNING,
    INSTANCE_DELETING,
    INSTANCE_DELETED,
    INSTANCE_TIMEOUT,
    INSTANCE_SUSPENDING,
    INSTANCE_SUSPENDED,
    INSTANCE_RESUMING
};
/* How it came to the group; it keeps that over a restart. A foreign one is another group's by the
 * ledger: it gets no jobs and is never removed. */
enum instance_cause { CAUSE_REQUESTED, CAUSE_UNEXPECTED, CAUSE_PREEXISTED, CAUSE_FOREIGN };
const char *instance_cause_name(enum instance_cause cause);
const char *instance_state_name(enum instance_state state);
int instance_state_parse(const char *name, enum instance_state *ret);

/* why something was or was not done; every action carries one */
enum fleet_reason {
    REASON_NONE,
    REASON_DEMAND,           /* jobs wait for slots */
    REASON_IDLE_TARGET,      /* idle_count or scale_factor wants capacity */
    REASON_AT_MAXIMUM,       /* wanted more, max_instances holds */
    REASON_ENOUGH,           /* what exists or is ordered covers the demand */
    REASON_DEMAND_GONE,      /* an order that was not sent is cancelled */
    REASON_USES_SPENT,       /* max_use_count reached and no job on it */
    REASON_IDLE_TOO_LONG,    /* surplus, idle for idle_time */
    REASON_UNKNOWN_AT_START, /* hardening.md R7 */
    REASON_REPORTED_GONE,    /* the cloud says deleting, deleted or timeout */
    REASON_VANISHED,         /* absent by the rule of architecture.md §3 */
    REASON_HOST_KEY_CHANGED,
    REASON_UNHEALTHY,
    REASON_WORKERS_CRASHED, /* hardening.md X6 */
    REASON_SHUTDOWN,
    REASON_PENDING_EXPIRED, /* ordered, accepted, never appeared */
    REASON_ABOVE_MAXIMUM,   /* more than max_instances exist: free ones go at once */
    REASON_THROTTLED,       /* scale_throttle holds an order back */
    REASON_GROWTH_PAUSED,   /* growth failed and is tried again later */
    REASON_DRAINED,         /* an operator wants nothing new on it, or nothing new at all */
    REASON_INTERRUPTED,     /* the cloud says that it will take it */
    REASON_NOT_BOOTED,      /* it did not pass the ready gate */
    REASON_BY_HAND,         /* an operator removed it */
    REASON_JOB_LOST,        /* a job ran there whose worker did not outlive a restart (11.1) */
    REASON_LEAVING,         /* the group's entry left the configuration */
    REASON_RECYCLING,       /* wanted more, places of instances that went are not back yet */
    FLEET_REASONS
};
const char *fleet_reason_name(enum fleet_reason reason); /* "idle_too_long": stable, for JSON */
const char *fleet_reason_text(enum fleet_reason reason); /* for people */
enum fleet_reason fleet_reason_parse(const char *name);  /* REASON_NONE when unknown */

/* What one policy asks for; which one holds at a time is policy.h's to say (autoscaler.md 6). */
struct fleet_policy {
    uint32_t idle_count; /* in jobs */
    int64_t idle_time_ms;
    double scale_factor;
    uint32_t scale_factor_limit; /* 0 = none */
    bool preemptive;
};

struct fleet_config {
    uint32_t capacity;      /* slots an instance, >= 1 */
    uint32_t max_use_count; /* 0 = unlimited */
    uint32_t max_instances; /* > 0: the configured or the provider's own maximum */
    struct fleet_policy policy;
    bool vm_isolation;
    bool drained; /* nothing is kept idle, no job is asked for: an operator's wish, or */
    bool leaving; /* its entry left the configuration */
    bool unthrottled_reservations; /* reservation_throttling = false (5.1) */
    int64_t pending_limit_ms;   /* ordered instances that never appear are given up (V17); 15 min */
    uint32_t failure_threshold; /* heartbeats in a row that replace an instance; 0 = 1 */
    /* How often an idle instance is asked, 0 = nobody is; and how long an answer counts: a good one lets
     * jobs in, after a bad one it is asked again (heartbeat.c). */
    int64_t heartbeat_interval_ms, heartbeat_valid_ms;
    /* How fast orders are made (10.3): instances a second, and at once. < 0 = unlimited; 0 = 100 a
     * second, max_instances at once. */
    int32_t throttle_limit;
    uint32_t throttle_burst;
    /* What an instance costs: 0 = not known. It is charged for its minimum life at least, and for
     * started pieces of minimum_billed_ms; an idle one that is paid for anyway stays (billing.c). */
    int64_t price_micros_hour, minimum_billed_ms, minimum_life_ms;
    /* How long the place of an instance that went stays taken in the cloud (places.c). */
    int64_t recycle_ms;
    int64_t pause_unit_ms; /* the first pause of growth that fails; 0 = 1 s */
};
/* Slots that a new instance can hand out: with few uses less than its capacity. */
uint32_t fleet_new_slots(const struct fleet_config *config);
/* billing.c: what is charged for an instance that is there for `used_ms`. */
int64_t fleet_billed_ms(const struct fleet_config *config, int64_t used_ms);
#define FLEET_THROTTLE_LIMIT 100 /* the default of throttle_limit */

/* Why growth fails; each kind has its own back-off, so that a throttled cloud is not taken for a full
 * one and an image that does not boot is not bought at full speed. */
enum growth_failure {
    GROWTH_CAPACITY,    /* it took the order and delivers fewer, or none */
    GROWTH_QUOTA,       /* it says that there are no more for us: capacity, quota, maximum */
    GROWTH_RATE,        /* asked too often */
    GROWTH_UNREACHABLE, /* it did not answer, or refused for another reason */
    GROWTH_BOOT,        /* what was made never passed the ready gate: the breaker */
    GROWTH_FAILURES
};
const char *growth_failure_name(enum growth_failure kind); /* "capacity": stable, for JSON */
const char *growth_failure_text(enum growth_failure kind); /* for people */

struct fleet_slot {
    int64_t seq; /* job on it, 0 = free */
};
struct fleet_instance {
    char id[256];
    enum instance_state state;
    enum instance_cause cause;
    uint32_t uses, n_slots;
    struct fleet_slot *slots;

    /* Lists. */
    int64_t first_seen_ms, last_seen_ms;
    int64_t ordered_ms;   /* when the order that it is of was taken; 0 = not known */
    int64_t running_ms;   /* when it was first seen running; 0 = not yet, or in a former run */
    uint32_t misses;      /* complete lists in a row without it */
    bool connection_dead; /* a worker lost it; counts at the next complete list */
    bool seen;            /* in the list that is being taken in */
    bool anew;            /* a new use of an id that was gone */

    /* Health. */
    bool ready;        /* through the ready gate */
    bool in_doubt;     /* it was, and a job left there what nobody knows (fleet_doubt()) */
    bool asked;        /* a heartbeat is under way */
    uint32_t failures; /* heartbeats that failed in a row */
    int64_t ready_ms, idle_since_ms;
    int64_t asked_ms;      /* when the last one began, then when it ended; 0 = there was none */
    int64_t answered_ms;   /* when one was last answered well; 0 = never */
    int64_t crashes_ms[2]; /* of its last two workers, the later one first; 0 = none did */

    /* The way out. */
    enum fleet_reason draining; /* nothing new is put on it, it goes with its last job; NONE = no */
    int64_t interrupted_ms;     /* when the cloud takes it, wall clock; 0 = not said */
    int64_t
        held_until_ms; /* a person looks at it: no new jobs, and it is not removed; 0 = nobody does */
    bool removing;     /* marked: never taken back */
    bool removal_accepted;
    enum fleet_reason remove_reason;
    int64_t removing_ms; /* when it was marked; 0 = in a former run */
    int64_t removal_accepted_ms;
};

uint32_t instance_busy(const struct fleet_instance *instance); /* its slots with jobs on them */

struct fleet;
int fleet_new(const struct fleet_config *config, struct fleet **ret);
void fleet_free(struct fleet *fleet);
int fleet_configure(struct fleet *fleet, const struct fleet_config *config); /* live reload */
/* Another one holds from now on; what is idle is judged by it at once (6.1.5). */
void fleet_set_policy(struct fleet *fleet, const struct fleet_policy *policy);
const struct fleet_config *fleet_config_of(const struct fleet *fleet);

size_t fleet_instance_count(const struct fleet *fleet);
const struct fleet_instance *fleet_instance_at(const struct fleet *fleet, size_t i);
const struct fleet_instance *fleet_find(const struct fleet *fleet, const char *id);

/* An instance of the ledger, before the first list: id, state, cause, uses, clocks and removal are
 * those of `saved` (V64). */
int fleet_restore(struct fleet *fleet, const struct fleet_instance *saved);
/* A job of the ledger that holds a slot (adoption). */
int fleet_occupy(struct fleet *fleet, const char *id, uint32_t slot, int64_t seq,
                 struct error *err);
/* Orders of former runs, oldest first, and when instances that were ordered appeared, in order: what
 * can still come is waited for. Without an answer (hardening.md R5) the cloud may never have heard of
 * an order. `count` of each becomes what it lacks. */
struct fleet_former_order {
    uint32_t count;
    int64_t made_ms, expires_ms;
    bool answered;
};
void fleet_restore_orders(struct fleet *fleet, int64_t now_ms, struct fleet_former_order *orders,
                          size_t n, const int64_t *appeared_ms, size_t n_appeared);
/* Instances of former runs that went: their places may not be back yet. Once recycle_ms is known. */
void fleet_restore_gone(struct fleet *fleet, int64_t gone_ms);
bool fleet_has_unanswered(const struct fleet *fleet);

/* Lists. */
struct fleet_listed {
    const char *id;
    enum instance_state state;
    /* What is remembered of an id that the fleet does not hold: its cause, uses, first sight and
     * removal go on. NULL = it was never seen. Used during the call only. */
    const struct fleet_instance *former;
    bool returns; /* its provider gives ids out again: it may be what was ordered */
};
enum fleet_change_kind { CHANGE_APPEARED, CHANGE_STATE, CHANGE_GONE, CHANGE_PENDING_EXPIRED };
struct fleet_change {
    enum fleet_change_kind kind;
    /* Valid during the callback; NULL for CHANGE_PENDING_EXPIRED. */
    const struct fleet_instance *instance;
    enum fleet_reason reason;
    uint32_t count;
};
typedef void (*fleet_change_fn)(void *arg, const struct fleet_change *change);
/* A duplicate id or an id that is not V12 is an error: the whole list is refused and nothing
 * changes. Jobs on an instance that goes are found by the callback in change->instance->slots,
 * which is still whole. */
int fleet_on_list(struct fleet *fleet, int64_t now_ms, const struct fleet_listed *listed, size_t n,
                  bool complete, fleet_change_fn on_change, void *arg, struct error *err);
/* Those that run and are not through the ready gate, in order of arrival: the one after `instance`,
 * which is one of them; NULL begins, and ends. */
const struct fleet_instance *fleet_next_unready(const struct fleet *fleet,
                                                const struct fleet_instance *instance);
bool fleet_expecting(const struct fleet *fleet); /* poll fast: something is requested, pending,
                                                    removing or between states (10.2) */

/* Orders: requested (decided) → sent → pending (accepted) → appeared. */
uint32_t fleet_requested(const struct fleet *fleet);
uint32_t fleet_pending(const struct fleet *fleet);
void fleet_request(struct fleet *fleet, uint32_t n, int64_t now_ms); /* spends of the throttle */
void fleet_cancel_requests(struct fleet *fleet, uint32_t n);
/* What was not accepted stays requested; more than was asked for is taken for that. */
void fleet_on_increase(struct fleet *fleet, int64_t now_ms, uint32_t asked, uint32_t accepted);
/* The answer was lost, and the same request will be made again: what appears until then is of it. */
void fleet_on_increase_unanswered(struct fleet *fleet, uint32_t asked);

/* Growth that fails waits: 1 s, doubling up to 5 min (300 units) for each kind, at least
 * retry_after_ms. An instance that passes the ready gate ends GROWTH_BOOT, an order that is taken whole all others. */
void fleet_growth_failed(struct fleet *fleet, enum growth_failure kind, int64_t now_ms,
                         int64_t retry_after_ms);
void fleet_growth_succeeded(struct fleet *fleet);
/* True while growth waits: the kind that lasts longest and until when (both may be NULL). */
bool fleet_growth_paused(const struct fleet *fleet, int64_t now_ms, enum growth_failure *ret_kind,
                         int64_t *ret_until_ms);

/* The worst kind that fails and when it is tried again: "the cloud has no capacity, tried again in
 * 30s"; false when none does. */
bool fleet_explain_growth(const struct fleet *fleet, int64_t now_ms, struct buf *out);
/* V20: while growth fails, no job is asked for that only a new instance could take; once the pause is
 * over, one may, so that growth is tried at all. `reserved`: the job in question has its reservation
 * already. False with the reason. */
bool fleet_growth_allows_job(const struct fleet *fleet, int64_t now_ms, bool reserved,
                             struct error *why);

/* Nothing new is put on it; the scaler removes it with its last job and replaces it as wanted.
 * REASON_DRAINED or REASON_INTERRUPTED; `at_ms`: when the cloud takes it, 0 = not said. False when it
 * is not known, or goes already. */
bool fleet_drain(struct fleet *fleet, const char *id, enum fleet_reason why, int64_t at_ms);
/* What an operator drained and is not marked for removal yet takes jobs again. */
bool fleet_undrain(struct fleet *fleet, const char *id);
/* Until fleet_release_hold() nothing new is put on it, it is not asked whether it is well, and whatever is decided about it, it
 * does not go. It counts as one that exists. Held again it has the new end time, which is whoever calls's to keep. False
 * when it is not known or not ours. */
bool fleet_hold(struct fleet *fleet, const char *id, int64_t until_ms);
bool fleet_release_hold(struct fleet *fleet, const char *id);
/* The whole group (fleet_config.drained). */
void fleet_set_drained(struct fleet *fleet, bool drained);
/* A heartbeat. One that fails takes its slots out of use until one succeeds; true with the one that
 * reaches failure_threshold in a row: the instance is to be replaced (V55). */
bool fleet_note_health(struct fleet *fleet, const char *id, bool good);
/* The next instance that a heartbeat is due for, which counts as asked from then on; NULL when there
 * is none. For waiting jobs, the slots they would get; and idle ones each heartbeat_interval_ms. */
const struct fleet_instance *fleet_next_heartbeat(struct fleet *fleet, int64_t now_ms);
/* Its answer came, or none will; fleet_note_health() says what one that was decided means. */
void fleet_heartbeat_ended(struct fleet *fleet, const char *id, bool good, int64_t now_ms);

/* Removal. */
void fleet_mark_removing(struct fleet *fleet, const char *id, enum fleet_reason reason,
                         int64_t now_ms);
/* The reason with its numbers: "instance exceeded max idle time (idle for 12m0s, idle_time 10m0s)".
 */
void fleet_explain_removal(const struct fleet *fleet, const struct fleet_instance *instance,
                           struct buf *out);
void fleet_on_removal_accepted(struct fleet *fleet, const char *id, int64_t now_ms);
/* Ids to send to decrease now: marked without jobs on them, not accepted, or accepted longer ago
 * than retry_ms and still there. Borrowed pointers; returns the count. */
size_t fleet_removable(const struct fleet *fleet, int64_t now_ms, int64_t retry_ms,
                       const char **ids, size_t max);

/* Something is marked that could go now, or was told to go and is still listed. */
bool fleet_awaits_removal(const struct fleet *fleet);

void fleet_mark_ready(struct fleet *fleet, const char *id, int64_t now_ms);
/* It goes through the ready gate again, its clocks go on. Not while jobs run on it: they prove it. */
void fleet_recheck(struct fleet *fleet, const char *id);
/* The same while jobs run on it, too, which prove nothing of what another one left there: no slot of it is
 * handed out until it is ready again. */
void fleet_doubt(struct fleet *fleet, const char *id);
void fleet_mark_connection_dead(struct fleet *fleet, const char *id);
/* A worker that was connected to it crashed. True with the third one within an hour: the instance
 * is to be replaced. Forgotten at a restart. */
bool fleet_note_crash(struct fleet *fleet, const char *id, int64_t now_ms);

/* Reservations: a claim before a job is asked for (5.1). */
bool fleet_reserve(struct fleet *fleet, int64_t now_ms,
                   struct error *why); /* why: the refusal text of autoscaler.md 4 */
void fleet_unreserve(struct fleet *fleet);

/* A job arrived: the reservation (if it had one) becomes a waiter; waiters are served in order
 * (5.2). */
int fleet_wait(struct fleet *fleet, int64_t seq, bool had_reservation);
void fleet_stop_waiting(struct fleet *fleet, int64_t seq);
uint32_t fleet_waiting(const struct fleet *fleet);
/* Gives the first waiter a slot: 1 with *ret_*, 0 when nobody waits or nothing is free. Counts the
 * use. */
int fleet_assign_next(struct fleet *fleet, int64_t now_ms, int64_t *ret_seq,
                      const struct fleet_instance **ret_instance, uint32_t *ret_slot);
/* A job that runs there is one the fleet has not heard of: what the ledger counted, it counts. */
void fleet_count_use(struct fleet *fleet, const char *id);
void fleet_release(struct fleet *fleet, int64_t seq, int64_t now_ms); /* unknown: nothing */

/* autoscaler.md 4 */
struct fleet_numbers {
    uint32_t instances, live, acquired, idle, waiting, reserved, unavailable, unhealthy, unready,
        requested, pending, removing, draining, foreign, held;
};
void fleet_count(const struct fleet *fleet, struct fleet_numbers *ret);
