/* core/job/connect/ssh_libssh2_exec.c - ssh.h on libssh2: a command on an instance, from its channel to its exit
 * status, which ssh_libssh2_packets.c sees (hardening.md N7).
 *
 * Output comes in the order of its packets: the library merges both streams, and the packets' lengths tell them apart
 * again. Where stdout is a stream, they are read one by one, because they go different ways. */
#include <errno.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/connect/remote_stream.h"
#include "core/job/connect/ssh_backend.h"
#include "core/job/connect/ssh_failure.h"
#include "core/job/connect/ssh_libssh2.h"

#define STDOUT 0
#define STDERR SSH_EXTENDED_DATA_STDERR

struct running {
    struct ssh_conn *conn;
    LIBSSH2_CHANNEL *channel;
    const struct remote_exec *exec;
    bool closed, eof_sent;
    struct remote_source source;
    struct remote_sink sink;
    struct buf merged; /* output whose packet has not been read to its end */
};

int conn_lost(struct ssh_conn *conn, struct error *err, const char *doing)
{
    int r = ssh_failed_lost(err, doing, conn->hung_up ? "it was closed" : conn_why(conn));

    conn->broken = true;
    return r;
}

static int stopped(struct error *err, int r)
{
    return r == -ETIMEDOUT ? r : error_errno(err, r, "stopped");
}

int conn_keep_alive(struct ssh_conn *conn, struct error *err)
{
    int r = ssh_pulse_due(&conn->pulse, err), seconds = 0;

    if (r == 1) {
        (void) libssh2_keepalive_send(conn->session, &seconds);
        ssh_pulse_sent(&conn->pulse);
    }
    conn->broken = conn->broken || r < 0;
    return MIN(r, 0);
}

/* The library opens one channel at a time, and takes the answer to what was asked for in another for its own: a terminal
 * that is being opened goes first. Returns the library's code. */
static int try_open(struct ssh_conn *conn, const char *command, LIBSSH2_CHANNEL **ret)
{
    int r = 0;

    if (conn->opening)
        return LIBSSH2_ERROR_EAGAIN;
    conn->packets.opening = true;
    if (!*ret) {
        *ret = libssh2_channel_open_session(conn->session);
        r = *ret ? 0 : libssh2_session_last_errno(conn->session);
    }
    if (r == 0 && command)
        r = libssh2_channel_process_startup(*ret, "exec", 4, command, (unsigned) strlen(command));
    conn->packets.opening = r == LIBSSH2_ERROR_EAGAIN;
    return r;
}

static int wait_open(struct ssh_conn *conn, const char *command, LIBSSH2_CHANNEL **ret,
                     struct error *err)
{
    int64_t deadline = ssh_channel_deadline();

    for (;;) {
        int r = try_open(conn, command, ret);

        if (r == 0)
            return 0;
        if (conn->hung_up)
            return conn_lost(conn, err, "opening a channel");
        if (r != LIBSSH2_ERROR_EAGAIN)
            return ssh_failed_channel(err, *ret ? command : NULL, conn_why(conn));
        r = conn_wait(conn, NULL, 0, deadline);
        if (r == -ETIMEDOUT)
            return ssh_failed_channel_late(err);
        if (r < 0)
            return stopped(err, r);
    }
}

/* Opens a channel and runs a command in it; none when it is NULL. */
static int open_channel(struct ssh_conn *conn, const char *command, LIBSSH2_CHANNEL **ret,
                        struct error *err)
{
    int r = wait_open(conn, command, ret, err);

    if (*ret) /* else the library goes on with it, for the next one */
        conn->packets.opening = false;
    return r;
}

/* A server may wait for a process that never ends; the session has its channel until then. */
static void drop_channel(struct ssh_conn *conn, LIBSSH2_CHANNEL *channel)
{
    if (channel) {
        conn_allow(conn);
        (void) libssh2_channel_free(channel);
    }
}

/* The channel of a command that was stopped stays open until the next one, which kills it, has ended: dropbear 2022.83
 * fails an assertion of its own when a channel is closed on which it has something to send. */
static void leave_channel(struct ssh_conn *conn, LIBSSH2_CHANNEL *channel, bool ended)
{
    drop_channel(conn, conn->left);
    conn->left = ended ? NULL : channel;
    if (ended)
        drop_channel(conn, channel);
}

