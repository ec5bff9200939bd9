/* core/job/connect/winrm.c - see the header. What is said is in winrm_soap.c, how it gets there in winrm_http.c. */
#include "core/job/connect/winrm.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/remote_stream.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/retry.h"
#include "core/job/connect/winrm_failure.h"
#include "core/job/connect/winrm_http.h"
#include "core/job/connect/winrm_login.h"
#include "core/job/connect/winrm_shell.h"
#include "core/job/connect/winrm_soap.h"
#include "core/job/connect/winrm_tls.h"

#define OPERATION_MAX_MS 60000
#define OPERATION_DEFAULT_MS 30000
#define REFUSED_MS 10000
#define PAUSE_MS 500

/* Commands. */

static int start_command(struct winrm_conn *conn, const struct remote_exec *exec,
                         struct soap_place *place, struct error *err)
{
    autobuf struct buf request = BUF_INIT, answer = BUF_INIT;
    struct soap_fault fault;
    int r;

    soap_command(&request, place, exec->command);
    r = winrm_ask(conn, conn->talk, &request, exec->deadline_mono_ms, &answer, err);
    if (r == 0)
        r = soap_read_command(&answer, place->command, &fault, err);
    return r == -EREMOTEIO ? winrm_failed_fault(err, "starting the shell's program", &fault) : r;
}

struct running {
    struct winrm_conn *conn;
    const struct remote_exec *exec;
    struct error *err;
    struct soap_place place;
    struct soap_output output;
    struct remote_source source;
    struct remote_sink sink;
    size_t sent;                 /* of what is on its way */
    bool sends_end, input_ended; /* the end is on its way, has been taken */
    bool sending, receiving;     /* their answers are awaited */
    int64_t send_deadline, receive_deadline;
    int64_t asked, ask_from; /* when output was asked for, and when it may be again */
    struct error refused;    /* why the instance takes no more input */
    int64_t refused_until;   /* 0 = it takes it; else that is the command's end then */
};

static int take_output(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct running *running = arg;
    int r;

    if (!is_stderr && running->sink.fd > 0)
        return remote_sink_put(&running->sink, data, len, running->err);
    r = running->exec->on_output(running->exec->arg, is_stderr, data, len);
    return r < 0 ? error_errno(running->err, r, "storing the output") : 0;
}

static int begin_send(struct running *running)
{
    struct winrm_conn *conn = running->conn;
    const struct remote_source *source = &running->source;
    autobuf struct buf request = BUF_SECRET;
    int r;

    running->sent = MIN(source->len, conn->chunk);
    running->sends_end = running->sent == source->len && source->fd == 0;
    soap_send(&request, &running->place, source->next, running->sent, running->sends_end);
    running->send_deadline = winrm_answer_deadline(conn);
    r = winrm_http_begin(conn->feed, &request, running->exec->deadline_mono_ms, running->err);
    running->sending = r == 0;
    return winrm_lost_if_early(r, running->exec->deadline_mono_ms, running->err);
}

/* What a command does not read any more it cannot be sent: that is no failure, and its status counts. So it does
 * whatever the refusal says, when the command ends by itself. But one that waits for what does not come would wait for
 * ever. */
static void refuse_input(struct running *running, const struct soap_fault *fault)
{
    running->input_ended = true;
    if (winrm_is_unread_input(fault))
        return;
    (void) winrm_failed_fault(&running->refused, "sending the input", fault);
    running->refused_until = now_ms() + fault_limit_ms("winrm_refused", REFUSED_MS);
}

/* A server that takes less than it said is sent less. */
static int end_send(struct running *running)
{
    autobuf struct buf answer = BUF_INIT;
    struct soap_fault fault = { 0 };
    int r = winrm_http_answer(running->conn->feed, &answer, running->err);

    running->sending = false;
    if (r == 0)
        r = soap_read_nothing(&answer, &fault, running->err);
    if (r == -EREMOTEIO && str_eq(fault.subcode, "EncodingLimit"))
        r = winrm_failed_fault(running->err, "sending the input", &fault);
    if (r == -EMSGSIZE && running->conn->chunk > WINRM_CHUNK_MIN) {
        running->conn->chunk /= 2;
        return 0;
    }
    if (r == -EREMOTEIO) {
        refuse_input(running, &fault);
        return 0;
    }
    if (r == 0) {
        remote_source_sent(&running->source, running->sent);
        running->input_ended = running->sends_end;
    }
    return r;
}

