/* core/supervisor/turns.h - how long the turns of the loop take: all that is answered from it waits for as long.
 * `flotilla status --json` shows it, and bench/thousand.py.
 */
#pragma once

#include <uv.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/web/metrics.h"

struct turns;

/* What a turn does is counted, not what it waits for. */
int turns_start(uv_loop_t *loop, struct turns **ret, struct error *err);
void turns_stop(struct turns *turns); /* accepts NULL; gone when the loop turns next */

/* A turn that did something for so long. */
void turns_note(struct turns *turns, uint64_t busy_ns);
/* The time within which `percent` of all turns were done, rounded up to a bound, in ms. */
int64_t turns_percentile_ms(const struct turns *turns, unsigned percent);
/* All of them, in seconds, for metrics. */
const struct metrics_histogram *turns_histogram(const struct turns *turns);
/* {"turns":N,"p50_ms":…,"p99_ms":…,"max_ms":…}; NULL without memory. */
json_t *turns_describe(const struct turns *turns);
