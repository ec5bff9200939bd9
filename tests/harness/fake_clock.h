/* tests/harness/fake_clock.h - a clock that stands still until told otherwise. */
#pragma once

#include "core/base/clock.h"

struct clock_fake {
    struct clock clock;
    int64_t mono, wall;
};
void clock_fake_init(struct clock_fake *fake, int64_t wall_ms);
void clock_fake_advance(struct clock_fake *fake, int64_t ms);
