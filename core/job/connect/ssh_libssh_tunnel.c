/* core/job/connect/ssh_libssh_tunnel.c - ssh_tunnel.h on libssh: what comes is in the library, a window's worth of each
 * channel, until it is taken. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/ssh_libssh.h"
#include "core/job/connect/ssh_tunnel.h"

struct ssh_tunnel {
    struct ssh_conn *conn;
    ssh_channel channel;
    char *path, *host, *command;
    int port;
    unsigned steps; /* that are done, of a terminal's */
    bool decided;   /* open, or refused */
};

struct ssh_tunnel *ssh_tunnel_new(struct ssh_conn *conn, const struct ssh_target *target)
{
    struct ssh_tunnel *tunnel = mem_zero(sizeof(*tunnel));

    if (!tunnel)
        return NULL;
    tunnel->conn = conn;
    tunnel->port = target->port;
    tunnel->path = target->path ? mem_strdup(target->path) : NULL;
    tunnel->host = target->host ? mem_strdup(target->host) : NULL;
    tunnel->command = target->command ? mem_strdup(target->command) : NULL;
    tunnel->channel = ssh_channel_new(conn->session);
    if (tunnel->channel && (tunnel->path || tunnel->host || tunnel->command))
        return tunnel;
    ssh_tunnel_free(tunnel);
    return NULL;
}

/* "Channel opening failure: channel 43 error (2) Connection refused"; the number is SSH's reason. */
static int refused(const char *why, struct error *err)
{
    const char *reason = strstr(why, "error ("), *words = reason ? strchr(reason, ')') : NULL;
    int code = -ECONNREFUSED;

    /* Prohibited, an unknown kind of channel; the library asks OpenSSH alone for one to a UNIX socket. */
    if ((reason && strchr("13", reason[strlen("error (")])) || strstr(why, "OpenSSH"))
        code = -EPERM;
    words = words ? words + 1 + strspn(words + 1, " ") : why;
    return error_set(err, code, "%.80s", words);
}

static int open_terminal(struct ssh_tunnel *tunnel)
{
    enum { CHANNEL, TERMINAL, COMMAND, DONE };
    int r = SSH_OK;

    while (r == SSH_OK && tunnel->steps < DONE) {
        if (tunnel->steps == CHANNEL)
            r = ssh_channel_open_session(tunnel->channel);
        else if (tunnel->steps == TERMINAL)
            r = ssh_channel_request_pty_size(tunnel->channel, SSH_TERMINAL, SSH_TERMINAL_COLUMNS,
                                             SSH_TERMINAL_ROWS);
        else
            r = ssh_channel_request_exec(tunnel->channel, tunnel->command);
        tunnel->steps += r == SSH_OK;
    }
    return r;
}

static int open_channel(struct ssh_tunnel *tunnel)
{
    if (tunnel->command)
        return open_terminal(tunnel);
    return tunnel->path
               ? ssh_channel_open_forward_unix(tunnel->channel, tunnel->path, "127.0.0.1", 0)
               : ssh_channel_open_forward(tunnel->channel, tunnel->host, tunnel->port, "127.0.0.1",
                                          0);
}

int ssh_tunnel_open(struct ssh_tunnel *tunnel, struct error *err)
{
    int r = open_channel(tunnel);

    if (r == SSH_AGAIN)
        return -EAGAIN;
    tunnel->decided = true;
    return r == SSH_OK ? 0 : refused(ssh_get_error(tunnel->conn->session), err);
}

/* The library buffers what the socket does not take, whatever the size of the window that the server grants. */
size_t ssh_tunnel_room(struct ssh_tunnel *tunnel)
{
    if (ssh_channel_is_closed(tunnel->channel) ||
        (ssh_get_poll_flags(tunnel->conn->session) & SSH_WRITE_PENDING))
        return 0;
    return ssh_channel_window_size(tunnel->channel);
}

ssize_t ssh_tunnel_send(struct ssh_tunnel *tunnel, const void *data, size_t len)
{
    int n = len > 0 ? ssh_channel_write(tunnel->channel, data, (uint32_t) len) : 0;

    return n == SSH_AGAIN ? 0 : n;
}

void ssh_tunnel_send_end(struct ssh_tunnel *tunnel)
{
    (void) ssh_channel_send_eof(tunnel->channel);
}

size_t ssh_tunnel_take(struct ssh_tunnel *tunnel, void *data, size_t size)
{
    int n = ssh_channel_read_nonblocking(tunnel->channel, data, (uint32_t) size, 0);

    return n > 0 ? (size_t) n : 0;
}

bool ssh_tunnel_ended(struct ssh_tunnel *tunnel)
{
    return ssh_channel_is_eof(tunnel->channel) || ssh_tunnel_closed(tunnel);
}

/* Asked for what there is, a channel that has been closed says no number. */
bool ssh_tunnel_closed(struct ssh_tunnel *tunnel)
{
    return ssh_channel_is_closed(tunnel->channel) && ssh_channel_poll(tunnel->channel, 0) <= 0;
}

/* The answer to an open that is under way must find its channel. */
bool ssh_tunnel_leave(struct ssh_tunnel *tunnel)
{
    if (!tunnel->decided && ssh_tunnel_open(tunnel, NULL) == -EAGAIN)
        return false;
    ssh_tunnel_free(tunnel);
    return true;
}

void ssh_tunnel_free(struct ssh_tunnel *tunnel)
{
    if (!tunnel)
        return;
    if (tunnel->channel)
        ssh_channel_free(tunnel->channel);
    free(tunnel->path);
    free(tunnel->host);
    free(tunnel->command);
    free(tunnel);
}

uint64_t ssh_tunnels_heard(const struct ssh_conn *conn)
{
    return conn->traffic.in_bytes;
}

struct pollfd ssh_tunnels_poll(struct ssh_conn *conn)
{
    struct pollfd fd = { .fd = conn->fd, .events = POLLIN };
    int one = 1;

    if (ssh_get_poll_flags(conn->session) & SSH_WRITE_PENDING)
        fd.events |= POLLOUT;
    (void) setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
    return fd;
}

int ssh_tunnels_serve(struct ssh_conn *conn, struct error *err)
{
    (void) ssh_event_dopoll(conn->event, 0);
    note_traffic(conn);
    if (!ssh_is_connected(conn->session))
        return conn_lost(conn, err, "relaying");
    return conn_keep_alive(conn, err);
}