static bool may_send(const struct running *running)
{
    return !running->closed && conn_is_flushed(running->conn) &&
           libssh2_channel_window_write(running->channel) > 0;
}

/* Sends the next piece; returns its length, 0 when nothing can be sent now. */
static ssize_t send_piece(struct running *running, struct error *err)
{
    struct remote_source *source = &running->source;
    ssize_t n = libssh2_channel_write(running->channel, source->next,
                                      MIN(source->len, (size_t) REMOTE_PIECE));

    /* A command that ended without reading its input closes the channel: its status counts. */
    if (n < 0 && n != LIBSSH2_ERROR_EAGAIN && !libssh2_channel_eof(running->channel))
        return conn_lost(running->conn, err, "running a command");
    if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
        running->eof_sent = true; /* as good as */
    n = MAX(n, (ssize_t) 0);
    remote_source_sent(source, (size_t) n);
    return n;
}

/* All that is in memory, as far as it may be sent; of a stream what one read gives, so that nothing else waits. */
static int feed_input(struct running *running, struct error *err)
{
    struct remote_source *source = &running->source;
    ssize_t r = 1;

    while (r > 0 && !running->eof_sent && may_send(running)) {
        r = remote_source_fill(source, err);
        if (r < 0)
            return (int) r;
        if (remote_source_ended(source)) {
            running->eof_sent = true;
            (void) libssh2_channel_send_eof(running->channel);
            return 0;
        }
        r = source->len > 0 ? send_piece(running, err) : 0;
        if (source->len == 0 && source->fd > 0)
            break;
    }
    return (int) MIN(r, (ssize_t) 0);
}

static int give_output(struct running *running, bool is_stderr, const void *data, size_t len,
                       struct error *err)
{
    int r;

    if (len == 0)
        return 0;
    if (!is_stderr && running->sink.fd > 0)
        return remote_sink_put(&running->sink, data, len, err);
    r = running->exec->on_output(running->exec->arg, is_stderr, data, len);
    return r < 0 ? error_errno(err, r, "storing the output") : 0;
}

/* Tells merged output apart, as far as its packets have been read to their ends. */
static int give_merged(struct running *running, struct error *err)
{
    struct buf *segments = &running->conn->packets.segments, *merged = &running->merged;
    size_t at = 0, n = 0;
    int r = buf_error(merged) < 0 ? error_set(err, -ENOMEM, "output: out of memory") : 0;

    for (; r == 0 && (n + 1) * sizeof(struct ssh_segment) <= segments->len; n++) {
        struct ssh_segment segment;
        size_t len;

        memcpy(&segment, segments->data + n * sizeof(segment), sizeof(segment));
        len = MIN(segment.len, merged->len - at);
        r = give_output(running, segment.is_stderr, merged->data + at, len, err);
        at += len;
    }
    buf_consume(segments, n * sizeof(struct ssh_segment));
    buf_consume(merged, at);
    return r;
}

/* Reads one stream as far as it came. */
static int read_stream(struct running *running, int stream, struct error *err)
{
    bool merging = running->sink.fd == 0;
    char piece[REMOTE_PIECE];
    ssize_t n = 1;
    int r = 0;

    while (r == 0 && !(stream == STDOUT && remote_sink_busy(&running->sink))) {
        n = libssh2_channel_read_ex(running->channel, stream, piece, sizeof(piece));
        if (n <= 0)
            break;
        if (merging)
            buf_add(&running->merged, piece, (size_t) n);
        r = merging ? give_merged(running, err)
                    : give_output(running, stream == STDERR, piece, (size_t) n, err);
    }
    if (r == 0 && n < 0 && n != LIBSSH2_ERROR_EAGAIN)
        return conn_lost(running->conn, err, "running a command");
    return r;
}

/* The end is the channel's close, behind all output. */
static int look_for_end(struct running *running, struct error *err)
{
    int r;

    if (libssh2_channel_eof(running->channel) != 1)
        return 0;
    r = libssh2_channel_wait_closed(running->channel);
    if (r != 0 && r != LIBSSH2_ERROR_EAGAIN)
        return conn_lost(running->conn, err, "running a command");
    running->closed = r == 0;
    return 0;
}

