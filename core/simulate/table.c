/* core/simulate/table.c - results side by side, for a terminal: a row a number, a column a
 * configuration. */
#include "core/simulate/result.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/str.h"

#define LABEL_WIDTH 26
#define COLUMN_WIDTH 14
#define NAME_MAX_BYTES 40
#define HOUR_MS 3600000.0

struct table {
    size_t n;
    struct buf *out;
    int widths[RESULTS_MAX];
};

typedef void (*cell_fn)(char *text, size_t size, const struct result *result);

/* What the cells of most rows are. */

static void put_count(char *text, size_t size, uint64_t count)
{
    (void) snprintf(text, size, "%" PRIu64, count);
}

static void put_wait(char *text, size_t size, int64_t ms)
{
    (void) snprintf(text, size, "%.1f s", (double) ms / 1000);
}

static void put_hours(char *text, size_t size, int64_t ms)
{
    (void) snprintf(text, size, "%.1f h", (double) ms / HOUR_MS);
}

static void put_share(char *text, size_t size, double share)
{
    (void) snprintf(text, size, "%.1f %%", share * 100);
}

#define CELL(name, put, value)                                                                     \
    static void name(char *text, size_t size, const struct result *result)                         \
    {                                                                                              \
        put(text, size, value);                                                                    \
    }
CELL(jobs_arrived, put_count, result->arrived)
CELL(jobs_done, put_count, result->done)
CELL(jobs_lost, put_count, result->lost)
CELL(jobs_timed_out, put_count, result->timed_out)
CELL(jobs_waiting, put_count, result->waiting)
CELL(jobs_running, put_count, result->running)
CELL(wait_mean, put_wait, result_mean_wait_ms(result))
CELL(wait_p50, put_wait, result_wait_ms(result, 0.5))
CELL(wait_p90, put_wait, result_wait_ms(result, 0.9))
CELL(wait_p95, put_wait, result_wait_ms(result, 0.95))
CELL(wait_p99, put_wait, result_wait_ms(result, 0.99))
CELL(wait_max, put_wait, result_wait_ms(result, 1))
CELL(instances_peak, put_count, result->peak)
CELL(hours_busy, put_hours, result->use_ms[USE_BUSY])
CELL(hours_idle, put_hours, result->use_ms[USE_IDLE])
CELL(hours_booting, put_hours, result->use_ms[USE_BOOTING])
CELL(hours_going, put_hours, result->use_ms[USE_GOING])
CELL(hours_all, put_hours, result_instances_ms(result))
CELL(hours_billed, put_hours, result->billed_ms)
CELL(waste, put_share, result_waste(result))
CELL(slots_used, put_share, result_slots_used(result))
CELL(instances_made, put_count, result->created)
CELL(orders, put_count, result->orders)
CELL(orders_failed, put_count, result->failed_orders)

static void instances_mean(char *text, size_t size, const struct result *result)
{
    (void) snprintf(text, size, "%.1f", result_mean_instances(result));
}

static void cost(char *text, size_t size, const struct result *result)
{
    (void) snprintf(text, size, "%.2f", (double) result->cost_micros / 1e6);
}

static const struct {
    const char *label;
    cell_fn cell;
} rows[] = {
    { "jobs arrived", jobs_arrived },
    { "  done", jobs_done },
    { "  lost with an instance", jobs_lost },
    { "  timed out waiting", jobs_timed_out },
    { "  waiting at the end", jobs_waiting },
    { "  running at the end", jobs_running },
    { "queue wait, mean", wait_mean },
    { "  p50", wait_p50 },
    { "  p90", wait_p90 },
    { "  p95", wait_p95 },
    { "  p99", wait_p99 },
    { "  longest", wait_max },
    { "instances, most", instances_peak },
    { "  mean", instances_mean },
    { "  made", instances_made },
    { "orders", orders },
    { "  that failed", orders_failed },
    { "instance time", hours_all },
    { "  busy", hours_busy },
    { "  idle", hours_idle },
    { "  booting", hours_booting },
    { "  going", hours_going },
    { "without a job (waste)", waste },
    { "slots used", slots_used },
    { "billed", hours_billed },
    { "cost", cost },
};

static void give_row(const struct result *results, size_t n, const char *label, cell_fn cell,
                     result_row_fn on_row, void *arg)
{
    char cells[RESULTS_MAX][RESULT_CELL_SIZE];

    for (size_t i = 0; i < n; i++)
        cell(cells[i], sizeof(cells[i]), &results[i]);
    on_row(arg, label, cells);
}

static void give_removals(const struct result *results, size_t n, size_t reason,
                          result_row_fn on_row, void *arg)
{
    char cells[RESULTS_MAX][RESULT_CELL_SIZE], label[LABEL_WIDTH + 1];
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        put_count(cells[i], sizeof(cells[i]), results[i].removals[reason]);
        sum += results[i].removals[reason];
    }
    if (sum == 0)
        return;
    (void) snprintf(label, sizeof(label), "removed: %s",
                    fleet_reason_name((enum fleet_reason) reason));
    on_row(arg, label, cells);
}

void result_each_row(const struct result *results, size_t n, result_row_fn on_row, void *arg)
{
    bool priced = false;

    for (size_t i = 0; i < n; i++)
        priced |= results[i].cost_micros > 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].cell != cost || priced)
            give_row(results, n, rows[i].label, rows[i].cell, on_row, arg);
    for (size_t reason = 0; reason < FLEET_REASONS; reason++)
        give_removals(results, n, reason, on_row, arg);
}

/* The table. */

static void add_names(const struct table *table, const struct result *results)
{
    buf_addf(table->out, "%-*s", LABEL_WIDTH, "");
    for (size_t i = 0; i < table->n; i++) {
        autobuf struct buf shown = BUF_INIT;

        str_display(&shown, results[i].name, strlen(results[i].name), NAME_MAX_BYTES);
        buf_addf(table->out, "%*s", table->widths[i], buf_str(&shown));
    }
    buf_add_char(table->out, '\n');
}

static void add_row(void *arg, const char *label, char (*cells)[RESULT_CELL_SIZE])
{
    const struct table *table = arg;

    buf_addf(table->out, "%-*s", LABEL_WIDTH, label);
    for (size_t i = 0; i < table->n; i++)
        buf_addf(table->out, "%*s", table->widths[i], cells[i]);
    buf_add_char(table->out, '\n');
}

void result_table(const struct result *results, size_t n, struct buf *out)
{
    struct table table = { .n = n, .out = out };

    for (size_t i = 0; i < n; i++) {
        size_t name = MIN(strlen(results[i].name), (size_t) NAME_MAX_BYTES);

        table.widths[i] = MAX((int) name + 2, COLUMN_WIDTH);
    }
    add_names(&table, results);
    result_each_row(results, n, add_row, &table);
}