static int feed(struct running *running)
{
    int r = 0;

    if (running->sending && !winrm_http_is_busy(running->conn->feed))
        r = end_send(running);
    if (r < 0 || running->sending || running->input_ended || running->output.done)
        return r;
    r = remote_source_fill(&running->source, running->err);
    if (r < 0 || (running->source.len == 0 && running->source.fd > 0))
        return r;
    return begin_send(running);
}

static int begin_receive(struct running *running)
{
    struct winrm_conn *conn = running->conn;
    autobuf struct buf request = BUF_INIT;
    int r;

    soap_receive(&request, &running->place);
    running->asked = now_ms();
    running->receive_deadline = winrm_answer_deadline(conn);
    r = winrm_http_begin(conn->talk, &request, running->exec->deadline_mono_ms, running->err);
    running->receiving = r == 0;
    return winrm_lost_if_early(r, running->exec->deadline_mono_ms, running->err);
}

static int end_receive(struct running *running)
{
    autobuf struct buf answer = BUF_INIT;
    struct soap_fault fault = { 0 };
    int r = winrm_http_answer(running->conn->talk, &answer, running->err);

    running->receiving = false;
    if (r == 0)
        r = soap_read_output(&answer, &running->output, &fault, running->err);
    if (r == -EREMOTEIO && str_eq(fault.subcode, "TimedOut")) { /* there was nothing to say */
        if (now_ms() < running->asked + running->conn->operation_ms / 2)
            running->ask_from = now_ms() + PAUSE_MS;
        return 0;
    }
    return r == -EREMOTEIO ? winrm_failed_fault(running->err, "reading the output", &fault) : r;
}

/* Output is asked for when the last was taken, so that a reader that stalls stops the command; and with a pause where
 * the instance does not wait until it has some. */
static int receive(struct running *running)
{
    int r = 0;

    if (running->receiving && !winrm_http_is_busy(running->conn->talk))
        r = end_receive(running);
    if (r == 0)
        r = remote_sink_flush(&running->sink, running->err);
    if (r < 0 || running->receiving || running->output.done || remote_sink_busy(&running->sink))
        return r;
    if (now_ms() < running->ask_from)
        return 0;
    return begin_receive(running);
}

static int wait_for_either(struct running *running)
{
    struct winrm_conn *conn = running->conn;
    struct winrm_http *const https[] = { conn->talk, conn->feed };
    struct pollfd streams[2];
    bool may_send = !running->sending && !running->input_ended;
    size_t n = remote_stream_poll(&running->source, may_send, &running->sink, streams);
    int r = winrm_http_wait(https, ARRAY_LEN(https), streams, n, running->exec->deadline_mono_ms);

    if (r == -ETIMEDOUT)
        return r;
    if (r < 0)
        return error_errno(running->err, r, "stopped");
    if ((running->sending && now_ms() >= running->send_deadline) ||
        (running->receiving && now_ms() >= running->receive_deadline)) {
        (void) winrm_failed_late(running->err, conn->site.options.address);
        return running->err->code = -EPIPE;
    }
    if (running->refused_until > 0 && now_ms() >= running->refused_until)
        return error_set(running->err, running->refused.code, "%s", running->refused.message);
    return 0;
}

static int pump(struct running *running)
{
    for (;;) {
        int r = receive(running);

        if (r == 0 && running->output.done && !remote_sink_busy(&running->sink))
            return 0;
        if (r == 0)
            r = feed(running);
        if (r == 0)
            r = wait_for_either(running);
        if (r < 0)
            return r;
    }
}

int winrm_exec(struct winrm_conn *conn, const struct remote_exec *exec, struct remote_exit *ret,
               struct error *err)
{
    struct error unread = { 0 };
    struct running running = { .conn = conn, .exec = exec, .err = err ? err : &unread };
    int r = 0, removed = 0;

