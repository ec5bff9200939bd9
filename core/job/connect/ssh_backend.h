/* core/job/connect/ssh_backend.h - what a back end does for ssh_open() (ssh.c): one session over a connection that
 * is there. The rest of ssh.h it implements itself.
 */
#pragma once

#include "core/job/connect/ssh.h"

/* hardening.md N6 */
#define SSH_BANNER_MS 10000
#define SSH_HANDSHAKE_MS 20000
#define SSH_AUTH_MS 20000
#define SSH_CHANNEL_MS 10000

/* Handshake, host key, authentication. `fd` becomes the connection's whatever happens. */
int ssh_start(const struct ssh_options *options, int fd, int64_t deadline, struct ssh_conn **ret,
              struct error *err);
