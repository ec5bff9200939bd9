/* core/simulate/cloud.h - a model of the cloud: what it makes of orders, when instances run, what its
 * lists say, when it takes instances back, and what it charges.
 *
 * An instance is ordered at one time and listed, running and gone at others; all of them are drawn
 * from the seed and the instance's number, so that two configurations meet the same cloud. */
#pragma once

#include <stdbool.h>

#include "core/fleet/fleet.h"
#include "core/simulate/distribution.h"

struct cloud_model {
    struct distribution boot;    /* from the order until it runs */
    struct distribution gate;    /* from then on until it passed the ready gate */
    struct distribution removal; /* from the word to remove it until it is gone */
    int64_t list_lag_ms;         /* lists show what happened so much later */
    int64_t call_ms;             /* what a call of the cloud takes */
    double fail_rate;            /* of orders: the cloud has no capacity */
    double boot_fail_rate;       /* of instances: they never pass the ready gate */
    uint32_t capacity;           /* instances there can be; 0 = any number */
    int64_t mean_life_ms;        /* until the cloud takes one back, on average; 0 = never */
    int64_t notice_ms;           /* it says so before; 0 = it does not */
    /* What it charges, from the order until the word to remove. */
    int64_t price_micros_hour, billed_unit_ms, billed_minimum_ms;
};
/* Boots in 40 s, is removed in 10 s, never fails; bills by the second, a minute at least. */
extern const struct cloud_model cloud_default;
/* What one instance costs that was paid for so long. */
int64_t cloud_billed_ms(const struct cloud_model *model, int64_t used_ms);
