/* core/job/connect/ssh_libssh_exec.c - ssh.h on libssh: a command on an instance, from its channel to
 * its exit status. Everything that comes is handled by callbacks; a server that says two things is
 * believed the first (hardening.md N7). */
#include "core/job/connect/ssh_libssh.h"

#include <errno.h>
#include <libssh/callbacks.h>
#include <libssh/server.h> /* ssh_send_keepalive */

#include "core/base/str.h"
#include "core/job/connect/remote_stream.h"
#include "core/job/connect/ssh_backend.h"
#include "core/job/connect/ssh_exit.h"
#include "core/job/connect/ssh_failure.h"

/* While a sink is busy, the library keeps what comes for it and lets the window close. It opens it anew for each
 * word on stderr, however, so that from here on nothing is read. */
#define KEPT_MAX (4 << 20)

struct running {
    struct ssh_conn *conn;
    ssh_channel channel;
    const struct remote_exec *exec;
    struct ssh_channel_callbacks_struct callbacks;
    struct remote_exit exit;
    bool closed, eof_sent;
    int output_error;
    struct error *err; /* of the sink; on_output has no sentence */
    struct remote_source source;
    struct remote_sink sink;
    size_t kept; /* output in the library that the sink did not take; at least this much */
};

/* What it does not take stays in the library, whose window then closes. */
static size_t take_stream(struct running *running, const void *data, size_t len)
{
    running->kept = remote_sink_busy(&running->sink) ? len : 0;
    if (running->kept > 0)
        return 0;
    running->output_error = remote_sink_put(&running->sink, data, len, running->err);
    return len;
}

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len,
                   int is_stderr, void *arg)
{
    struct running *running = arg;

    (void) session;
    (void) channel;
    if (running->output_error < 0)
        return (int) len;
    if (!is_stderr && running->sink.fd > 0)
        return (int) take_stream(running, data, len);
    running->output_error = running->exec->on_output(running->exec->arg, is_stderr != 0, data, len);
    if (running->output_error < 0)
        (void) error_errno(running->err, running->output_error, "storing the output");
    return (int) len;
}

static void on_close(ssh_session session, ssh_channel channel, void *arg)
{
    (void) session;
    (void) channel;
    ((struct running *) arg)->closed = true;
}

static void on_exit_status(ssh_session session, ssh_channel channel, int status, void *arg)
{
    (void) session;
    (void) channel;
    ssh_exit_status(&((struct running *) arg)->exit, (uint32_t) status);
}

static void on_exit_signal(ssh_session session, ssh_channel channel, const char *signal, int core,
                           const char *message, const char *language, void *arg)
{
    (void) session;
    (void) channel;
    (void) core;
    (void) message;
    (void) language;
    ssh_exit_signal(&((struct running *) arg)->exit, signal);
}

int conn_lost(struct ssh_conn *conn, struct error *err, const char *doing)
{
    conn->broken = true;
    return ssh_failed_lost(err, doing, ssh_get_error(conn->session));
}

int conn_keep_alive(struct ssh_conn *conn, struct error *err)
{
    uint64_t sent = conn->traffic.out_bytes;
    int r = ssh_pulse_due(&conn->pulse, err);

    if (r <= 0) {
        conn->broken = conn->broken || r < 0;
        return r;
    }
    /* libssh keeps one question open: asked again, it collects the answer and sends nothing. */
    (void) ssh_send_keepalive(conn->session);
    if (conn->traffic.out_bytes == sent)
        (void) ssh_send_keepalive(conn->session);
    ssh_pulse_sent(&conn->pulse);
    return 0;
}

/* One wait; packets that came are handled by the library and the callbacks. */
static int wait_and_serve(struct ssh_conn *conn, const struct pollfd *others, size_t n,
                          int64_t deadline, struct error *err)
{
    int r = wait_session(conn, others, n, deadline);

    if (r == -ETIMEDOUT)
        return r;
    if (r < 0)
        return error_errno(err, r, "stopped");
    (void) ssh_event_dopoll(conn->event, 0);
    note_traffic(conn);
    return 0;
}

/* The library buffers what the socket does not take, whatever the size of the window that the server grants. */
static bool may_send(const struct running *running)
{
    return !running->closed && ssh_channel_window_size(running->channel) > 0 &&
           !(ssh_get_poll_flags(running->conn->session) & SSH_WRITE_PENDING);
}

