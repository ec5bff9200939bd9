/* core/job/connect/ssh_libssh2_tunnel.c - ssh_tunnel.h on libssh2. 1.10 has no call for UNIX sockets, so both kinds of
 * channel are opened by their names, with what the protocol wants to know (PROTOCOL of OpenSSH, 2.4; RFC 4254, 7.2).
 *
 * The library opens one channel at a time, and cannot be told to forget one: another waits until the instance has
 * answered. It reads for a channel alone, so a relay has always one, in which nothing runs. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/ssh_libssh2.h"
#include "core/job/connect/ssh_tunnel.h"

#define ORIGIN "127.0.0.1" /* whom the instance is told that it connects for */

enum reason { PROHIBITED = 1, UNKNOWN_KIND = 3 };

struct ssh_tunnel {
    struct ssh_conn *conn;
    LIBSSH2_CHANNEL *channel;
    const char *kind;
    struct buf message; /* the library reads it until the instance has answered */
    char *command;      /* of a terminal */
    unsigned steps;     /* that are done, of a terminal's */
    bool decided;
};

static void add_u32(struct buf *out, size_t value)
{
    const unsigned char bytes[4] = { (unsigned char) (value >> 24), (unsigned char) (value >> 16),
                                     (unsigned char) (value >> 8), (unsigned char) value };

    buf_add(out, bytes, sizeof(bytes));
}

static void add_string(struct buf *out, const char *text)
{
    add_u32(out, strlen(text));
    buf_add_str(out, text);
}

static void set_kind(struct ssh_tunnel *tunnel, const struct ssh_target *target)
{
    if (target->command) {
        tunnel->kind = "session";
        tunnel->command = mem_strdup(target->command);
        return;
    }
    tunnel->kind = target->path ? "direct-streamlocal@openssh.com" : "direct-tcpip";
    add_string(&tunnel->message, target->path ? target->path : target->host);
    if (!target->path)
        add_u32(&tunnel->message, target->port);
    add_string(&tunnel->message, target->path ? "" : ORIGIN);
    add_u32(&tunnel->message, 0);
}

struct ssh_tunnel *ssh_tunnel_new(struct ssh_conn *conn, const struct ssh_target *target)
{
    struct ssh_tunnel *tunnel = mem_zero(sizeof(*tunnel));

    if (!tunnel)
        return NULL;
    tunnel->conn = conn;
    set_kind(tunnel, target);
    if (buf_error(&tunnel->message) == 0 && !target->command == !tunnel->command)
        return tunnel;
    ssh_tunnel_free(tunnel);
    return NULL;
}

static int refused(struct ssh_conn *conn, struct error *err)
{
    const struct ssh_refusal *refusal = &conn->packets.refusal;
    bool all = refusal->reason == PROHIBITED || refusal->reason == UNKNOWN_KIND;

    return error_set(err, all ? -EPERM : -ECONNREFUSED, "%s",
                     *refusal->words ? refusal->words : conn_why(conn));
}

/* Each of these returns the library's code. */
static int open_channel(struct ssh_tunnel *tunnel)
{
    struct ssh_conn *conn = tunnel->conn;

    tunnel->channel =
        libssh2_channel_open_ex(conn->session, tunnel->kind, (unsigned) strlen(tunnel->kind),
                                LIBSSH2_CHANNEL_WINDOW_DEFAULT, LIBSSH2_CHANNEL_PACKET_DEFAULT,
                                tunnel->message.data, (unsigned) tunnel->message.len);
    return tunnel->channel ? 0 : libssh2_session_last_errno(conn->session);
}

static int open_terminal(struct ssh_tunnel *tunnel)
{
    enum { TERMINAL, COMMAND, DONE };
    int r = 0;

    while (r == 0 && tunnel->steps < DONE) {
        if (tunnel->steps == TERMINAL)
            r = libssh2_channel_request_pty_ex(tunnel->channel, SSH_TERMINAL, strlen(SSH_TERMINAL),
                                               NULL, 0, SSH_TERMINAL_COLUMNS, SSH_TERMINAL_ROWS, 0,
                                               0);
        else
            r = libssh2_channel_process_startup(tunnel->channel, "exec", 4, tunnel->command,
                                                (unsigned) strlen(tunnel->command));
        tunnel->steps += r == 0;
    }
    return r;
}

static int open_all(struct ssh_tunnel *tunnel)
{
    int r = tunnel->channel ? 0 : open_channel(tunnel);

    return r == 0 && tunnel->command ? open_terminal(tunnel) : r;
}

