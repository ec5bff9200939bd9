/* sdk/lib/watch.c - see watch.h. */
#include "sdk/lib/watch.h"

#include <limits.h>
#include <poll.h>
#include <time.h>

static int64_t call_time_left_ms(void *arg)
{
    const struct flt_call_watch *of = arg;

    return of->host->time_left_ms(of->call);
}

static int call_cancel_fd(void *arg)
{
    const struct flt_call_watch *of = arg;

    return of->host->cancel_fd(of->call);
}

struct flt_watch flt_watch_call(struct flt_call_watch *of)
{
    return (struct flt_watch) { call_time_left_ms, call_cancel_fd, of };
}

int64_t flt_watch_left_ms(const struct flt_watch *watch)
{
    int64_t left;

    if (!watch || !watch->time_left_ms)
        return INT64_MAX;
    left = watch->time_left_ms(watch->arg);
    return left > 0 ? left : 0;
}

int flt_watch_cancel_fd(const struct flt_watch *watch)
{
    return watch && watch->cancel_fd ? watch->cancel_fd(watch->arg) : -1;
}

/* 1 when somebody cancels within that time. A descriptor that is none reads as cancelled, too: whoever
 * closed it no longer waits. */
static int is_cancelled_within(const struct flt_watch *watch, int ms)
{
    struct pollfd cancel = { .fd = flt_watch_cancel_fd(watch), .events = POLLIN };

    return poll(&cancel, 1, ms) > 0;
}

int32_t flt_watch_ended(const struct flt_watch *watch)
{
    if (is_cancelled_within(watch, 0))
        return FLT_E_CANCELLED;
    return flt_watch_left_ms(watch) > 0 ? FLT_OK : FLT_E_TIMEOUT;
}

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    (void) clock_gettime(clock, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t flt_monotonic_ms(void)
{
    return now_ms(CLOCK_MONOTONIC);
}

int64_t flt_wall_ms(void)
{
    return now_ms(CLOCK_REALTIME);
}

int32_t flt_watch_sleep(const struct flt_watch *watch, int64_t ms)
{
    int64_t start = flt_monotonic_ms();
    int32_t r = flt_watch_ended(watch);

    while (r == FLT_OK) {
        int64_t rest = ms - (flt_monotonic_ms() - start), left = flt_watch_left_ms(watch);

        if (rest <= 0)
            break;
        if (left < rest)
            rest = left;
        (void) is_cancelled_within(watch, rest < INT_MAX ? (int) rest : INT_MAX);
        r = flt_watch_ended(watch);
    }
    return r;
}
