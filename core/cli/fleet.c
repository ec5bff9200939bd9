/* core/cli/fleet.c - `flotilla fleet`: each instance with its jobs, age and cost, and a line for each
 * runner. */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/cli/ask.h"
#include "core/cli/grid.h"

static const struct grid_column columns[] = {
    { .heading = "INSTANCE" },
    { .heading = "RUNNER", .drop_at = 2, .cut_to = 12 },
    { .heading = "STATE" },
    { .heading = "SLOTS", .number = true },
    { .heading = "JOBS", .drop_at = 1, .cut_to = 12 },
    { .heading = "USES", .number = true, .drop_at = 6 },
    { .heading = "AGE", .number = true, .drop_at = 4 },
    { .heading = "IDLE", .number = true, .drop_at = 5 },
    { .heading = "COST", .number = true, .drop_at = 7 },
    { .heading = "AN HOUR", .number = true, .drop_at = 8 },
    { .heading = "WHY", .drop_at = 3, .cut_to = 20 },
};

static bool has(json_t *obj, const char *key)
{
    return json_object_object_get_ex(obj, key, NULL);
}

/* Millionths of whatever the provider's or the configuration's price is in. */
static void add_money(struct buf *out, json_t *obj, const char *key)
{
    int64_t micros = ask_number(obj, key);

    if (has(obj, key))
        buf_addf(out, "%" PRId64 ".%04" PRId64, micros / 1000000, micros % 1000000 / 100);
}

static void add_cell(struct grid *grid, struct buf *cell)
{
    grid_add(grid, buf_str(cell));
    buf_clear(cell);
}

/* The cells of slots and jobs; true when something runs there. */
static bool add_slots(struct grid *grid, json_t *instance)
{
    autobuf struct buf slots = BUF_INIT, jobs = BUF_INIT;
    size_t n, busy = 0;
    json_t *list = ask_list(instance, "slots", &n);

    for (size_t i = 0; i < n; i++) {
        json_t *job = json_object_array_get_idx(list, i);

        if (!job)
            continue;
        buf_addf(&jobs, "%s%" PRId64, busy > 0 ? "," : "", json_object_get_int64(job));
        busy++;
    }
    buf_addf(&slots, "%zu/%zu", busy, n);
    add_cell(grid, &slots);
    add_cell(grid, &jobs);
    return busy > 0;
}

static void add_instance(struct grid *grid, json_t *instance, int64_t now_ms)
{
    autobuf struct buf cell = BUF_INIT;
    int64_t idle_since_ms = ask_number(instance, "idle_since_ms");
    bool busy;

    grid_add(grid, ask_text(instance, "id"));
    grid_add(grid, ask_text(instance, "runner"));
    grid_add(grid, ask_text(instance, "condition"));
    busy = add_slots(grid, instance);
    buf_addf(&cell, "%" PRId64, ask_number(instance, "uses"));
    if (ask_number(instance, "max_use_count") > 0)
        buf_addf(&cell, "/%" PRId64, ask_number(instance, "max_use_count"));
    add_cell(grid, &cell);
    ask_add_time(&cell, now_ms - ask_number(instance, "first_seen_ms"));
    add_cell(grid, &cell);
    if (!busy && idle_since_ms > 0)
        ask_add_time(&cell, now_ms - idle_since_ms);
    add_cell(grid, &cell);
    add_money(&cell, instance, "cost_micros");
    add_cell(grid, &cell);
    add_money(&cell, instance, "price_micros_hour");
    add_cell(grid, &cell);
    grid_add(grid, ask_text(instance, "reason_text"));
}

/* "3 instances (1 ready, 2 busy)" */
static void add_conditions(struct buf *out, json_t *runner)
{
    const char *before = " (";
    json_t *counts = NULL;

    buf_addf(out, "%" PRId64 " of %" PRId64 " instances", ask_number(runner, "instances"),
             ask_number(runner, "max_instances"));
    (void) json_opt_object(runner, "conditions", &counts, NULL);
    if (!counts || json_object_object_length(counts) == 0)
        return;
    json_object_object_foreach(counts, condition, count)
    {
        buf_addf(out, "%s%" PRId64 " %s", before, json_object_get_int64(count), condition);
        before = ", ";
    }
    buf_add_char(out, ')');
}

static void add_policy(struct buf *out, json_t *runner)
{
    json_t *policy = NULL;

    (void) json_opt_object(runner, "policy", &policy, NULL);
    if (policy)
        buf_addf(out, "; %s", ask_text(policy, "sentence"));
}

static void print_runner(json_t *runner, int64_t now_ms)
{
    int64_t waiting = ask_number(runner, "waiting");
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "%s: ", ask_text(runner, "name"));
    add_conditions(&line, runner);
    buf_addf(&line,
             ", %" PRId64 " of %" PRId64 " slots busy, %" PRId64 " job%s waiting, %" PRId64
             " ordered",
             ask_number(runner, "slots_busy"), ask_number(runner, "slots_total"), waiting,
             str_plural((uint64_t) waiting),
             ask_number(runner, "requested") + ask_number(runner, "pending"));
    add_policy(&line, runner);
    if (has(runner, "price_micros_hour")) {
        buf_add_str(&line, "; ");
        add_money(&line, runner, "price_micros_hour");
        buf_add_str(&line, " an hour");
    }
    if (has(runner, "drained_since_ms")) {
        buf_add_str(&line, "; ");
        ask_add_drained(&line, ask_number(runner, "drained_since_ms"), now_ms);
    }
    if (!ask_bool(runner, "ready"))
        buf_add_str(&line, "; takes no jobs");
    if (*ask_text(runner, "problem"))
        buf_addf(&line, "; %s", ask_text(runner, "problem"));
    ask_print_line(buf_str(&line));
}

static int print_fleet(json_t *report)
{
    struct grid grid = GRID(columns);
    autobuf struct buf table = BUF_INIT;
    int64_t now_ms = ask_number(report, "now_ms");
    size_t n;
    json_t *list = ask_list(report, "instances", &n);
    int r;

    for (size_t i = 0; i < n; i++)
        add_instance(&grid, json_object_array_get_idx(list, i), now_ms);
    r = grid_format(&grid, grid_terminal_width(), &table);
    grid_done(&grid);
    if (r < 0) {
        (void) fprintf(stderr, "flotilla: the table: out of memory\n");
        return 1;
    }
    if (n > 0)
        (void) printf("%s\n", buf_str(&table));
    list = ask_list(report, "runners", &n);
    for (size_t i = 0; i < n; i++)
        print_runner(json_object_array_get_idx(list, i), now_ms);
    return 0;
}

int cli_fleet(int argc, char **argv)
{
    static const struct ask_usage usage = {
        .text = "Usage: flotilla fleet [RUNNER] [--json] [--config FILE] [--state-dir DIR]\n"
                "Shows each instance with its slots, jobs, uses, age and cost, and each runner.\n",
        .takes_word = true,
    };
    struct ask_options options = { 0 };
    autojson json_t *request = json_frame("fleet"), *report = NULL;
    int r = ask_parse(argc, argv, &usage, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    (void) json_add_str(request, "name", options.word);
    if (ask_manager(&options, request, ASK_TIMEOUT_MS, &report) < 0)
        return 1;
    if (!options.json)
        return print_fleet(report);
    ask_print_json(report);
    return 0;
}
