/* tests/harness/fake_clock.c - see fake_clock.h. */
#include "tests/harness/fake_clock.h"

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
