/* nestingd/call.c - see call.h. */
#include "nestingd/call.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/str.h"

static int64_t in_ms(int64_t ms)
{
    int64_t now = clock_mono_ms(&clock_system);

    return ms > INT64_MAX - now ? INT64_MAX : now + ms;
}

struct call call_fresh(int64_t ms)
{
    return (struct call) { .deadline_mono_ms = in_ms(ms), .cancel_fd = -1 };
}

struct call call_within(const struct call *call, int64_t ms)
{
    struct call ret = *call;

    ret.deadline_mono_ms = MIN(ret.deadline_mono_ms, in_ms(ms));
    return ret;
}

static int64_t until(int64_t end, int64_t now)
{
    return end > now ? end - now : 0;
}

/* The clock is read once for each decision: between two looks it may go on, and a wait of -1 ms has no end. Who comes
 * behind its deadline gets nothing more, be it ready: a peer that says more and more would keep it for ever. */
int call_poll(const struct call *call, struct pollfd *fds, nfds_t n, int64_t most_ms,
              struct error *err)
{
    int64_t end = most_ms < 0 ? INT64_MAX : in_ms(most_ms), now = in_ms(0);

    for (;;) {
        int64_t wait = until(MIN(call->deadline_mono_ms, end), now);
        int r;

        fds[0] = (struct pollfd) { .fd = call->cancel_fd, .events = POLLIN };
        r = poll(fds, n, wait > INT_MAX ? -1 : (int) wait);
        if (r < 0 && errno != EINTR)
            return error_errno(err, -errno, "poll");
        if (r > 0 && fds[0].revents)
            return error_set(err, -ECANCELED, "the call was cancelled");
        if (r > 0 && now < call->deadline_mono_ms)
            return r;
        now = in_ms(0);
        if (now >= call->deadline_mono_ms)
            return error_set(err, -ETIMEDOUT, "the time for it is over");
        if (now >= end)
            return 0;
    }
}

int call_ended(const struct call *call, struct error *err)
{
    struct pollfd own[1];

    return call_poll(call, own, 1, 0, err);
}

int call_sleep(const struct call *call, int64_t ms, struct error *err)
{
    struct pollfd own[1];

    return call_poll(call, own, 1, ms, err);
}
