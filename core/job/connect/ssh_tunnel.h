/* core/job/connect/ssh_tunnel.h - channels that lead to sockets of the instance, or to a terminal there, several at once
 * on one connection; what each back end does for relay.c and pty.c. Nothing here waits.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/job/connect/ssh.h"

/* A UNIX socket where there is a path, a TCP port where there is a host, all as the instance sees them; else a command
 * with a terminal of its own. */
struct ssh_target {
    const char *path, *host, *command;
    uint16_t port;
};

/* The terminal's kind and size. No protocol that reaches us tells another. */
#define SSH_TERMINAL "xterm-256color"
#define SSH_TERMINAL_COLUMNS 80
#define SSH_TERMINAL_ROWS 24

struct ssh_tunnel;
/* Copies the target; NULL when memory is short. */
struct ssh_tunnel *ssh_tunnel_new(struct ssh_conn *conn, const struct ssh_target *target);
/* 0 once it is open; -EAGAIN = ask again when something came; -ECONNREFUSED with the instance's words when it does not
 * open it; -EPERM when it opens none of this kind. */
int ssh_tunnel_open(struct ssh_tunnel *tunnel, struct error *err);
/* How much may be sent now, and sending it: returns how much was, which may be less. Negative: it takes no more. */
size_t ssh_tunnel_room(struct ssh_tunnel *tunnel);
ssize_t ssh_tunnel_send(struct ssh_tunnel *tunnel, const void *data, size_t len);
/* Nothing more will be sent. */
void ssh_tunnel_send_end(struct ssh_tunnel *tunnel);
/* How much came; 0 = nothing now. What is not taken is held back by the instance, a window's worth aside. */
size_t ssh_tunnel_take(struct ssh_tunnel *tunnel, void *data, size_t size);
/* Everything was taken, and nothing more will come. */
bool ssh_tunnel_ended(struct ssh_tunnel *tunnel);
/* The instance has closed it, and everything was taken. */
bool ssh_tunnel_closed(struct ssh_tunnel *tunnel);
/* Closes it, whatever its state; true once it is gone, else it is to be called again when something came. */
bool ssh_tunnel_leave(struct ssh_tunnel *tunnel);
/* With its connection: at once. */
void ssh_tunnel_free(struct ssh_tunnel *tunnel);

/* How many bytes came on the connection so far: whether one of the calls above read what is not its own. */
uint64_t ssh_tunnels_heard(const struct ssh_conn *conn);

/* The connection itself, between two waits. What it waits for: */
struct pollfd ssh_tunnels_poll(struct ssh_conn *conn);
/* Deals with what came; keepalives go out and are answered. 0, or -EPIPE with a sentence when it is lost. */
int ssh_tunnels_serve(struct ssh_conn *conn, struct error *err);
