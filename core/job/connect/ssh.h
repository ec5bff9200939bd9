/* core/job/connect/ssh.h - one SSH connection to an instance, as remote.h has it; called through that, and by relay.c.
 *
 * The back end, libssh or libssh2, is chosen at build time; ssh.c and its neighbours are what both share. Only we
 * open channels.
 */
#pragma once

#include "core/job/connect/remote.h"

struct ssh_conn;
int ssh_open(const struct remote_options *options, struct ssh_conn **ret, struct error *err);
/* Replaces what later waits watch. */
void ssh_set_watch(struct ssh_conn *conn, struct remote_watch watch);
void ssh_close(struct ssh_conn *conn); /* bounded time; accepts NULL */

/* As remote_exec(); the channel closed after an exit status or signal (N7). */
int ssh_exec(struct ssh_conn *conn, const struct remote_exec *exec, struct remote_exit *ret,
             struct error *err);

/* Waits between two commands: the instance is asked whether it lives, and answered when it asks, or it
 * would take us for dead. 0 when the time has come; else as ssh_exec(). */
int ssh_idle(struct ssh_conn *conn, int64_t until_mono_ms, struct error *err);

/* Whether the instance still answers: opens a channel, in which nothing runs. 0, or as ssh_exec(). */
int ssh_prove(struct ssh_conn *conn, struct error *err);

void ssh_library_warm_up(void);
