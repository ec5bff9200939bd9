/* nestingd/session.h - one connection of a client, as a server of gRPC has it, without any descriptor: bytes that came go
 * in, whole requests and bytes to send come out. server.c moves them; tests/fuzz/fuzz_nesting_server.c does, too.
 *
 * HTTP/2 is nghttp2's, its limits are hardening.md N12's (grpc_guard.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/base/error.h"
#include "sdk/lib/grpc_session.h"

#define SESSION_STREAMS_MAX 8

enum method { METHOD_INIT, METHOD_CREATE, METHOD_DELETE, METHOD_LIST, METHOD_SHUTDOWN };

struct request {
    int32_t stream;
    enum method method;
    const unsigned char *data; /* for as long as the call of on_request() */
    size_t len;
    int64_t timeout_ms; /* INT64_MAX = none */
};

struct session_owner {
    /* A whole request: exactly one of session_answer() and on_end() is to come. */
    void (*on_request)(void *arg, const struct request *request);
    /* The client wants no answer any more. */
    void (*on_end)(void *arg, int32_t stream);
    void *arg;
};

struct session;
/* NULL without memory. */
struct session *session_new(const struct session_owner *owner);
/* Tells nobody of requests that were not answered. */
void session_free(struct session *session);
DEFINE_AUTO_PTR(struct session, session_free)

/* Bytes that came. Negative: the client speaks no gRPC, or does what it may not. */
int session_feed(struct session *session, const void *data, size_t len, int64_t now_ms,
                 struct error *err);
/* The next bytes to send, valid until the next call of anything; 0 = none now. */
size_t session_pending(struct session *session, const unsigned char **ret);
/* So many of them are sent. */
void session_sent(struct session *session, size_t len);
/* The answer to a request; `answer` stays the caller's. */
void session_answer(struct session *session, int32_t stream, const struct flt_grpc_answer *answer);
/* Takes no more requests, and tells the client so. */
void session_stop(struct session *session);
/* HTTP/2 has nothing more to say on this connection. */
bool session_is_over(struct session *session);
