/* core/base/clock.c - the system's clocks and one that tests move by hand (clock.h). */
#include "core/base/clock.h"

#include <stddef.h>
#include <time.h>

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
    return read_ms(CLOCK_REALTIME);
}

const struct clock clock_system = { system_mono_ms, system_wall_ms, NULL };

static int64_t fake_mono_ms(void *ctx)
{
    return ((struct clock_fake *) ctx)->mono;
}

static int64_t fake_wall_ms(void *ctx)
{
    return ((struct clock_fake *) ctx)->wall;
}

void clock_fake_init(struct clock_fake *fake, int64_t wall_ms)
{
    fake->clock = (struct clock) { fake_mono_ms, fake_wall_ms, fake };
    fake->mono = 1;
    fake->wall = wall_ms;
}

void clock_fake_advance(struct clock_fake *fake, int64_t ms)
{
    fake->mono += ms;
    fake->wall += ms;
}
