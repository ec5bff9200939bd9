/* core/job/connect/remote_wait.h - the one way in which a connection waits: for descriptors, and with them for the
 * worker's control descriptor and for a deadline of ours (hardening.md N6).
 */
#pragma once

#include <poll.h>

#include "core/base/clock.h"
#include "core/job/connect/remote.h"

#define REMOTE_WAIT_FDS 4

static inline int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

/* 0; -ETIMEDOUT behind the deadline (0 = none), or the watch's code. */
int remote_may_go_on(const struct remote_watch *watch, int64_t deadline);
/* Moves the watch's relay meanwhile. Waits until one of the `n` descriptors (REMOTE_WAIT_FDS at most) is ready (1) or a moment has passed (0); else as
 * remote_may_go_on(). */
int remote_wait(const struct remote_watch *watch, const struct pollfd *fds, size_t n,
                int64_t deadline);
