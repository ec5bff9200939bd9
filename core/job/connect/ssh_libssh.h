/* core/job/connect/ssh_libssh.h - what the files of the libssh back end share: the connection and its
 * wait. ssh_libssh.c connects, ssh_libssh_auth.c logs in, ssh_libssh_exec.c runs commands, ssh_libssh_tunnel.c leads to
 * sockets of the instance.
 */
#pragma once

#include <libssh/libssh.h>

#include "core/job/connect/remote_wait.h"
#include "core/job/connect/ssh_pulse.h"

struct ssh_conn {
    ssh_session session;
    ssh_event event;  /* handles what came in, whatever the state of a channel */
    ssh_channel left; /* of a command that was stopped */
    int fd;
    struct remote_watch watch;
    struct ssh_counter_struct traffic; /* counted by the library */
    uint64_t heard_bytes;
    struct ssh_pulse pulse;
    bool broken;
};

/* Whatever came proves that the other side lives. */
static inline void note_traffic(struct ssh_conn *conn)
{
    if (conn->traffic.in_bytes == conn->heard_bytes)
        return;
    conn->heard_bytes = conn->traffic.in_bytes;
    ssh_pulse_heard(&conn->pulse);
}

/* remote_wait() for the connection and others. */
int wait_session(struct ssh_conn *conn, const struct pollfd *others, size_t n, int64_t deadline);

/* -EPIPE with a sentence: nothing goes either way any more. */
int conn_lost(struct ssh_conn *conn, struct error *err, const char *doing);
/* Sends a keepalive when one is due; -EPIPE with a sentence when too many were not answered. */
int conn_keep_alive(struct ssh_conn *conn, struct error *err);

/* Logs in with what the options hold; -EACCES with a sentence when the instance refuses it all. */
int session_authenticate(struct ssh_conn *conn, const struct remote_options *options,
                         int64_t deadline, struct error *err);
