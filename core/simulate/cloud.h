/* core/simulate/cloud.h - a model of the cloud: what it makes of orders, when instances run, what its
 * lists say, when it takes instances back, and what it charges.
 *
 * An instance is ordered at one time and listed, running and gone at others; all of them are drawn
 * from the seed and the instance's number, so that two configurations meet the same cloud. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

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
    int64_t recycle_ms;          /* the place of one that is gone stays taken for so long */
    int64_t mean_life_ms;        /* until the cloud takes one back, on average; 0 = never */
    int64_t notice_ms;           /* it says so before; 0 = it does not */
    /* What it charges, from the order until the word to remove. */
    int64_t price_micros_hour, billed_unit_ms, billed_minimum_ms;
};
/* Boots in 40 s, is removed in 10 s, never fails; bills by the second, a minute at least. */
extern const struct cloud_model cloud_default;

/* An instance as the cloud has it. Times lie ahead until they come; INT64_MAX = never. */
struct machine {
    char id[24];
    int64_t ordered_ms, running_ms, gate_ms; /* gate: how long it takes to pass */
    int64_t going_ms;                        /* how long it takes to be removed */
    int64_t removed_ms, gone_ms;             /* removed: the word to remove it, or it was taken */
    int64_t taken_ms;                        /* the cloud takes it back */
    bool passes_gate;
    /* The engine's. */
    bool ready, marked;
    uint32_t jobs;
    uint8_t use; /* enum instance_use; INSTANCE_USES = it is gone */
};

struct cloud {
    const struct cloud_model *model;
    uint64_t seed;
    struct rng_seeded orders;
    struct machine **machines; /* by number */
    size_t n, cap;
    size_t *present; /* numbers, in order, of those that lists may show or whose places are taken */
    size_t n_present;
    struct fleet_listed *listed;
    size_t cap_listed; /* of `present` too */
};
void cloud_init(struct cloud *cloud, const struct cloud_model *model, uint64_t seed);
void cloud_done(struct cloud *cloud);

/* Orders n: how many it makes, whose numbers are the highest; negative errno. */
int64_t cloud_order(struct cloud *cloud, int64_t now_ms, uint32_t n);
/* An id of a list is one that it made. */
size_t cloud_number(const struct cloud *cloud, const char *id);
struct machine *cloud_find(const struct cloud *cloud, const char *id);
void cloud_remove(struct machine *machine, int64_t now_ms);
void cloud_take(struct machine *machine, int64_t now_ms); /* back, without a word of ours */
/* What a list says now; valid until the next call. */
void cloud_list(struct cloud *cloud, int64_t now_ms, struct fleet_listed **ret, size_t *ret_n);
