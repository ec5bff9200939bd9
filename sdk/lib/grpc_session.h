/* sdk/lib/grpc_session.h - one gRPC call over HTTP/2 as a client makes it, without any descriptor: bytes that came go in,
 * bytes to send come out. grpc.c moves them; tests/fuzz/fuzz_grpc_frames.c does, too.
 *
 * HTTP/2 is nghttp2's. It acknowledges SETTINGS and PINGs; nobody here sends PINGs of their own, for which Go's server
 * ends a connection.
 */
#ifndef FLOTILLA_LIB_GRPC_SESSION_H
#define FLOTILLA_LIB_GRPC_SESSION_H

#include "sdk/lib/grpc_message.h"

#include <stdint.h>

#define FLT_GRPC_TEXT_MAX 512

struct flt_grpc_answer {
    int status; /* FLT_GRPC_... */
    char message[FLT_GRPC_TEXT_MAX];
    unsigned char *data; /* of a call that went well; the caller frees */
    size_t len;
};

enum flt_grpc_state {
    FLT_GRPC_WAITS, /* for more bytes, or to send some */
    FLT_GRPC_ANSWERED,
    FLT_GRPC_BROKEN,  /* what came is no answer; flt_grpc_session_why() */
    FLT_GRPC_REFUSED, /* the daemon is going or took the call not on: another connection may */
};

struct flt_grpc_session;
/* NULL without memory. */
struct flt_grpc_session *flt_grpc_session_new(void);
void flt_grpc_session_free(struct flt_grpc_session *session);

/* Begins a call; one at a time. -1 = the connection takes none any more. */
int flt_grpc_session_begin(struct flt_grpc_session *session, const char *path, const void *message,
                           size_t len, int64_t timeout_ms);
/* Bytes that came. */
void flt_grpc_session_feed(struct flt_grpc_session *session, const void *data, size_t len,
                           int64_t now_ms);
/* The next bytes to send, valid until the next call of anything; 0 = none now. */
size_t flt_grpc_session_pending(struct flt_grpc_session *session, const unsigned char **ret);
/* So many of them are sent. */
void flt_grpc_session_sent(struct flt_grpc_session *session, size_t len);
/* Ends the call on the wire, RST_STREAM CANCEL. */
void flt_grpc_session_cancel(struct flt_grpc_session *session);

enum flt_grpc_state flt_grpc_session_state(const struct flt_grpc_session *session);
/* Of an answered call, once. */
void flt_grpc_session_take(struct flt_grpc_session *session, struct flt_grpc_answer *ret);
/* "it ...": what the peer did; "" = nothing yet. */
const char *flt_grpc_session_why(const struct flt_grpc_session *session);

#endif
