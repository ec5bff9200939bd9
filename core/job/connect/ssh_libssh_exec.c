/* core/job/connect/ssh_libssh_exec.c - ssh.h on libssh: a command on an instance, from its channel to
 * its exit status. Everything that comes is handled by callbacks; a server that says two things is
 * believed the first (hardening.md N7). */
#include "core/job/connect/ssh_libssh.h"

#include <errno.h>
#include <libssh/callbacks.h>
#include <libssh/server.h> /* ssh_send_keepalive */
#include <signal.h>
#include <stdio.h>

#include "core/base/fault.h"
#include "core/base/str.h"

#define CHANNEL_MS 10000
#define KEEPALIVE_MISSES 3
#define OUTPUT_CHUNK 16384

struct running {
    struct ssh_conn *conn;
    ssh_channel channel;
    const struct ssh_exec *exec;
    struct ssh_channel_callbacks_struct callbacks;
    struct ssh_exit exit;
    bool closed;
    int output_error;
    size_t sent;
    bool eof_sent;
};

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len,
                   int is_stderr, void *arg)
{
    struct running *running = arg;

    (void) session;
    (void) channel;
    if (running->output_error == 0)
        running->output_error =
            running->exec->on_output(running->exec->arg, is_stderr != 0, data, len);
    return (int) len;
}

static void on_close(ssh_session session, ssh_channel channel, void *arg)
{
    (void) session;
    (void) channel;
    ((struct running *) arg)->closed = true;
}

/* A second status on one channel is a lie of the server: the first counts (hardening.md N7). */
static void on_exit_status(ssh_session session, ssh_channel channel, int status, void *arg)
{
    struct running *running = arg;

    (void) session;
    (void) channel;
    if (running->exit.has_status)
        return;
    running->exit.has_status = true;
    running->exit.status = status & 0xff;
}

static int signal_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = { { "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "FPE", SIGFPE },
                    { "HUP", SIGHUP },   { "ILL", SIGILL },   { "INT", SIGINT },
                    { "KILL", SIGKILL }, { "PIPE", SIGPIPE }, { "QUIT", SIGQUIT },
                    { "SEGV", SIGSEGV }, { "TERM", SIGTERM }, { "BUS", SIGBUS },
                    { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "XCPU", SIGXCPU },
                    { "SYS", SIGSYS } };

    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        if (str_eq(name, signals[i].name))
            return signals[i].number;
    return 0;
}

static void on_exit_signal(ssh_session session, ssh_channel channel, const char *signal, int core,
                           const char *message, const char *language, void *arg)
{
    struct running *running = arg;

    (void) session;
    (void) channel;
    (void) core;
    (void) message;
    (void) language;
    if (running->exit.has_status)
        return;
    running->exit.has_status = true;
    running->exit.status = 128 + signal_number(signal ? signal : "");
    (void) snprintf(running->exit.signal, sizeof(running->exit.signal), "%.15s",
                    signal ? signal : "");
}

static int conn_lost(struct ssh_conn *conn, struct error *err, const char *what)
{
    const char *why = ssh_get_error(conn->session);

    conn->broken = true;
    return error_set(err, -EPIPE, "%s: the connection to the instance is lost%s%s", what,
                     str_empty(why) ? "" : ": ", why);
}

static int keep_alive(struct ssh_conn *conn, struct error *err)
{
    uint64_t sent = conn->traffic.out_bytes;

    if (conn->keepalive_ms <= 0 || now_ms() < conn->next_keepalive_ms)
        return 0;
    if (conn->keepalives == KEEPALIVE_MISSES) {
        conn->broken = true;
        return error_set(err, -EPIPE,
                         "the connection to the instance is lost: no answer for %lld s",
                         (long long) ((now_ms() - conn->last_heard_ms) / 1000));
    }
    /* libssh keeps one question open: asked again, it collects the answer and sends nothing. */
    (void) ssh_send_keepalive(conn->session);
    if (conn->traffic.out_bytes == sent)
        (void) ssh_send_keepalive(conn->session);
    conn->keepalives++;
    conn->next_keepalive_ms = now_ms() + conn->keepalive_ms;
    return 0;
}

/* One wait; packets that came are handled by the library and the callbacks. */
static int wait_and_serve(struct ssh_conn *conn, int64_t deadline, struct error *err)
{
    int r = wait_session(conn, deadline);

    if (r == -ETIMEDOUT)
        return r;
    if (r < 0)
        return error_errno(err, r, "stopped");
    (void) ssh_event_dopoll(conn->event, 0);
    note_traffic(conn);
    return 0;
}

