/* clock.c - the provider's clocks, and waiting within a call. */

#include "local.h"

#include <poll.h>
#include <time.h>

static int64_t clock_ms(clockid_t id)
{
    struct timespec now;

    (void) clock_gettime(id, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_boot_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int32_t call_wait(const struct flt_host *host, flt_call *call, int timeout_ms)
{
    int64_t left = host->time_left_ms(call);
    struct pollfd cancel = { .fd = host->cancel_fd(call), .events = POLLIN };

    if (left > 0 && left < timeout_ms)
        timeout_ms = (int) left;
    if (left > 0)
        (void) poll(&cancel, 1, timeout_ms);
    return flt_call_ended(host, call);
}