/* When the other side has hung up, what came before is in memory; behind it there is nothing. */
static int serve(struct running *running, struct error *err)
{
    bool is_last = running->conn->hung_up;
    int r = 0;

    if (running->sink.fd > 0) {
        r = read_stream(running, STDERR, err);
        buf_clear(&running->conn->packets.segments);
    }
    if (r == 0)
        r = read_stream(running, STDOUT, err);
    if (r == 0)
        r = look_for_end(running, err);
    if (r == 0 && is_last && !running->closed && !remote_sink_busy(&running->sink))
        r = conn_lost(running->conn, err, "running a command");
    return r;
}

/* There is something in memory, and nothing to wait for. */
static bool can_feed(const struct running *running)
{
    const struct remote_source *source = &running->source;

    return !running->eof_sent && may_send(running) && (source->len > 0 || source->fd == 0);
}

/* One wait. */
static int turn(struct running *running, struct error *err)
{
    struct ssh_conn *conn = running->conn;
    int64_t deadline = running->exec->deadline_mono_ms;
    struct pollfd streams[2];
    size_t n = remote_stream_poll(&running->source, !running->eof_sent && may_send(running),
                                  &running->sink, streams);
    int r;

    if (can_feed(running)) {
        r = remote_may_go_on(&conn->watch, deadline);
        conn_allow(conn);
    } else {
        r = conn_wait(conn, streams, n, deadline);
    }
    return r < 0 ? stopped(err, r) : conn_keep_alive(conn, err);
}

static bool ended(const struct running *running)
{
    return running->closed && !remote_sink_busy(&running->sink);
}

/* Whatever is sent may make the library read, so what came is dealt with before each wait: the socket would not tell
 * of it any more. */
static int pump(struct running *running, struct error *err)
{
    int r = 0;

    while (r == 0 && !ended(running)) {
        r = feed_input(running, err);
        if (r == 0 && !running->closed)
            r = serve(running, err);
        if (r == 0 && !ended(running))
            r = turn(running, err);
        if (r == 0)
            r = remote_sink_flush(&running->sink, err);
    }
    if (r < 0)
        return r;
    return running->conn->packets.exit.has_status ? 0 : ssh_failed_no_status(err);
}

static int run(struct running *running, struct remote_exit *ret, struct error *err)
{
    struct ssh_packets *packets = &running->conn->packets;
    int r;

    packets->channel = UINT32_MAX; /* the last one may still have something to say */
    packets->exit = (struct remote_exit) { 0 };
    buf_clear(&packets->segments);
    r = open_channel(running->conn, running->exec->command, &running->channel, err);
    if (r < 0)
        return r;
    if (running->sink.fd == 0)
        (void) libssh2_channel_handle_extended_data2(running->channel,
                                                     LIBSSH2_CHANNEL_EXTENDED_DATA_MERGE);
    r = pump(running, err);
    if (r == 0)
        *ret = packets->exit;
    return r;
}

int ssh_exec(struct ssh_conn *conn, const struct remote_exec *exec, struct remote_exit *ret,
             struct error *err)
{
    struct running running = { .conn = conn, .exec = exec };
    int r;

    if (conn->broken)
        return error_set(err, -EPIPE, "the connection to the instance is lost");
    remote_source_init(&running.source, exec);
    remote_sink_init(&running.sink, exec);
    r = run(&running, ret, err);
    leave_channel(conn, running.channel, running.closed);
    remote_sink_done(&running.sink);
    buf_done(&running.merged);
    return r;
}

/* The library reads for a channel alone, so one is opened, in which nothing runs. */
int ssh_idle(struct ssh_conn *conn, int64_t until_mono_ms, struct error *err)
{
    LIBSSH2_CHANNEL *channel = NULL;
    char nothing[64];
    ssize_t n;
    int r = open_channel(conn, NULL, &channel, err);

    while (r == 0) {
        r = conn_wait(conn, NULL, 0, until_mono_ms);
        if (r < 0) {
            r = stopped(err, r);
            break;
        }
        n = libssh2_channel_read(channel, nothing, sizeof(nothing));
        r = conn->hung_up || (n < 0 && n != LIBSSH2_ERROR_EAGAIN) ? conn_lost(conn, err, "waiting")
                                                                  : conn_keep_alive(conn, err);
    }
    drop_channel(conn, channel);
    return r == -ETIMEDOUT ? 0 : r;
}

int ssh_prove(struct ssh_conn *conn, struct error *err)
{
    LIBSSH2_CHANNEL *channel = NULL;
    int r = open_channel(conn, NULL, &channel, err);

    drop_channel(conn, channel);
    return r;
}
