/* core/job/connect/ssh_libssh.h - what the two files of the libssh back end share: the connection and
 * its wait. ssh_libssh.c connects and logs in, ssh_libssh_exec.c runs commands.
 */
#pragma once

#include <libssh/libssh.h>

#include "core/base/clock.h"
#include "core/job/connect/ssh.h"

#define WATCH_MS 250 /* the longest single wait */

struct ssh_conn {
    ssh_session session;
    ssh_event event; /* handles what came in, whatever the state of a channel */
    int fd;
    struct ssh_watch watch;
    int64_t keepalive_ms, last_traffic_ms;
    bool broken;
};

static inline int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

/* Waits until the connection can go on (1), a moment has passed (0), the deadline has (-ETIMEDOUT;
 * 0 = none) or the watch stops us (its code). */
int wait_session(struct ssh_conn *conn, int64_t deadline);