/* The same with a channel. */
static int turn(struct running *running, int64_t deadline, struct error *err)
{
    int r = wait_and_serve(running->conn, deadline, err);

    if (r < 0)
        return r;
    if (!ssh_is_connected(running->conn->session) && !running->closed)
        return conn_lost(running->conn, err, "running a command");
    return keep_alive(running->conn, err);
}

int ssh_idle(struct ssh_conn *conn, int64_t until_mono_ms, struct error *err)
{
    int r = 0;

    while (r == 0) {
        r = wait_and_serve(conn, until_mono_ms, err);
        if (r == 0 && !ssh_is_connected(conn->session))
            r = conn_lost(conn, err, "waiting");
        if (r == 0)
            r = keep_alive(conn, err);
    }
    return r == -ETIMEDOUT ? 0 : r;
}

/* Refused by the instance, on a connection that lives. */
static int channel_refused(struct running *running, bool opened, struct error *err)
{
    const char *why = ssh_get_error(running->conn->session);

    if (!ssh_is_connected(running->conn->session))
        return conn_lost(running->conn, err, "opening a channel");
    if (opened)
        return error_set(err, -EPIPE,
                         "the instance refuses to run '%s' (%s); check the account's shell and "
                         "sshd's ForceCommand",
                         running->exec->command, why);
    return error_set(err, -EPIPE,
                     "the instance refuses another channel (%s); sshd's MaxSessions must be at "
                     "least 2",
                     why);
}

static int open_channel(struct running *running, struct error *err)
{
    int64_t deadline = now_ms() + fault_limit_ms("ssh_channel", CHANNEL_MS);
    bool opened = false;

    for (;;) {
        int r = opened ? ssh_channel_request_exec(running->channel, running->exec->command)
                       : ssh_channel_open_session(running->channel);

        if (r == SSH_OK && opened)
            return 0;
        if (r == SSH_OK) {
            opened = true;
            continue;
        }
        if (r != SSH_AGAIN)
            return channel_refused(running, opened, err);
        r = wait_session(running->conn, deadline);
        if (r == -ETIMEDOUT)
            return error_set(err, -EPIPE,
                             "opening a channel: the instance does not answer in time");
        if (r < 0)
            return error_errno(err, r, "stopped");
        if (!ssh_is_connected(running->conn->session))
            return conn_lost(running->conn, err, "opening a channel");
    }
}

static int feed_input(struct running *running, struct error *err)
{
    const struct ssh_exec *exec = running->exec;

    while (running->sent < exec->input_len) {
        size_t len = MIN(exec->input_len - running->sent, (size_t) OUTPUT_CHUNK);
        uint32_t window = ssh_channel_window_size(running->channel);
        int n;

        if (window == 0)
            return 0;
        n = ssh_channel_write(running->channel, (const char *) exec->input + running->sent,
                              (uint32_t) MIN(len, (size_t) window));
        if (n == SSH_AGAIN || n == 0)
            return 0;
        /* A command that ended without reading its input closes the channel: its status counts. */
        if (n < 0)
            return running->closed || ssh_channel_is_closed(running->channel)
                       ? 0
                       : conn_lost(running->conn, err, "sending the script");
        running->sent += (size_t) n;
    }
    if (!running->eof_sent) {
        running->eof_sent = true;
        (void) ssh_channel_send_eof(running->channel);
    }
    return 0;
}

static int pump(struct running *running, struct error *err)
{
    while (!running->closed) {
        int r = feed_input(running, err);

        if (r == 0)
            r = turn(running, running->exec->deadline_mono_ms, err);
        if (r == 0 && running->output_error < 0)
            r = error_errno(err, running->output_error, "storing the output");
        if (r < 0)
            return r;
    }
    if (!running->exit.has_status)
        return error_set(
            err, -EPIPE,
            "the command ended without an exit status; was its shell or sshd killed, or the "
            "instance stopped?");
    return 0;
}

/* Bounded: the server may wait for a process that never ends. */
static void drop_channel(struct running *running)
{
    ssh_remove_channel_callbacks(running->channel, &running->callbacks);
    ssh_channel_free(running->channel);
}

int ssh_exec(struct ssh_conn *conn, const struct ssh_exec *exec, struct ssh_exit *ret,
             struct error *err)
{
    struct running running = { .conn = conn, .exec = exec };
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
    (void) ssh_set_channel_callbacks(running.channel, &running.callbacks);
    r = open_channel(&running, err);
    if (r == 0)
        r = pump(&running, err);
    drop_channel(&running);
    if (r == 0)
        *ret = running.exit;
    return r;
}
