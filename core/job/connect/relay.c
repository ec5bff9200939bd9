/* core/job/connect/relay.c - see the header. A stream is a pair of sockets, of which the relay keeps one end, and a channel;
 * each half of it ends on its own. */
#include "core/job/connect/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/fault.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/ssh_tunnel.h"

#define OPEN_MS 20000 /* one try: what drops our packets is asked again */
#define PIECE 32768
#define ROUNDS 16 /* in one turn, so that a busy stream keeps nobody waiting */

/* What one side gave and the other has not taken. */
struct half {
    size_t at, len;
    bool ended; /* and so has the other side been told */
    char data[PIECE];
};

struct stream {
    struct ssh_tunnel *tunnel;
    int fd; /* -1 = nobody is there any more: the channel is being closed */
    bool open;
    struct half out, in; /* to the instance, from there */
};

struct relay {
    struct ssh_conn *conn;
    struct stream *streams[RELAY_STREAMS];
    struct error lost;
    bool busy; /* the last turn left something to do */
};

int relay_new(struct ssh_conn *conn, struct relay **ret, struct error *err)
{
    struct relay *relay = mem_zero(sizeof(*relay));

    if (!relay)
        return error_set(err, -ENOMEM, "relay: out of memory");
    ssh_set_watch(conn, (struct remote_watch) { 0 });
    relay->conn = conn;
    *ret = relay;
    return 0;
}

static void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    if (stream->fd >= 0)
        (void) close(stream->fd);
    ssh_tunnel_free(stream->tunnel);
    free(stream);
}

void relay_free(struct relay *relay)
{
    if (!relay)
        return;
    for (size_t i = 0; i < RELAY_STREAMS; i++)
        stream_free(relay->streams[i]);
    ssh_close(relay->conn);
    free(relay);
}

int relay_lost(const struct relay *relay, struct error *err)
{
    return relay->lost.code == 0 ? 0 : error_set(err, -EPIPE, "%s", relay->lost.message);
}

/* The channel goes when the instance lets it. */
static void hang_up(struct stream *stream)
{
    (void) close(stream->fd);
    stream->fd = -1;
}

static bool for_later(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Both of these return whether something moved. While keys are exchanged nothing does, for as long as the instance
 * likes. */
static bool move_out(struct stream *stream)
{
    struct half *out = &stream->out;
    size_t room = ssh_tunnel_room(stream->tunnel);
    ssize_t n;

    if (out->ended || room == 0)
        return false;
    if (out->len == 0) {
        out->at = 0;
        n = io_read(stream->fd, out->data, MIN(room, sizeof(out->data)));
        if (n < 0 && for_later(errno))
            return false;
        out->ended = n <= 0;
        if (out->ended)
            ssh_tunnel_send_end(stream->tunnel);
        out->len = (size_t) MAX(n, (ssize_t) 0);
    }
    n = ssh_tunnel_send(stream->tunnel, out->data + out->at, MIN(out->len, room));
    out->len = n < 0 ? 0 : out->len - (size_t) n;
    out->at += (size_t) MAX(n, (ssize_t) 0);
    return out->ended || n != 0;
}

static bool move_in(struct stream *stream)
{
    struct half *in = &stream->in;
    ssize_t n;

    if (in->len == 0) {
        in->at = 0;
        in->len = ssh_tunnel_take(stream->tunnel, in->data, sizeof(in->data));
    }
    if (in->len > 0) {
        n = send(stream->fd, in->data + in->at, in->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && for_later(errno))
            return false;
        if (n < 0) {
            hang_up(stream);
            return true;
        }
        in->at += (size_t) n;
        in->len -= (size_t) n;
        return true;
    }
    if (!in->ended && ssh_tunnel_ended(stream->tunnel)) {
        in->ended = true;
        (void) shutdown(stream->fd, SHUT_WR);
    }
    return false;
}

/* Whoever had the other end has closed it, not only its sending half. */
static bool is_deserted(const struct stream *stream)
{
    struct pollfd there = { .fd = stream->fd };

    return stream->out.ended && poll(&there, 1, 0) > 0 && (there.revents & (POLLHUP | POLLERR));
}

static bool move(struct stream *stream)
{
    bool moved;

    if (stream->fd < 0 || !stream->open)
        return false;
    moved = move_out(stream);
    moved = move_in(stream) || moved;
    if (stream->fd >= 0 && (ssh_tunnel_closed(stream->tunnel) || is_deserted(stream)) &&
        stream->in.len == 0)
        hang_up(stream);
    return moved;
}

/* Streams end as if the instance had ended them. */
static void lose_all(struct relay *relay)
{
    for (size_t i = 0; i < RELAY_STREAMS; i++) {
        stream_free(relay->streams[i]);
        relay->streams[i] = NULL;
    }
}

static void drop_left(struct relay *relay)
{
    for (size_t i = 0; i < RELAY_STREAMS; i++) {
        struct stream *stream = relay->streams[i];

        if (!stream || stream->fd >= 0 || !ssh_tunnel_leave(stream->tunnel))
            continue;
        free(stream);
        relay->streams[i] = NULL;
    }
}

void relay_serve(struct relay *relay)
{
    relay->busy = relay->lost.code == 0;
    for (int round = 0; relay->busy && round < ROUNDS; round++) {
        relay->busy = false;
        if (ssh_tunnels_serve(relay->conn, &relay->lost) < 0) {
            lose_all(relay);
            return;
        }
        for (size_t i = 0; i < RELAY_STREAMS; i++)
            if (relay->streams[i])
                relay->busy = move(relay->streams[i]) || relay->busy;
        drop_left(relay);
    }
}

/* An end that is wanted for nothing is not polled: it would say again and again that it was hung up. */
static short events_of(const struct stream *stream)
{
    short events = 0;

    if (!stream->out.ended && stream->out.len == 0 && ssh_tunnel_room(stream->tunnel) > 0)
        events |= POLLIN;
    if (stream->in.len > 0)
        events |= POLLOUT;
    return events;
}

size_t relay_poll(struct relay *relay, struct pollfd *fds, bool *ret_at_once)
{
    size_t n = 0;

    *ret_at_once = relay->busy;
    if (relay->lost.code != 0)
        return 0;
    fds[n++] = ssh_tunnels_poll(relay->conn);
    for (size_t i = 0; i < RELAY_STREAMS; i++) {
        const struct stream *stream = relay->streams[i];

        if (!stream || stream->fd < 0 || !stream->open)
            continue;
        fds[n] = (struct pollfd) { .fd = stream->fd, .events = events_of(stream) };
        n += fds[n].events != 0 || stream->out.ended;
    }
    return n;
}

/* "HOST:PORT" or "[ADDRESS]:PORT"; `host` is a copy that is cut. */
static int parse_port(char *host, struct ssh_target *ret)
{
    char *colon = strrchr(host, ':');
    int64_t port;
    size_t len;

    if (!colon || parse_i64(colon + 1, 1, 65535, &port) < 0)
        return -EINVAL;
    *colon = '\0';
    len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        host++;
    } else if (len == 0 || strpbrk(host, ":[]")) {
        return -EINVAL;
    }
    *ret = (struct ssh_target) { .host = host, .port = (uint16_t) port };
    return 0;
}

