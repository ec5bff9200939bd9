/* core/fleet/internal.h - the fleet's state, for its own files only. */
#pragma once

#include "core/fleet/fleet.h"

struct fleet_order { /* instances the provider accepted, oldest first */
    uint32_t count;
    int64_t expires_ms;
    bool uncertain; /* of a former run: its answer was lost, perhaps the cloud never heard of it */
};

struct fleet_waiter {
    int64_t seq;
};

struct fleet_growth { /* of one kind */
    unsigned failures;
    int64_t until_ms;
};

struct fleet {
    struct fleet_config config;
    struct fleet_instance **instances, **by_id; /* in order of arrival, and sorted */
    size_t n_instances, cap_instances;
    uint32_t requested;         /* decided, not accepted yet */
    uint32_t unanswered, early; /* of them: sent, their answer was lost; of those: have appeared */
    struct fleet_order *orders;
    size_t n_orders, cap_orders;
    uint32_t reserved;
    struct fleet_growth growth[GROWTH_FAILURES];
    struct fleet_waiter *waiters; /* in order of arrival */
    size_t n_waiters, cap_waiters;
    unsigned complete_lists; /* how many complete lists were seen, saturating at 2 */
};

/* reason.c: the reason with the numbers behind it */
void reason_explain(const struct fleet_config *config, enum fleet_reason reason, int64_t idle_ms,
                    uint32_t uses, struct buf *out);

struct fleet_instance *fleet_get(struct fleet *fleet, const char *id);
struct fleet_instance *fleet_add(struct fleet *fleet, const char *id);
uint32_t instance_busy(const struct fleet_instance *instance);
/* Slots that could be handed out by count alone (autoscaler.md 3.4). */
uint32_t instance_free(const struct fleet_config *config, const struct fleet_instance *instance);
bool instance_usable(const struct fleet_instance *instance);
bool instance_live(const struct fleet_instance *instance); /* autoscaler.md 7.2 */
bool instance_spent(const struct fleet_config *config, const struct fleet_instance *instance);
