/* sdk/lib/grpc_guard.c - see grpc_guard.h. */
#include "sdk/lib/grpc_guard.h"

#define MINUTE_MS 60000
#define ENTRY_BYTES 32 /* what RFC 7541 adds for each field */

/* Frames that carry nothing of a call. */
static int is_control(const nghttp2_frame_hd *frame)
{
    if (frame->type == NGHTTP2_DATA)
        return frame->length == 0 && !(frame->flags & NGHTTP2_FLAG_END_STREAM);
    return frame->type != NGHTTP2_HEADERS;
}

const char *flt_grpc_guard_frame(struct flt_grpc_guard *guard, const nghttp2_frame_hd *frame,
                                 int64_t now_ms)
{
    if (now_ms - guard->minute_began_ms >= MINUTE_MS) {
        guard->minute_began_ms = now_ms;
        guard->controls = guard->resets = 0;
    }
    if (frame->type == NGHTTP2_HEADERS)
        guard->header_bytes = 0;
    guard->controls += is_control(frame) ? 1 : 0;
    guard->resets += frame->type == NGHTTP2_RST_STREAM ? 1 : 0;
    if (guard->resets > FLT_GRPC_RESETS_MAX)
        return "more than 100 resets in a minute";
    return guard->controls > FLT_GRPC_CONTROLS_MAX ? "more than 1000 control frames in a minute"
                                                   : NULL;
}

const char *flt_grpc_guard_header(struct flt_grpc_guard *guard, size_t name_len, size_t value_len)
{
    guard->header_bytes += name_len + value_len + ENTRY_BYTES;
    return guard->header_bytes > FLT_GRPC_HEADERS_MAX ? "headers of more than 16 KiB" : NULL;
}