    if (conn->broken)
        return error_set(err, -EPIPE, "the connection to the instance is lost");
    running.output.take = take_output;
    running.output.arg = &running;
    remote_source_init(&running.source, exec);
    remote_sink_init(&running.sink, exec);
    if (!conn->chunk_is_told && (exec->stdin_fd > 0 || exec->input_len > conn->chunk))
        r = winrm_learn_chunk(conn, exec->deadline_mono_ms, running.err);
    if (r == 0)
        r = winrm_shell_make(conn, exec->deadline_mono_ms, &running.place, running.err);
    if (r == 0)
        r = start_command(conn, exec, &running.place, running.err);
    if (r == 0)
        r = pump(&running);
    if (r == 0 && running.sending && !winrm_http_is_busy(conn->feed))
        (void) end_send(&running); /* so that its connection can be used again */
    remote_sink_done(&running.sink);
    /* A connection that is lost need not be the instance, on which the script would run on. */
    if (*running.place.shell && r != -ENETRESET)
        removed = winrm_shell_remove(conn, &running.place, r < 0, NULL);
    conn->left_running = r < 0 && removed < 0;
    conn->broken = r == -EPIPE;
    if (r == 0)
        *ret = (struct remote_exit) { .has_status = true, .status = running.output.status };
    return r;
}

bool winrm_left_running(const struct winrm_conn *conn)
{
    return conn->left_running;
}

int winrm_idle(struct winrm_conn *conn, int64_t until_mono_ms, struct error *err)
{
    int r = 0;

    while (r >= 0)
        r = remote_wait(&conn->site.options.watch, NULL, 0, until_mono_ms);
    return r == -ETIMEDOUT ? 0 : error_errno(err, r, "stopped");
}

int winrm_prove(struct winrm_conn *conn, struct error *err)
{
    struct soap_place place;
    int r = winrm_shell_make(conn, 0, &place, err);

    return r < 0 ? r : winrm_shell_remove(conn, &place, false, err);
}

/* Connecting. */

void winrm_set_watch(struct winrm_conn *conn, struct remote_watch watch)
{
    conn->site.options.watch = watch;
}

void winrm_close(struct winrm_conn *conn)
{
    if (!conn)
        return;
    winrm_http_free(conn->talk);
    winrm_http_free(conn->feed);
    free(conn->site.url);
    free(conn);
}

/* A shell shows that all of it works: the login, its rights, and a place among the others. */
static int try_once(const struct remote_options *options, int64_t deadline, void *arg,
                    struct error *err)
{
    struct winrm_conn *conn = arg;
    struct soap_place place;
    int r = winrm_shell_make(conn, deadline, &place, err);

    (void) options;
    return r < 0 ? r : winrm_shell_remove(conn, &place, false, err);
}

static char *url_of(const struct remote_options *options)
{
    bool bare_v6 = strchr(options->address, ':') && *options->address != '[';

    return mem_printf("%s://%s%s%s:%u/wsman", winrm_tls_is_for(options) ? "https" : "http",
                      bare_v6 ? "[" : "", options->address, bare_v6 ? "]" : "", options->port);
}

int winrm_open(const struct remote_options *options, struct winrm_conn **ret, struct error *err)
{
    struct winrm_conn *conn = mem_zero(sizeof(*conn));
    int r;

    if (!conn || curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK) {
        free(conn);
        return error_set(err, -ENOMEM, "WinRM: out of memory");
    }
    conn->site.options = *options;
    conn->site.url = url_of(options);
    conn->chunk = WINRM_CHUNK_SURE;
    conn->operation_ms = options->keepalive_ms > 0
                             ? MIN(options->keepalive_ms, (int64_t) OPERATION_MAX_MS)
                             : OPERATION_DEFAULT_MS;
    conn->talk = winrm_http_new(&conn->site);
    conn->feed = winrm_http_new(&conn->site);
    if (!conn->site.url || !conn->talk || !conn->feed)
        r = error_set(err, -ENOMEM, "WinRM: out of memory");
    else
        r = retry_connect(options, try_once, conn, err);
    if (r < 0)
        winrm_close(conn);
    else
        *ret = conn;
    return r;
}

int winrm_prepare(const struct remote_options *options, struct error *err)
{
    return winrm_login_prepare(options, err);
}
