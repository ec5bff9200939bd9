/* core/job/connect/ssh_backend.h - what a back end does for ssh_open() (ssh.c), one session over a connection that
 * is there, and the deadlines that both keep. The rest of ssh.h it implements itself.
 */
#pragma once

#include "core/job/connect/ssh.h"

/* The deadlines of what begins now, none behind that of the whole (hardening.md N6). */
struct ssh_handshake_deadlines {
    int64_t greeting, whole;
};
struct ssh_handshake_deadlines ssh_handshake_deadlines(int64_t deadline);
int64_t ssh_auth_deadline(int64_t deadline);
int64_t ssh_channel_deadline(void);

/* Handshake, host key, authentication. `fd` becomes the connection's whatever happens. */
int ssh_start(const struct remote_options *options, int fd, int64_t deadline, struct ssh_conn **ret,
              struct error *err);
