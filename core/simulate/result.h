/* core/simulate/result.h - what a simulation yields: numbers of jobs, of instances and of money, and
 * the course of it; as a table, as JSON and as a page. */
#pragma once

#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/fleet/fleet.h"

/* What an instance is paid for. */
enum instance_use {
    USE_BOOTING, /* until it passed the ready gate */
    USE_BUSY,    /* with at least one job */
    USE_IDLE,
    USE_GOING, /* marked for removal, until it is gone */
    INSTANCE_USES
};
const char *instance_use_name(enum instance_use use); /* "booting": stable, for JSON */

/* A stretch of the course: sums over its time, so that means are exact whatever its length. */
struct result_span {
    int64_t use_ms[INSTANCE_USES];
    int64_t waiting_ms; /* jobs that waited × time */
    int64_t paid_ms;
};
#define RESULT_SPANS 480

struct result {
    char *name; /* which configuration this is of */
    int64_t begin_ms, end_ms;

    /* Every job that arrived is in exactly one of the others. */
    uint64_t arrived, done, lost, timed_out, waiting, running;
    int64_t *waits_ms; /* sorted; from the arrival until a slot, of the jobs that got one */
    size_t n_waits;
    int64_t busy_slots_ms;

    uint32_t peak; /* most instances at a time */
    int64_t use_ms[INSTANCE_USES];
    int64_t slots_ms;                                  /* instance time × capacity */
    int64_t billed_ms, cost_micros, price_micros_hour; /* cost: 0 without a price */
    uint64_t orders, failed_orders, created;           /* orders: calls; created: instances */
    uint64_t removals[FLEET_REASONS];
    uint64_t decisions; /* plans of the scaler */
    struct result_span spans[RESULT_SPANS];
};
void result_done(struct result *result);
void result_sort_waits(struct result *result);

int64_t result_wait_ms(const struct result *result, double quantile); /* nearest rank; 0 of none */
double result_share_within(const struct result *result,
                           int64_t wait_ms); /* waited at most so long */
int64_t result_mean_wait_ms(const struct result *result);
double result_mean_instances(const struct result *result);
int64_t result_instances_ms(const struct result *result); /* in every use */
/* Share of the instances' time without a job on them: idle, booting and going. */
double result_waste(const struct result *result);
double result_slots_used(const struct result *result); /* share of the slots' time with a job */

/* Side by side, RESULTS_MAX at most; results are of the same jobs. */
#define RESULTS_MAX 8
#define RESULT_CELL_SIZE 32
typedef void (*result_row_fn)(void *arg, const char *label, char (*cells)[RESULT_CELL_SIZE]);
void result_each_row(const struct result *results, size_t n, result_row_fn on_row, void *arg);
void result_table(const struct result *results, size_t n, struct buf *out);
json_t *result_json(const struct result *results, size_t n); /* NULL: out of memory */
/* The same with plots, as a page of its own. */
int result_report(const struct result *results, size_t n, struct buf *out, struct error *err);
