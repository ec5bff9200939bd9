/* tests/fuzz/fuzz_nesting_server.c - whatever a client sends to the nesting daemon, in whatever pieces: what is handed on is a
 * whole message within its limit, each request comes to one end, and a connection that is ended has a sentence. The first
 * byte says how long the pieces are, and whether requests are answered; the preface of HTTP/2 is ours. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "nestingd/session.h"

#define SENT_MAX ((size_t) 1 << 20)
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define RUNS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct owner {
    int32_t running[RUNS_MAX]; /* 0 = none */
    size_t n_running;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void on_request(void *arg, const struct request *request)
{
    struct owner *owner = arg;
    unsigned sum = 0;

    require(request->method <= METHOD_SHUTDOWN && request->len <= FLT_GRPC_MESSAGE_MAX);
    require(request->stream > 0 && request->timeout_ms >= 0);
    for (size_t i = 0; i < request->len; i++)
        sum += request->data[i]; /* all of it is there */
    (void) sum;
    for (size_t i = 0; i < owner->n_running; i++)
        require(owner->running[i] != request->stream);
    require(owner->n_running < RUNS_MAX);
    owner->running[owner->n_running++] = request->stream;
    require(owner->n_running <= SESSION_STREAMS_MAX);
}

static void on_end(void *arg, int32_t stream)
{
    struct owner *owner = arg;
    size_t i = 0;

    while (i < owner->n_running && owner->running[i] != stream)
        i++;
    require(i < owner->n_running);
    owner->running[i] = owner->running[--owner->n_running];
}

static void answer_all(struct session *session, struct owner *owner)
{
    unsigned char data[] = { 10, 1, 120 };

    while (owner->n_running > 0) {
        int32_t stream = owner->running[--owner->n_running];
        struct flt_grpc_answer answer = { .status =
                                              stream % 4 == 1 ? FLT_GRPC_OK : FLT_GRPC_UNKNOWN,
                                          .message = "no vm (\n) found",
                                          .data = data,
                                          .len = sizeof(data) };

        session_answer(session, stream, &answer);
    }
}

static void drain(struct session *session, size_t *sent)
{
    const unsigned char *out;
    size_t len;

    while (*sent < SENT_MAX && (len = session_pending(session, &out)) > 0) {
        session_sent(session, MIN(len, (size_t) 7));
        *sent += MIN(len, (size_t) 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct owner owner = { 0 };
    const struct session_owner callbacks = { on_request, on_end, &owner };
    struct session *session = session_new(&callbacks);
    size_t step = size > 0 ? (size_t) (data[0] >> 1) + 1 : 1, sent = 0;
    bool answers = size > 0 && (data[0] & 1);
    struct error err = { 0 };
    int r;

    if (!session)
        return 0;
    r = session_feed(session, PREFACE, sizeof(PREFACE) - 1, 0, &err);
    for (size_t at = 1; r == 0 && at < size; at += step) {
        r = session_feed(session, data + at, MIN(step, size - at), (int64_t) at, &err);
        if (answers)
            answer_all(session, &owner);
        drain(session, &sent);
    }
    require(r == 0 || err.message[0] != '\0');
    session_stop(session);
    answer_all(session, &owner);
    drain(session, &sent);
    (void) session_is_over(session);
    session_free(session);
    return 0;
}
