/* core/job/connect/winrm_shell.c - see the header. */
#include "core/job/connect/winrm_shell.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/str.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/winrm_failure.h"

#define ANSWER_GRACE_MS 60000 /* behind the time in which the instance said it would answer */
#define IDLE_MS (15 * 60 * 1000)
#define STOP_MS 10000
#define ENVELOPE_REST 8192 /* what is not input in it, and the encryption around it */

int64_t winrm_answer_deadline(const struct winrm_conn *conn)
{
    return now_ms() + conn->operation_ms + fault_limit_ms("winrm_answer", ANSWER_GRACE_MS);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a > 0 ? MIN(a, b) : b;
}

int winrm_lost_if_early(int r, int64_t deadline, struct error *err)
{
    if (r != -ETIMEDOUT || (deadline > 0 && now_ms() >= deadline))
        return r;
    if (err)
        err->code = -EPIPE;
    return -EPIPE;
}

int winrm_ask(struct winrm_conn *conn, struct winrm_http *http, const struct buf *request,
              int64_t deadline, struct buf *answer, struct error *err)
{
    int r =
        winrm_http_ask(http, request, earlier(deadline, winrm_answer_deadline(conn)), answer, err);

    return winrm_lost_if_early(r, deadline, err);
}

static struct soap_place place_of(const struct winrm_conn *conn)
{
    return (struct soap_place) { .url = conn->site.url, .timeout_ms = conn->operation_ms };
}

/* An order to the instance that has no other answer than that it was taken. */
static int order(struct winrm_conn *conn, void (*write)(struct buf *, const struct soap_place *),
                 const struct soap_place *place, int64_t deadline, struct error *err)
{
    autobuf struct buf request = BUF_INIT, answer = BUF_INIT;
    struct soap_fault fault;
    int r;

    write(&request, place);
    r = winrm_ask(conn, conn->feed, &request, deadline, &answer, err);
    if (r == 0)
        r = soap_read_nothing(&answer, &fault, err);
    return r == -EREMOTEIO ? winrm_failed_fault(err, "ending a shell", &fault) : r;
}

/* What ordered the stop must not stop this. */
int winrm_shell_remove(struct winrm_conn *conn, const struct soap_place *place, bool running,
                       struct error *err)
{
    const struct remote_watch watch = conn->site.options.watch;
    int64_t deadline = now_ms() + fault_limit_ms("winrm_stop", STOP_MS);
    int r;

    winrm_http_abandon(conn->talk);
    winrm_http_abandon(conn->feed);
    conn->site.options.watch = (struct remote_watch) { 0 };
    if (*place->command && running)
        (void) order(conn, soap_terminate, place, deadline, NULL);
    r = order(conn, soap_delete, place, deadline, err);
    conn->site.options.watch = watch;
    return r;
}

static int read_shell(struct winrm_conn *conn, struct soap_place *place, struct error *err)
{
    autobuf struct buf answer = BUF_INIT;
    struct soap_fault fault;
    int r = winrm_http_answer(conn->talk, &answer, err);

    if (r == 0)
        r = soap_read_shell(&answer, place->shell, &fault, err);
    return r == -EREMOTEIO ? winrm_failed_fault(err, "making a shell", &fault) : r;
}

/* One that nobody wants any more, but which may be made already: it would count against the instance's quota for
 * IDLE_MS. */
static void remove_late_shell(struct winrm_conn *conn, struct soap_place *place)
{
    const struct remote_watch watch = conn->site.options.watch;

    conn->site.options.watch = (struct remote_watch) { 0 };
    if (winrm_http_finish(conn->talk, now_ms() + fault_limit_ms("winrm_stop", STOP_MS), NULL) ==
            0 &&
        read_shell(conn, place, NULL) == 0)
        (void) winrm_shell_remove(conn, place, false, NULL);
    *place->shell = '\0';
    conn->site.options.watch = watch;
}

int winrm_shell_make(struct winrm_conn *conn, int64_t deadline, struct soap_place *place,
                     struct error *err)
{
    int64_t until = earlier(deadline, winrm_answer_deadline(conn));
    autobuf struct buf request = BUF_INIT;
    int r;

    *place = place_of(conn);
    soap_create(&request, place, IDLE_MS);
    r = winrm_http_begin(conn->talk, &request, until, err);
    if (r == 0) {
        r = winrm_http_finish(conn->talk, until, err);
        if (r == -ECANCELED || r == -EINTR)
            remove_late_shell(conn, place);
        if (r < 0)
            winrm_http_abandon(conn->talk);
        else
            r = read_shell(conn, place, err);
    }
    return winrm_lost_if_early(r, deadline, err);
}

/* Who may run commands need not be one who may read settings; then it takes what Windows does by itself. */
int winrm_learn_chunk(struct winrm_conn *conn, int64_t deadline, struct error *err)
{
    autobuf struct buf request = BUF_INIT, answer = BUF_INIT;
    const struct soap_place place = place_of(conn);
    size_t envelope = SOAP_ENVELOPE_MAX;
    struct soap_fault fault;
    int r;

    soap_get_config(&request, &place);
    r = winrm_ask(conn, conn->talk, &request, deadline, &answer, err);
    if (r == 0)
        r = soap_read_config(&answer, &envelope, &fault, err);
    if (r < 0 && r != -EREMOTEIO && r != -EPROTO && r != -EACCES)
        return r;
    winrm_http_abandon(conn->talk);
    envelope = MIN(envelope, (size_t) SOAP_ENVELOPE_MAX);
    conn->chunk = envelope > ENVELOPE_REST ? (envelope - ENVELOPE_REST) / 4 * 3 : 0;
    conn->chunk = MAX(conn->chunk, (size_t) WINRM_CHUNK_MIN);
    conn->chunk_is_told = true;
    return 0;
}