int ssh_tunnel_open(struct ssh_tunnel *tunnel, struct error *err)
{
    struct ssh_conn *conn = tunnel->conn;
    int r;

    if (conn->opening_quiet || conn->packets.opening || (conn->opening && conn->opening != tunnel))
        return -EAGAIN;
    conn_allow(conn);
    if (!conn->opening)
        conn->packets.refusal = (struct ssh_refusal) { 0 };
    conn->opening = tunnel;
    r = open_all(tunnel);
    conn_flush(conn); /* the answer is awaited */
    if (r == LIBSSH2_ERROR_EAGAIN)
        return -EAGAIN;
    conn->opening = NULL;
    tunnel->decided = true;
    return r == 0 ? 0 : refused(conn, err);
}

size_t ssh_tunnel_room(struct ssh_tunnel *tunnel)
{
    if (libssh2_channel_eof(tunnel->channel) == 1 && ssh_tunnel_closed(tunnel))
        return 0;
    return conn_is_flushed(tunnel->conn) ? libssh2_channel_window_write(tunnel->channel) : 0;
}

ssize_t ssh_tunnel_send(struct ssh_tunnel *tunnel, const void *data, size_t len)
{
    ssize_t n = len > 0 ? libssh2_channel_write(tunnel->channel, data, len) : 0;

    return n == LIBSSH2_ERROR_EAGAIN ? 0 : n;
}

void ssh_tunnel_send_end(struct ssh_tunnel *tunnel)
{
    (void) libssh2_channel_send_eof(tunnel->channel);
}

size_t ssh_tunnel_take(struct ssh_tunnel *tunnel, void *data, size_t size)
{
    ssize_t n = libssh2_channel_read(tunnel->channel, data, size);

    return n > 0 ? (size_t) n : 0;
}

bool ssh_tunnel_ended(struct ssh_tunnel *tunnel)
{
    return libssh2_channel_eof(tunnel->channel) == 1;
}

bool ssh_tunnel_closed(struct ssh_tunnel *tunnel)
{
    return ssh_tunnel_ended(tunnel) && libssh2_channel_wait_closed(tunnel->channel) == 0;
}

bool ssh_tunnel_leave(struct ssh_tunnel *tunnel)
{
    if (!tunnel->decided && ssh_tunnel_open(tunnel, NULL) == -EAGAIN)
        return false;
    conn_allow(tunnel->conn);
    if (tunnel->channel && libssh2_channel_free(tunnel->channel) == LIBSSH2_ERROR_EAGAIN) {
        conn_flush(tunnel->conn);
        return false;
    }
    tunnel->channel = NULL;
    ssh_tunnel_free(tunnel);
    return true;
}

/* Its channel goes with the session. */
void ssh_tunnel_free(struct ssh_tunnel *tunnel)
{
    if (!tunnel)
        return;
    if (tunnel->conn->opening == tunnel)
        tunnel->conn->opening = NULL;
    buf_done(&tunnel->message);
    free(tunnel->command);
    free(tunnel);
}

uint64_t ssh_tunnels_heard(const struct ssh_conn *conn)
{
    return conn->heard_bytes;
}

struct pollfd ssh_tunnels_poll(struct ssh_conn *conn)
{
    struct pollfd fd = { .fd = conn->hung_up ? -1 : conn->fd, .events = POLLIN };
    int one = 1;

    conn_flush(conn);
    if (!conn_is_flushed(conn))
        fd.events |= POLLOUT;
    (void) setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
    return fd;
}

static void open_quiet(struct ssh_conn *conn)
{
    conn->quiet = libssh2_channel_open_session(conn->session);
    conn->opening_quiet =
        !conn->quiet && libssh2_session_last_errno(conn->session) == LIBSSH2_ERROR_EAGAIN;
}

/* What came before the other side hung up is in memory for the streams; behind it there is nothing. */
int ssh_tunnels_serve(struct ssh_conn *conn, struct error *err)
{
    char nothing[64];
    bool is_last = conn->hung_up;

    conn_flush(conn);
    conn_allow(conn);
    buf_clear(&conn->packets.segments); /* for commands */
    if (!conn->quiet && !conn->opening)
        open_quiet(conn);
    if (conn->quiet)
        (void) libssh2_channel_read(conn->quiet, nothing, sizeof(nothing));
    return is_last ? conn_lost(conn, err, "relaying") : conn_keep_alive(conn, err);
}
