/* core/job/connect/remote_wait.c - see the header. */
#include "core/job/connect/remote_wait.h"

#include <errno.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/connect/pty.h"
#include "core/job/connect/relay.h"

#define WATCH_MS 250 /* the longest single wait */

int remote_may_go_on(const struct remote_watch *watch, int64_t deadline)
{
    if (deadline > 0 && now_ms() >= deadline)
        return -ETIMEDOUT;
    return watch->poll_control ? watch->poll_control(watch->arg) : 0;
}

/* The control descriptor is asked for after poll_control, which may have closed it or opened another. */
int remote_wait(const struct remote_watch *watch, const struct pollfd *fds, size_t n,
                int64_t deadline)
{
    struct pollfd all[1 + REMOTE_WAIT_FDS + RELAY_FDS + PTY_FDS];
    int64_t left = WATCH_MS;
    int r = remote_may_go_on(watch, deadline);
    size_t relayed = 0;
    bool at_once = false;

    if (r < 0)
        return r;
    all[0] = (struct pollfd) { .fd = -1, .events = POLLIN };
    if (watch->control_fd)
        all[0].fd = watch->control_fd(watch->arg);
    n = MIN(n, (size_t) REMOTE_WAIT_FDS);
    for (size_t i = 0; i < n; i++)
        all[i + 1] = fds[i];
    if (watch->relay)
        relayed = relay_poll(watch->relay, all + 1 + n, &at_once);
    if (watch->pty)
        relayed += pty_poll(watch->pty, all + 1 + n + relayed, &left);
    if (at_once)
        left = 0;
    else if (deadline > 0)
        left = MAX(MIN(left, deadline - now_ms()), (int64_t) 0);
    if (poll(all, 1 + n + relayed, (int) left) < 0)
        return errno == EINTR ? 0 : -errno;
    if (watch->relay)
        relay_serve(watch->relay);
    for (size_t i = 1; i <= n; i++)
        if (all[i].revents != 0)
            return 1;
    return 0;
}
