/* core/job/connect/relay.h - sockets and ports of an instance as local streams, many over its one SSH connection: to what
 * makes VMs there, and to a VM's sshd (architecture.md §5).
 *
 * Nothing runs by itself: what goes through is moved by every remote_wait() whose watch names the relay, so a process that
 * has one waits by that function alone. Everything that comes is hostile, and so may be whoever holds a stream's end.
 */
#pragma once

#include <poll.h>

#include "core/job/connect/ssh.h"

#define RELAY_STREAMS 16
#define RELAY_FDS (RELAY_STREAMS + 1)

struct relay;
/* Takes the connection, on which nothing else is done any more. */
int relay_new(struct ssh_conn *conn, struct relay **ret, struct error *err);
void relay_free(struct relay *relay); /* closes it all; accepts NULL */

/* A stream to "unix:/PATH" or "tcp:HOST:PORT" as the instance sees it, an IPv6 address in brackets. *ret_fd does not
 * block and is the caller's. Waits with the watch, whose relay this is. -EINVAL: no such address; -ECONNREFUSED: the
 * instance cannot connect there; -EPERM: it may not; -EPIPE: its connection is lost; -ETIMEDOUT, or the watch's code. */
int relay_dial(struct relay *relay, const struct remote_watch *watch, const char *address,
               int64_t deadline_mono_ms, int *ret_fd, struct error *err);

/* 0, or -EPIPE with the sentence why the instance's connection is lost; then all streams have ended. */
int relay_lost(const struct relay *relay, struct error *err);

/* For remote_wait(): what to poll, RELAY_FDS at most, and whether there is something to do at once; and moving what came. */
size_t relay_poll(struct relay *relay, struct pollfd *fds, bool *ret_at_once);
void relay_serve(struct relay *relay);