static int parse_address(const char *address, char *copy, struct ssh_target *ret, struct error *err)
{
    int r = -EINVAL;

    if (str_starts(address, "unix:/")) {
        *ret = (struct ssh_target) { .path = address + strlen("unix:") };
        return 0;
    }
    if (str_starts(address, "tcp:"))
        r = parse_port(copy + strlen("tcp:"), ret);
    return r < 0 ? error_set(err, r,
                             "'%.200s' is no address of a socket: it must be unix:/PATH or "
                             "tcp:HOST:PORT",
                             address)
                 : 0;
}

static int add_stream(struct relay *relay, const struct ssh_target *target, int *ret_fd,
                      struct stream **ret, struct error *err)
{
    struct stream *stream = NULL, **place = relay->streams;
    int ends[2];

    while (place < relay->streams + RELAY_STREAMS && *place)
        place++;
    if (place == relay->streams + RELAY_STREAMS)
        return error_set(err, -EMFILE, "too many streams to the instance are open");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return error_errno(err, -errno, "a stream to the instance");
    stream = mem_zero(sizeof(*stream));
    if (stream)
        stream->tunnel = ssh_tunnel_new(relay->conn, target);
    if (!stream || !stream->tunnel) {
        (void) close(ends[0]);
        (void) close(ends[1]);
        free(stream);
        return error_set(err, -ENOMEM, "relay: out of memory");
    }
    stream->fd = ends[0];
    *ret_fd = ends[1];
    *ret = *place = stream;
    return 0;
}

static int wait_open(struct relay *relay, struct stream *stream, const struct remote_watch *watch,
                     const char *address, int64_t deadline, struct error *err)
{
    int r;

    for (;;) {
        r = relay_lost(relay, err); /* then the stream is gone */
        if (r < 0)
            return r;
        r = remote_may_go_on(watch, deadline);
        if (r == 0)
            r = ssh_tunnel_open(stream->tunnel, err);
        if (r == -EAGAIN)
            r = remote_wait(watch, NULL, 0, deadline);
        else if (r == 0)
            return 0;
        if (r == -ETIMEDOUT)
            return error_set(err, r, "no answer in time");
        if (r < 0)
            return remote_was_stopped(r)
                       ? error_errno(err, r, "connecting to %s on the instance", address)
                       : r;
    }
}

/* What was tried, what came of it, and what to look at. */
static int not_opened(int r, const char *address, struct error *err)
{
    const char *hint = "";

    if (r == -EPERM)
        return error_wrap(err, r,
                          "the instance's sshd connects us to nothing (%s was asked for): set "
                          "AllowTcpForwarding and AllowStreamLocalForwarding to yes there",
                          address);
    if (r != -ECONNREFUSED)
        return error_wrap(err, r, "connecting to %s on the instance", address);
    if (str_starts(address, "unix:"))
        hint = " (does anything listen there, may the login's user write to that socket, and does "
               "sshd have AllowStreamLocalForwarding?)";
    return error_wrap(err, r, "the instance does not connect us to %s%s", address, hint);
}

int relay_dial(struct relay *relay, const struct remote_watch *watch, const char *address,
               int64_t deadline_mono_ms, int *ret_fd, struct error *err)
{
    autofree char *copy = mem_strdup(address);
    int64_t deadline = now_ms() + fault_limit_ms("relay_open", OPEN_MS);
    struct stream *stream = NULL;
    struct ssh_target target;
    int fd = -1, r = copy ? relay_lost(relay, err) : -ENOMEM;

    if (deadline_mono_ms > 0)
        deadline = MIN(deadline, deadline_mono_ms);
    if (r == 0)
        r = parse_address(address, copy, &target, err);
    if (r == 0)
        r = add_stream(relay, &target, &fd, &stream, err);
    if (!stream) /* any failure so far; analyzers do not know that its code is none of success */
        return r;
    r = wait_open(relay, stream, watch, address, deadline, err);
    if (r == 0) {
        stream->open = true;
        *ret_fd = fd;
        return 0;
    }
    (void) close(fd);
    if (relay->lost.code == 0)
        hang_up(stream);
    return r == -EPIPE || remote_was_stopped(r) ? r : not_opened(r, address, err);
}
