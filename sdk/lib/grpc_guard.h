/* sdk/lib/grpc_guard.h - what a peer of HTTP/2 may do to us (hardening.md N12), for both sides of gRPC: header blocks of
 * 16 KiB, 1,000 control frames and 100 resets a minute, 32 settings; CONTINUATION frames are bounded by nghttp2, to 8.
 * Pure. Used by grpc_session.c.
 */
#ifndef FLOTILLA_LIB_GRPC_GUARD_H
#define FLOTILLA_LIB_GRPC_GUARD_H

#include <nghttp2/nghttp2.h>
#include <stdint.h>

#define FLT_GRPC_HEADERS_MAX ((size_t) 16 * 1024)
#define FLT_GRPC_SETTINGS_MAX 32
#define FLT_GRPC_CONTROLS_MAX 1000
#define FLT_GRPC_RESETS_MAX 100

struct flt_grpc_guard {
    int64_t minute_began_ms;
    unsigned controls, resets; /* in this minute */
    size_t header_bytes;       /* of this block */
};

/* Each returns NULL, or what the peer did that it may not: "...". */
const char *flt_grpc_guard_frame(struct flt_grpc_guard *guard, const nghttp2_frame_hd *frame,
                                 int64_t now_ms);
const char *flt_grpc_guard_header(struct flt_grpc_guard *guard, size_t name_len, size_t value_len);

#endif
