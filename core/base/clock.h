/* core/base/clock.h - time as an interface, so that tests and the simulator bring their own.
 *
 * Intervals are measured with mono_ms; what is stored is wall_ms (hardening.md R12).
 */
#pragma once

#include <stdint.h>

struct clock {
    int64_t (*mono_ms)(void *ctx);
    int64_t (*wall_ms)(void *ctx);
    void *ctx;
};

extern const struct clock clock_system;

static inline int64_t clock_mono_ms(const struct clock *clock)
{
    return clock->mono_ms(clock->ctx);
}
static inline int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock->ctx);
}

void clock_sleep_ms(
    int64_t ms); /* to its end, whatever signals come; not on the supervisor's loop */
