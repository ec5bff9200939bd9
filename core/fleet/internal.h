/* core/fleet/internal.h - the fleet's state, for its own files only. */
#pragma once

#include "core/fleet/fleet.h"
#include "core/fleet/journal.h"
#include "core/fleet/sorted.h"

/* What is counted over all instances (census.c). */
enum tally {
    TALLY_REMOVING,
    TALLY_FOREIGN,
    TALLY_DRAINING,
    TALLY_HELD,
    TALLY_LIVE, /* from here to TALLY_TAKEN: autoscaler.md 4 and 7.2 */
    TALLY_ACQUIRED,
    TALLY_IDLE,
    TALLY_UNHEALTHY,
    TALLY_UNREADY,
    TALLY_UNAVAILABLE,
    TALLY_TAKEN,        /* what a new instance would have, and this one has not */
    TALLY_STAYING,      /* counts against max_instances and goes on doing so */
    TALLY_LEAVING,      /* live, and must go: */
    TALLY_LEAVING_LOST, /* its lost slots */
    TALLY_UNSETTLED,    /* a list is to tell something of it (10.2) */
    TALLY_AWAITED,      /* marked and could go now, or was told to */
    TALLIES
};

/* Which instances come next for what; each is in none, one or several. */
enum lane {
    LANE_OFFERED,   /* has a free slot: the best for the next job first */
    LANE_IDLE,      /* may go when there are too many: the longest idle first */
    LANE_MUST_GO,   /* goes without looking at its idle time, and is not marked yet */
    LANE_REMOVABLE, /* marked, nothing holds it: never sent first, then the oldest answer */
    LANE_UNREADY,   /* runs and is not through the ready gate */
    LANE_HEARTBEAT, /* is asked without a waiting job: the first that is due */
    LANES
};

struct fleet_member {
    struct fleet_instance instance; /* first: it is what others see of a member */
    int64_t born;                   /* how many came before it */
    enum fleet_reason gone;         /* while a list is taken in */
    uint32_t tally[TALLIES];        /* what it is counted with */
    struct sorted_node by_id, lanes[LANES];
};

struct fleet_job {
    int64_t seq;
    struct fleet_member *member; /* NULL = it waits */
    uint32_t slot;
    struct sorted_node by_seq, waiting;
};

struct fleet_order { /* instances the provider accepted, oldest first */
    uint32_t count;
    int64_t expires_ms;
    bool uncertain; /* of a former run: its answer was lost, perhaps the cloud never heard of it */
};

struct fleet_growth { /* of one kind */
    unsigned failures;
    int64_t until_ms;
};

struct fleet {
    struct fleet_config config;
    struct fleet_member **members; /* in order of arrival */
    size_t n_members, cap_members;
    int64_t n_born;
    struct sorted by_id, lanes[LANES];
    uint32_t tally[TALLIES];
    uint32_t requested;         /* decided, not accepted yet */
    uint32_t unanswered, early; /* of them: sent, their answer was lost; of those: have appeared */
    int64_t spent_milli;        /* of the throttle's burst, in thousandths of an instance, */
    int64_t spent_ms;           /* at this time; it is given back as time passes */
    struct fleet_order *orders;
    size_t n_orders, cap_orders;
    int64_t *gone_ms; /* of instances whose places are not back yet (places.c) */
    size_t n_gone, cap_gone;
    uint32_t reserved;
    struct fleet_growth growth[GROWTH_FAILURES];
    struct sorted jobs, waiting; /* by seq; and those without a slot, in order of arrival */
    int64_t n_waited;
    unsigned complete_lists; /* how many complete lists were seen, saturating at 2 */
    fleet_record_fn record;  /* NULL = nobody keeps a journal */
    void *record_arg;
    bool recorded_rest; /* the last line was a plan that does nothing */
};

static inline struct fleet_member *member_of(const struct fleet_instance *instance)
{
    return (struct fleet_member *) (uintptr_t) instance;
}

/* reason.c: the reason with the numbers behind it */
void reason_explain(const struct fleet_config *config, enum fleet_reason reason, int64_t idle_ms,
                    uint32_t uses, struct buf *out);

/* journal.c: to be called before the change, so that a list is told against what was known */
void journal_note(struct fleet *fleet, const char *fmt, ...) PRINTF_LIKE(2, 3);
void journal_config(struct fleet *fleet); /* after its change */
void journal_list(struct fleet *fleet, int64_t now_ms, const struct fleet_listed *listed, size_t n,
                  bool complete);

/* fleet.c */
struct fleet_instance *fleet_get(struct fleet *fleet, const char *id);
struct fleet_instance *fleet_add(struct fleet *fleet, const char *id);

/* slots.c */
void forget_jobs(struct fleet *fleet, const struct fleet_instance *instance); /* it is gone */
void forget_all_jobs(struct fleet *fleet);

/* orders.c */
int64_t throttle_limit(const struct fleet_config *config); /* a second; < 0 = unlimited */
int64_t throttle_burst(const struct fleet_config *config);
/* How many orders may be made now; *ret_next_ms: when there may be one more. */
uint32_t orders_allowed(const struct fleet *fleet, int64_t now_ms, int64_t *ret_next_ms);
void orders_add(struct fleet *fleet, struct fleet_order order);
/* When the order that the next new instance is of was taken; 0 = not known. */
int64_t orders_oldest_ms(const struct fleet *fleet);
/* The order that the next new instance is of, which may be one without an answer; false = nobody waits
 * for one. */
bool orders_take_or_early(struct fleet *fleet);
/* V17: the cloud accepted and never delivered; how many. */
uint32_t orders_expire(struct fleet *fleet, int64_t now_ms);

/* places.c */
void places_note_gone(struct fleet *fleet, int64_t gone_ms);
void places_forget(struct fleet *fleet, int64_t now_ms); /* those that are back */
/* How many are not, and when the next one is; INT64_MAX = never. */
uint32_t places_taken(const struct fleet *fleet, int64_t now_ms, int64_t *ret_next_ms);

/* heartbeat.c */
/* The best of LANE_OFFERED on which jobs may be put now: its last heartbeat is good and not too old. */
struct fleet_member *heartbeat_first_fresh(const struct fleet *fleet, int64_t now_ms);
/* When it is asked next, though no job waits; false = only then. */
bool heartbeat_due_ms(const struct fleet *fleet, const struct fleet_instance *instance,
                      int64_t *ret_ms);

/* billing.c */
bool billing_matters(const struct fleet_config *config);
/* How long it is paid for whatever happens, and how much of that a removal may throw away. */
int64_t billing_left_ms(const struct fleet_config *config, const struct fleet_instance *instance,
                        int64_t now_ms);
int64_t billing_margin_ms(const struct fleet_config *config);

/* census.c */
/* To be called after every change of an instance, or of what it is judged by. */
void census_update(struct fleet *fleet, const struct fleet_instance *instance);
void census_update_all(struct fleet *fleet);
void census_forget(struct fleet *fleet, const struct fleet_instance *instance); /* it is gone */
/* Slots that could be handed out by count alone (autoscaler.md 3.4). */
uint32_t instance_free(const struct fleet_config *config, const struct fleet_instance *instance);
/* How many slots less than a new one this one can hand out, jobs on it or not. */
uint32_t instance_taken(const struct fleet_config *config, const struct fleet_instance *instance);
/* Why it goes without looking at its idle time (autoscaler.md 8.1); NONE = it does not. */
enum fleet_reason instance_must_go(const struct fleet *fleet,
                                   const struct fleet_instance *instance);
