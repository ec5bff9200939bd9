/* sdk/lib/grpc.h - unary gRPC calls of a client over a stream socket, whatever is behind it: a server of this machine, or
 * a tunnel. HTTP/2 without TLS and without an upgrade. Used by plugins/nesting; the protocol is in grpc_session.c.
 */
#ifndef FLOTILLA_LIB_GRPC_H
#define FLOTILLA_LIB_GRPC_H

#include "sdk/lib/grpc_session.h"
#include "sdk/lib/watch.h"

/* A connection; zeroed but for the descriptor, which stays the caller's and must not block. */
struct flt_grpc {
    int fd;
    struct flt_grpc_session *session;
};

/* Makes one call and waits for its answer. The watch's time goes to the server as the call's deadline; a call that ends
 * here before is ended there, too. Returns
 *   FLT_OK: *ret is the answer, which may be an error of its own
 *   FLT_E_CANCELLED, FLT_E_TIMEOUT: by the watch
 *   FLT_E_UNAVAILABLE: the connection ended, or takes no calls
 *   FLT_E_INTERNAL: what came is no gRPC
 * and but for the first a sentence in `why` (FLT_ERROR_MAX bytes) that begins with "it ...". */
int32_t flt_grpc_call(struct flt_grpc *grpc, const char *path, const void *message, size_t len,
                      const struct flt_watch *watch, struct flt_grpc_answer *ret, char *why);
void flt_grpc_done(struct flt_grpc *grpc);

#endif