static bool must_pause(const struct running *running)
{
    return running->kept >= KEPT_MAX && remote_sink_busy(&running->sink) && !running->closed;
}

/* Waits for the reader alone: nobody else reads either. That nothing is heard meanwhile is our own doing. */
static int pause_reading(struct running *running, const struct pollfd *streams, size_t n,
                         struct error *err)
{
    struct ssh_conn *conn = running->conn;
    struct remote_watch watch = conn->watch;
    int r;

    watch.pty = NULL;
    r = remote_wait(&watch, streams, n, running->exec->deadline_mono_ms);
    ssh_pulse_skip(&conn->pulse);
    return r < 0 && r != -ETIMEDOUT ? error_errno(err, r, "stopped") : MIN(r, 0);
}

/* One wait, with a channel. */
static int turn(struct running *running, struct error *err)
{
    struct pollfd streams[2];
    bool pause = must_pause(running);
    size_t n =
        remote_stream_poll(&running->source, !pause && may_send(running), &running->sink, streams);
    int r = pause ? pause_reading(running, streams, n, err)
                  : wait_and_serve(running->conn, streams, n, running->exec->deadline_mono_ms, err);

    if (r < 0)
        return r;
    if (!ssh_is_connected(running->conn->session) && !running->closed)
        return conn_lost(running->conn, err, "running a command");
    return conn_keep_alive(running->conn, err);
}

int ssh_idle(struct ssh_conn *conn, int64_t until_mono_ms, struct error *err)
{
    int r = 0;

    while (r == 0) {
        r = wait_and_serve(conn, NULL, 0, until_mono_ms, err);
        if (r == 0 && !ssh_is_connected(conn->session))
            r = conn_lost(conn, err, "waiting");
        if (r == 0)
            r = conn_keep_alive(conn, err);
    }
    return r == -ETIMEDOUT ? 0 : r;
}

/* Refused by the instance, on a connection that lives. */
static int channel_refused(struct running *running, bool opened, struct error *err)
{
    const char *why = ssh_get_error(running->conn->session);

    if (!ssh_is_connected(running->conn->session))
        return conn_lost(running->conn, err, "opening a channel");
    return ssh_failed_channel(err, opened ? running->exec->command : NULL, why);
}

/* Without a command nothing runs in it. */
static int open_channel(struct running *running, struct error *err)
{
    int64_t deadline = ssh_channel_deadline();
    bool opened = false;

    for (;;) {
        int r = opened ? ssh_channel_request_exec(running->channel, running->exec->command)
                       : ssh_channel_open_session(running->channel);

        if (r == SSH_OK && (opened || !running->exec->command))
            return 0;
        if (r == SSH_OK) {
            opened = true;
            continue;
        }
        if (r != SSH_AGAIN)
            return channel_refused(running, opened, err);
        r = wait_session(running->conn, NULL, 0, deadline);
        if (r == -ETIMEDOUT)
            return ssh_failed_channel_late(err);
        if (r < 0)
            return error_errno(err, r, "stopped");
        if (!ssh_is_connected(running->conn->session))
            return conn_lost(running->conn, err, "opening a channel");
    }
}

/* Sends the next piece; returns its length, 0 when nothing can be sent now. */
static int send_piece(struct running *running, struct error *err)
{
    struct remote_source *source = &running->source;
    uint32_t window = ssh_channel_window_size(running->channel);
    int n = ssh_channel_write(running->channel, source->next,
                              (uint32_t) MIN(MIN(source->len, (size_t) REMOTE_PIECE), window));

    /* A command that ended without reading its input closes the channel: its status counts. */
    if (n < 0 && n != SSH_AGAIN && !running->closed && !ssh_channel_is_closed(running->channel))
        return conn_lost(running->conn, err, "sending the script");
    n = MAX(n, 0);
    remote_source_sent(source, (size_t) n);
    return n;
}

