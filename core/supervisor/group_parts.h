/* core/supervisor/group_parts.h - what the files of a group share: group.c (the cycle),
 * group_setup.c, group_lists.c, group_orders.c and group_connect.c. */
#pragma once

#include "core/supervisor/internal.h"

static inline const struct config_autoscaler *group_settings(const struct group *group)
{
    return &group->runner->autoscaler;
}

/* group.c */
void group_add_row(struct group *group, const struct fleet_instance *instance); /* it appeared */
void group_persist(struct group *group, const struct fleet_instance *instance,
                   enum ledger_life life);
/* Takes the request; a failure is logged and `fn` never called. */
int group_call(struct group *group, json_t *request, int64_t deadline_ms, provider_reply_fn fn,
               void *arg);

/* group_setup.c: instances and orders of a former run, from the ledger. */
int group_restore(struct group *group, struct error *err);
int64_t group_pending_limit_ms(void);
/* How long an order of a former run may take to show up before the demand is looked at anew. */
int64_t group_intent_grace_ms(const struct group *group);

/* No job is taken, and time alone will not mend that: told once (EVENT_RUNNER_REFUSED). */
void group_refuse(struct group *group, const char *why);

/* group_lists.c */
void group_start_list(struct group *group);

/* group_orders.c */
void group_start_increase(struct group *group);
void group_start_decrease(struct group *group);
void group_restore_intents(struct group *group);
/* Orders of a former run whose answer was lost are settled by what the complete lists show (R5). */
void group_resolve_old_intents(struct group *group);
