/* core/base/clock.c - the clocks of the system (clock.h). */
#include "core/base/clock.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "core/base/fault.h"

static int64_t read_ms(clockid_t id)
{
    struct timespec now;

    (void) clock_gettime(id, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_mono_ms(void *ctx)
{
    (void) ctx;
    return read_ms(CLOCK_MONOTONIC);
}

static int64_t system_wall_ms(void *ctx)
{
    (void) ctx;
    return fault_wall_ms(read_ms(CLOCK_REALTIME));
}

const struct clock clock_system = { system_mono_ms, system_wall_ms, NULL };

void clock_sleep_ms(int64_t ms)
{
    struct timespec left = { .tv_sec = (time_t) (ms / 1000), .tv_nsec = ms % 1000 * 1000000 };

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}