/* All that is in memory, as far as it may be sent; of a stream what one read gives, so that nothing else waits. */
static int feed_input(struct running *running, struct error *err)
{
    struct remote_source *source = &running->source;
    int r = 1;

    while (r > 0 && !running->eof_sent && may_send(running)) {
        r = remote_source_fill(source, err);
        if (r < 0)
            return r;
        if (remote_source_ended(source)) {
            running->eof_sent = true;
            (void) ssh_channel_send_eof(running->channel);
            return 0;
        }
        r = source->len > 0 ? send_piece(running, err) : 0;
        if (source->len == 0 && source->fd > 0)
            break;
    }
    return MIN(r, 0);
}

/* Gives the sink all that the library keeps for it: each read opens the window anew, so that many small ones would
 * let the server send more than is taken. At the end it is taken at once: what is still in the library would go with
 * the connection. */
static int pass_kept(struct running *running, struct error *err)
{
    autobuf struct buf taken = BUF_INIT;
    int n;

    if (running->kept == 0 || (remote_sink_busy(&running->sink) && !running->closed))
        return 0;
    n = ssh_channel_poll(running->channel, 0);
    running->kept = (size_t) MAX(n, 0);
    if (n <= 0)
        return n == SSH_ERROR ? conn_lost(running->conn, err, "reading the output") : 0;
    if (buf_reserve(&taken, (size_t) n) < 0)
        return error_set(err, -ENOMEM, "output: out of memory");
    n = ssh_channel_read_nonblocking(running->channel, taken.data, (uint32_t) n, 0);
    if (n < 0)
        return conn_lost(running->conn, err, "reading the output");
    return remote_sink_put(&running->sink, taken.data, (size_t) n, err);
}

static bool ended(const struct running *running)
{
    return running->closed && running->kept == 0 && !remote_sink_busy(&running->sink);
}

static int pump(struct running *running, struct error *err)
{
    while (!ended(running)) {
        int r = feed_input(running, err);

        if (r == 0)
            r = turn(running, err);
        if (r == 0)
            r = running->output_error;
        if (r == 0)
            r = remote_sink_flush(&running->sink, err);
        if (r == 0)
            r = pass_kept(running, err);
        if (r < 0)
            return r;
    }
    return running->exit.has_status ? 0 : ssh_failed_no_status(err);
}

/* Bounded: the server may wait for a process that never ends. The channel of a command that was stopped stays open
 * until the next one, which kills it, has ended: dropbear 2022.83 fails an assertion of its own when a channel is
 * closed on which it has something to send. */
static void leave_channel(struct running *running)
{
    struct ssh_conn *conn = running->conn;

    ssh_remove_channel_callbacks(running->channel, &running->callbacks);
    if (conn->left)
        ssh_channel_free(conn->left);
    conn->left = running->closed ? NULL : running->channel;
    if (running->closed)
        ssh_channel_free(running->channel);
}

int ssh_exec(struct ssh_conn *conn, const struct remote_exec *exec, struct remote_exit *ret,
             struct error *err)
{
    struct running running = { .conn = conn, .exec = exec, .err = err };
    int r;

    if (conn->broken)
        return error_set(err, -EPIPE, "the connection to the instance is lost");
    running.channel = ssh_channel_new(conn->session);
    if (!running.channel)
        return error_set(err, -ENOMEM, "channel: out of memory");
    running.callbacks.userdata = &running;
    running.callbacks.channel_data_function = on_data;
    running.callbacks.channel_close_function = on_close;
    running.callbacks.channel_exit_status_function = on_exit_status;
    running.callbacks.channel_exit_signal_function = on_exit_signal;
    ssh_callbacks_init(&running.callbacks);
    remote_source_init(&running.source, exec);
    remote_sink_init(&running.sink, exec);
    (void) ssh_set_channel_callbacks(running.channel, &running.callbacks);
    r = open_channel(&running, err);
    if (r == 0)
        r = pump(&running, err);
    leave_channel(&running);
    remote_sink_done(&running.sink);
    if (r == 0)
        *ret = running.exit;
    return r;
}

int ssh_prove(struct ssh_conn *conn, struct error *err)
{
    const struct remote_exec nothing = { 0 };
    struct running running = { .conn = conn, .exec = &nothing };
    int r;

    running.channel = ssh_channel_new(conn->session);
    if (!running.channel)
        return error_set(err, -ENOMEM, "channel: out of memory");
    r = open_channel(&running, err);
    ssh_channel_free(running.channel);
    return r;
}
