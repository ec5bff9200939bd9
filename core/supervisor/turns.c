/* core/supervisor/turns.c - a histogram of the loop's turns (turns.h).
 *
 * libuv calls back for descriptors from within its wait, so the time between two hooks says nothing by itself: what
 * libuv counts as idle is taken off. */
#include "core/supervisor/turns.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define NS_MS UINT64_C(1000000)

static const int64_t bounds_ms[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000 };

/* The same in seconds. */
static const double bounds[] = {
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10
};

struct turns {
    uv_check_t check;
    uint64_t last_ns, last_idle_ns, max_ns;
    struct metrics_histogram seconds;
};

void turns_note(struct turns *turns, uint64_t busy_ns)
{
    metrics_observe(&turns->seconds, (double) busy_ns / 1e9);
    turns->max_ns = MAX(turns->max_ns, busy_ns);
}

static void on_turn(uv_check_t *check)
{
    struct turns *turns = check->data;
    uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(check->loop);
    uint64_t took = now - turns->last_ns, waited = idle - turns->last_idle_ns;

    turns->last_ns = now;
    turns->last_idle_ns = idle;
    turns_note(turns, took > waited ? took - waited : 0);
}

int turns_start(uv_loop_t *loop, struct turns **ret, struct error *err)
{
    struct turns *turns = mem_zero(sizeof(*turns));

    if (!turns)
        return error_set(err, -ENOMEM, "the loop's turns: out of memory");
    metrics_histogram_init(&turns->seconds, bounds, ARRAY_LEN(bounds));
    (void) uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    turns->last_ns = uv_hrtime();
    turns->last_idle_ns = uv_metrics_idle_time(loop);
    (void) uv_check_init(loop, &turns->check);
    turns->check.data = turns;
    (void) uv_check_start(&turns->check, on_turn);
    uv_unref((uv_handle_t *) &turns->check);
    *ret = turns;
    return 0;
}

const struct metrics_histogram *turns_histogram(const struct turns *turns)
{
    return &turns->seconds;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void turns_stop(struct turns *turns)
{
    if (turns)
        uv_close((uv_handle_t *) &turns->check, on_closed);
}

static int64_t max_ms(const struct turns *turns)
{
    return (int64_t) ((turns->max_ns + NS_MS - 1) / NS_MS);
}

int64_t turns_percentile_ms(const struct turns *turns, unsigned percent)
{
    uint64_t wanted = (metrics_count(&turns->seconds) * percent + 99) / 100, seen = 0;

    for (size_t i = 0; i < ARRAY_LEN(bounds_ms); i++) {
        seen += turns->seconds.counts[i];
        if (seen >= wanted)
            return MIN(bounds_ms[i], max_ms(turns));
    }
    return max_ms(turns);
}

json_t *turns_describe(const struct turns *turns)
{
    json_t *obj = json_object_new_object();

    if (!obj)
        return NULL;
    (void) json_add_i64(obj, "turns", (int64_t) metrics_count(&turns->seconds));
    (void) json_add_i64(obj, "p50_ms", turns_percentile_ms(turns, 50));
    (void) json_add_i64(obj, "p99_ms", turns_percentile_ms(turns, 99));
    (void) json_add_i64(obj, "max_ms", max_ms(turns));
    return obj;
}
