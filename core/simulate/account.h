/* core/simulate/account.h - the books of a run: how long instances were in which use, what they cost,
 * how many jobs waited; added up into a result. */
#pragma once

#include "core/simulate/cloud.h"
#include "core/simulate/result.h"

struct account {
    struct result *result;
    const struct fleet_config *config; /* capacity, and what instances cost */
    int64_t now_ms;                    /* everything before is in the result */
    uint32_t in_use[INSTANCE_USES];    /* instances, now */
    uint32_t present, paid, waiting, busy_slots;
};
void account_init(struct account *account, struct result *result,
                  const struct fleet_config *config);
/* Time goes on to `now_ms` with what there is now. */
void account_advance(struct account *account, int64_t now_ms);
/* INSTANCE_USES: it is gone. A machine that is new begins with that. */
void account_use(struct account *account, struct machine *machine, enum instance_use use);
/* Nothing more is to be paid for it: what it cost is added up. */
void account_stop_paying(struct account *account, const struct machine *machine);
