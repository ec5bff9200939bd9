/* core/simulate/result.c - numbers of a result, and the result as JSON. */
#include "core/simulate/result.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/str.h"

static const char *const uses[INSTANCE_USES] = {
    [USE_BOOTING] = "booting",
    [USE_BUSY] = "busy",
    [USE_IDLE] = "idle",
    [USE_GOING] = "going",
};

const char *instance_use_name(enum instance_use use)
{
    return (size_t) use < ARRAY_LEN(uses) ? uses[use] : "gone";
}

void result_done(struct result *result)
{
    free(result->name);
    free(result->waits_ms);
    *result = (struct result) { 0 };
}

static int compare_waits(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

    return (x > y) - (x < y);
}

void result_sort_waits(struct result *result)
{
    if (result->n_waits > 0)
        qsort(result->waits_ms, result->n_waits, sizeof(*result->waits_ms), compare_waits);
}

int64_t result_wait_ms(const struct result *result, double quantile)
{
    size_t rank = (size_t) ceil(quantile * (double) result->n_waits);

    if (result->n_waits == 0)
        return 0;
    return result->waits_ms[MIN(MAX(rank, (size_t) 1), result->n_waits) - 1];
}

double result_share_within(const struct result *result, int64_t wait_ms)
{
    size_t low = 0, high = result->n_waits;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (result->waits_ms[middle] <= wait_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return result->n_waits > 0 ? (double) low / (double) result->n_waits : 0;
}

int64_t result_mean_wait_ms(const struct result *result)
{
    double sum = 0;

    for (size_t i = 0; i < result->n_waits; i++)
        sum += (double) result->waits_ms[i];
    return result->n_waits > 0 ? llround(sum / (double) result->n_waits) : 0;
}

int64_t result_instances_ms(const struct result *result)
{
    int64_t sum = 0;

    for (size_t use = 0; use < INSTANCE_USES; use++)
        sum += result->use_ms[use];
    return sum;
}

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double) part / (double) whole : 0;
}

double result_mean_instances(const struct result *result)
{
    return share(result_instances_ms(result), result->end_ms - result->begin_ms);
}

double result_waste(const struct result *result)
{
    int64_t whole = result_instances_ms(result);

    return whole > 0 ? 1 - share(result->use_ms[USE_BUSY], whole) : 0;
}

double result_slots_used(const struct result *result)
{
    return share(result->busy_slots_ms, result->slots_ms);
}

/* JSON. Members that memory is short for are missing; whoever asked for the whole is told. */

static int add_real(json_t *object, const char *key, double value)
{
    char text[40];

    (void) snprintf(text, sizeof(text), "%.6f", value);
    return json_add(object, key, json_object_new_double_s(value, text));
}

struct number {
    const char *key;
    int64_t value;
};

static int add_numbers(json_t *object, const char *key, const struct number *numbers, size_t n)
{
    json_t *part = json_object_new_object();
    int r = part ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = json_add_i64(part, numbers[i].key, numbers[i].value);
    if (r == 0)
        return json_add(object, key, part);
    json_object_put(part);
    return r;
}

static int add_jobs(json_t *object, const struct result *result)
{
    const struct number jobs[] = {
        { "arrived", (int64_t) result->arrived }, { "done", (int64_t) result->done },
        { "lost", (int64_t) result->lost },       { "timed_out", (int64_t) result->timed_out },
        { "waiting", (int64_t) result->waiting }, { "running", (int64_t) result->running },
    };
    const struct number waits[] = {
        { "mean", result_mean_wait_ms(result) }, { "p50", result_wait_ms(result, 0.5) },
        { "p90", result_wait_ms(result, 0.9) },  { "p95", result_wait_ms(result, 0.95) },
        { "p99", result_wait_ms(result, 0.99) }, { "max", result_wait_ms(result, 1) },
    };
    int r = add_numbers(object, "jobs", jobs, ARRAY_LEN(jobs));

    return r < 0 ? r : add_numbers(object, "wait_ms", waits, ARRAY_LEN(waits));
}

static int add_instances(json_t *object, const struct result *result)
{
    struct number times[INSTANCE_USES], removals[FLEET_REASONS];
    size_t n = 0;
    int r;

    for (size_t use = 0; use < INSTANCE_USES; use++)
        times[use] = (struct number) { uses[use], result->use_ms[use] };
    for (size_t reason = 0; reason < FLEET_REASONS; reason++)
        if (result->removals[reason] > 0)
            removals[n++] = (struct number) { fleet_reason_name((enum fleet_reason) reason),
                                              (int64_t) result->removals[reason] };
    r = add_numbers(object, "instance_ms", times, ARRAY_LEN(times));
    return r < 0 ? r : add_numbers(object, "removals", removals, n);
}

static int add_totals(json_t *object, const struct result *result)
{
    const struct number totals[] = {
        { "peak", result->peak },
        { "created", (int64_t) result->created },
        { "orders", (int64_t) result->orders },
        { "failed_orders", (int64_t) result->failed_orders },
        { "decisions", (int64_t) result->decisions },
        { "billed_ms", result->billed_ms },
        { "cost_micros", result->cost_micros },
        { "begin_ms", result->begin_ms },
        { "end_ms", result->end_ms },
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(totals); i++)
        r = json_add_i64(object, totals[i].key, totals[i].value);
    if (r == 0)
        r = add_real(object, "mean_instances", result_mean_instances(result));
    if (r == 0)
        r = add_real(object, "waste", result_waste(result));
    return r < 0 ? r : add_real(object, "slots_used", result_slots_used(result));
}

static int add_result(json_t *list, const struct result *result)
{
    json_t *object = json_object_new_object();
    int r = object ? json_add_str(object, "name", result->name) : -ENOMEM;

    if (r == 0)
        r = add_jobs(object, result);
    if (r == 0)
        r = add_totals(object, result);
    if (r == 0)
        r = add_instances(object, result);
    if (r == 0 && json_object_array_add(list, object) == 0)
        return 0;
    json_object_put(object);
    return -ENOMEM;
}

json_t *result_json(const struct result *results, size_t n)
{
    autojson json_t *document = json_object_new_object();
    json_t *list = json_object_new_array();
    int r = document && list ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = add_result(list, &results[i]);
    if (r < 0) {
        json_object_put(list);
        return NULL;
    }
    return json_add(document, "results", list) < 0 ? NULL : take_ptr(document);
}
