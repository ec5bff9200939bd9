/* core/supervisor/group_setup.h - making a group from its [[runners]] entry; for group.c and
 * adopt.c. */
#pragma once

#include "core/supervisor/internal.h"

/* Instances and orders of a former run, from the ledger. */
int group_restore(struct group *group, struct error *err);
void group_restore_intents(struct group *group);

int64_t group_pending_limit_ms(void);
/* How long an order of a former run may take to show up before the demand is looked at anew. */
int64_t group_intent_grace_ms(const struct group *group);

/* No job is taken, and time alone will not mend that: told once (EVENT_RUNNER_REFUSED). */
void group_refuse(struct group *group, const char *why);

/* The worker's `connect` object from a connect_info reply and the connector's settings. */
json_t *group_build_connect(struct group *group, json_t *reply);
