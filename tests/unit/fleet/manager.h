/* tests/unit/fleet/manager.h - what the supervisor does with a fleet, for random histories: evaluates, carries plans
 * out in a cloud (cloud.h), runs jobs, restarts from what a ledger would have kept; and at each step the properties
 * that must hold, told apart from what the fleet believes by the manager's own books of jobs and machines. */
#pragma once

#include "core/base/buf.h"
#include "core/fleet/scaler.h"
#include "tests/unit/fleet/cloud.h"

struct work {
    int64_t seq, ends_ms; /* ends_ms: how long it takes, until it runs */
    bool waits;
    char id[16];
    uint32_t slot;
};

struct intent { /* an order, as the ledger keeps it */
    uint32_t count;
    int64_t made_ms, ended_ms; /* ended_ms 0 = no answer yet */
};

struct manager {
    uint64_t seed;
    struct cloud cloud;
    struct fleet *fleet;
    struct fleet_config config;
    int64_t now;       /* the cloud's */
    int64_t skew;      /* the fleet's clock is that much ahead */
    struct work *work; /* in order of arrival */
    size_t n_work;
    struct intent *intents;
    size_t n_intents;
    int64_t *appeared; /* when those that were ordered did */
    size_t n_appeared;
    int64_t *gone; /* when instances went */
    size_t n_gone;
    int64_t last_seq, next_list_ms;
    uint32_t asked; /* the order that is under way */
    uint32_t reserved;
    bool listed; /* completely, in this run */
    bool list_fails;
    uint32_t changes;  /* orders, cancellations, removals of the last evaluation */
    char failure[300]; /* the first property that did not hold */
    bool honest;       /* the cloud never lied, so that what is there can be known */
    bool verbose;
    struct buf journal; /* what the fleets were told and decided, a line each (journal.h) */
};

int64_t manager_now(const struct manager *manager); /* the fleet's time */
void manager_init(struct manager *manager, uint64_t seed);
void manager_done(struct manager *manager);

/* One cycle: list, hand out slots, plan, remove, grow. */
void manager_evaluate(struct manager *manager);
/* Asks for a job as the scheduler does; true when it may. */
bool manager_reserve(struct manager *manager);
void manager_job_arrives(struct manager *manager, bool had_reservation);
void manager_end_job(struct manager *manager, size_t at);
void manager_configure(struct manager *manager, const struct fleet_config *config);
void manager_restart(struct manager *manager);
void manager_begin_journal(struct manager *manager); /* anew */

void manager_tell(struct manager *manager, const char *fmt, ...)
    PRINTF_LIKE(2, 3); /* when verbose */
#define manager_check(manager, condition, ...)                                                     \
    do                                                                                             \
        if (!(condition) && !*(manager)->failure)                                                  \
            (void) snprintf((manager)->failure, sizeof((manager)->failure), __VA_ARGS__);          \
    while (0)

/* properties.c */
void check_plan(struct manager *manager, const struct scaler_plan *plan);
void check_assignment(struct manager *manager, int64_t seq, const struct fleet_instance *instance,
                      uint32_t slot);
void check_nothing_is_free(struct manager *manager);
void check_removal(struct manager *manager, const char *id);
void check_order(struct manager *manager, uint32_t n);
void check_gone(struct manager *manager, const struct fleet_instance *instance);
void check_reservation(struct manager *manager, bool given);
void check_rest(struct manager *manager); /* no demand for long: the idle target, and no more */
