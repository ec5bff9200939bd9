/* core/job/connect/ssh_wait.c - see the header. */
#include "core/job/connect/ssh_wait.h"

#include <errno.h>
#include <string.h>

#include "core/base/str.h"

#define WATCH_MS 250 /* the longest single wait */

int ssh_may_go_on(const struct ssh_watch *watch, int64_t deadline)
{
    if (deadline > 0 && now_ms() >= deadline)
        return -ETIMEDOUT;
    return watch->poll_control ? watch->poll_control(watch->arg) : 0;
}

/* The control descriptor is asked for after poll_control, which may have closed it or opened another. */
int ssh_wait(const struct ssh_watch *watch, const struct pollfd *fds, size_t n, int64_t deadline)
{
    struct pollfd all[SSH_WAIT_FDS + 1];
    int64_t left = WATCH_MS;
    int r = ssh_may_go_on(watch, deadline), ready;

    if (r < 0)
        return r;
    all[0] = (struct pollfd) { .fd = -1, .events = POLLIN };
    if (watch->control_fd)
        all[0].fd = watch->control_fd(watch->arg);
    n = MIN(n, (size_t) SSH_WAIT_FDS);
    for (size_t i = 0; i < n; i++)
        all[i + 1] = fds[i];
    if (deadline > 0)
        left = MAX(MIN(left, deadline - now_ms()), (int64_t) 0);
    ready = poll(all, n + 1, (int) left);
    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    return ready > (all[0].revents != 0) ? 1 : 0;
}
