/* core/store/timeline.h - the time that rows are written by and stored deadlines are judged by: wall
 * time that no step of the system's clock touches (hardening.md R12).
 *
 * It is the wall clock at the first start in this boot, going on with the monotonic clock, over
 * restarts too: DIR/clock holds the boot's id and the difference. In another boot it starts anew
 * from the wall clock.
 */
#pragma once

#include "core/base/clock.h"
#include "core/base/error.h"

struct timeline {
    struct clock clock;
    const struct clock *source;
    int64_t base_ms; /* wall time at 0 of the monotonic clock */
};

/* Usable also after a failure, which means that it holds for this run only. `timeline` must not be
 * moved afterwards. */
int timeline_open(struct timeline *timeline, int dir_fd, const struct clock *source,
                  struct error *err);
