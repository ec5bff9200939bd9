/* sdk/lib/grpc_session.c - see grpc_session.h. */
#include "sdk/lib/grpc_session.h"

#include "sdk/lib/grpc_guard.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flt_grpc_session {
    nghttp2_session *http2;
    struct flt_grpc_guard guard;
    int64_t now_ms;
    const unsigned char *out; /* nghttp2's */
    size_t out_len;
    enum flt_grpc_state state;
    char why[FLT_GRPC_TEXT_MAX], farewell[FLT_GRPC_TEXT_MAX]; /* of GOAWAY */

    /* The call. */
    int32_t stream;
    unsigned char *request;
    size_t request_len, request_sent;
    struct flt_grpc_reader reader;
    int http_status;
    bool is_grpc, has_status;
    int status;
    char message[FLT_GRPC_TEXT_MAX];
};

__attribute__((format(printf, 3, 4))) static void end(struct flt_grpc_session *s,
                                                      enum flt_grpc_state state, const char *format,
                                                      ...)
{
    va_list args;

    if (s->state != FLT_GRPC_WAITS)
        return;
    s->state = state;
    va_start(args, format);
    (void) vsnprintf(s->why, sizeof(s->why), format, args);
    va_end(args);
}

static int breaks(struct flt_grpc_session *s, const char *wrong)
{
    if (!wrong)
        return 0;
    end(s, FLT_GRPC_BROKEN, "it sent %s", wrong);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_frame(nghttp2_session *http2, const nghttp2_frame_hd *frame, void *arg)
{
    struct flt_grpc_session *s = arg;

    (void) http2;
    return breaks(s, flt_grpc_guard_frame(&s->guard, frame, s->now_ms));
}

static bool is_header(const uint8_t *name, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(name, wanted, len) == 0;
}

static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct flt_grpc_session *s = arg;
    const char *text = (const char *) value;
    int r = breaks(s, flt_grpc_guard_header(&s->guard, name_len, value_len));

    (void) http2;
    (void) flags;
    if (r != 0 || frame->hd.stream_id != s->stream)
        return r;
    if (is_header(name, name_len, ":status"))
        s->http_status =
            value_len == 3 ? (text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0' : 0;
    else if (is_header(name, name_len, "content-type"))
        s->is_grpc = value_len >= 16 && memcmp(text, "application/grpc", 16) == 0;
    else if (is_header(name, name_len, "grpc-status")) {
        s->has_status = true;
        s->status = flt_grpc_status_read(text, value_len);
    } else if (is_header(name, name_len, "grpc-message"))
        flt_grpc_text_read(text, value_len, s->message, sizeof(s->message));
    return 0;
}

static int on_data(nghttp2_session *http2, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *arg)
{
    struct flt_grpc_session *s = arg;

    (void) http2;
    (void) flags;
    return stream == s->stream ? breaks(s, flt_grpc_reader_add(&s->reader, data, len)) : 0;
}

/* The last word of a connection: the daemon stops, or has had enough of us. */
static void take_goaway(struct flt_grpc_session *s, const nghttp2_goaway *goaway)
{
    char text[128];

    flt_grpc_text_read((const char *) goaway->opaque_data, goaway->opaque_data_len, text,
                       sizeof(text));
    (void) snprintf(s->farewell, sizeof(s->farewell),
                    "it ends the connection (HTTP/2 error %u%s%s)", goaway->error_code,
                    *text ? ", " : "", text);
}

static int on_frame(nghttp2_session *http2, const nghttp2_frame *frame, void *arg)
{
    (void) http2;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        take_goaway(arg, &frame->goaway);
    return 0;
}

/* What the call has come to, when its stream is closed. */
static int on_close(nghttp2_session *http2, int32_t stream, uint32_t error_code, void *arg)
{
    struct flt_grpc_session *s = arg;

    (void) http2;
    if (stream != s->stream)
        return 0;
    if (s->has_status && s->is_grpc && s->http_status == 200 &&
        (s->status != FLT_GRPC_OK || flt_grpc_reader_is_whole(&s->reader)))
        end(s, FLT_GRPC_ANSWERED, "%s", "");
    else if (error_code == NGHTTP2_REFUSED_STREAM)
        end(s, FLT_GRPC_REFUSED, "%s", *s->farewell ? s->farewell : "it refuses the call");
    else if (error_code != NGHTTP2_NO_ERROR)
        end(s, FLT_GRPC_BROKEN, "it ended the call (HTTP/2 error %u)", error_code);
    else if (s->http_status == 0)
        end(s, FLT_GRPC_BROKEN, "it ended the call without an answer");
    else if (s->http_status != 200)
        end(s, FLT_GRPC_BROKEN, "it answered with the HTTP status %d, which is no gRPC",
            s->http_status);
    else if (!s->is_grpc)
        end(s, FLT_GRPC_BROKEN, "it answered with another content-type than application/grpc");
    else if (!s->has_status)
        end(s, FLT_GRPC_BROKEN, "it ended its answer without grpc-status");
    else
        end(s, FLT_GRPC_BROKEN, "it answered without a whole message");
    return 0;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks = NULL;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    return callbacks;
}

static int begin_session(struct flt_grpc_session *s)
{
    static const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, FLT_GRPC_HEADERS_MAX },
    };
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option = NULL;
    int r = -1;

    if (callbacks && nghttp2_option_new(&option) == 0) {
        nghttp2_option_set_max_settings(option, FLT_GRPC_SETTINGS_MAX);
        r = nghttp2_session_client_new2(&s->http2, callbacks, s, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (r != 0)
        return -1;
    return nghttp2_submit_settings(s->http2, NGHTTP2_FLAG_NONE, settings,
                                   sizeof(settings) / sizeof(settings[0]));
}

struct flt_grpc_session *flt_grpc_session_new(void)
{
    struct flt_grpc_session *s = calloc(1, sizeof(*s));

    if (s && begin_session(s) != 0) {
        flt_grpc_session_free(s);
        return NULL;
    }
    return s;
}

static void forget_call(struct flt_grpc_session *s)
{
    free(s->request);
    flt_grpc_reader_done(&s->reader);
    s->request = NULL;
    s->request_len = s->request_sent = 0;
    s->http_status = s->status = 0;
    s->is_grpc = s->has_status = false;
    s->message[0] = '\0';
    s->stream = 0;
}

void flt_grpc_session_free(struct flt_grpc_session *s)
{
    if (!s)
        return;
    forget_call(s);
    nghttp2_session_del(s->http2);
    free(s);
}

static ssize_t read_request(nghttp2_session *http2, int32_t stream, uint8_t *to, size_t len,
                            uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct flt_grpc_session *s = arg;
    size_t left = s->request_len - s->request_sent;

    (void) http2;
    (void) stream;
    (void) source;
    if (len > left)
        len = left;
    memcpy(to, s->request + s->request_sent, len);
    s->request_sent += len;
    if (s->request_sent == s->request_len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t) len;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv) { (uint8_t *) (uintptr_t) name, (uint8_t *) (uintptr_t) value, strlen(name),
                          strlen(value), NGHTTP2_NV_FLAG_NONE };
}

/* The stream's number, or negative. */
static int32_t submit(struct flt_grpc_session *s, const char *path, const char *timeout)
{
    const nghttp2_data_provider body = { .read_callback = read_request };
    const nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", path),
        header(":authority", "localhost"),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
        header("grpc-timeout", timeout),
    };

    return nghttp2_submit_request(s->http2, NULL, headers, sizeof(headers) / sizeof(headers[0]),
                                  &body, NULL);
}

int flt_grpc_session_begin(struct flt_grpc_session *s, const char *path, const void *message,
                           size_t len, int64_t timeout_ms)
{
    char timeout[FLT_GRPC_TIMEOUT_SIZE];

    forget_call(s);
    s->state = FLT_GRPC_WAITS;
    flt_grpc_timeout_write(timeout_ms, timeout);
    s->request = flt_grpc_frame(message, len, &s->request_len);
    if (!s->request)
        end(s, FLT_GRPC_BROKEN, "the request is longer than 1 MiB, or there is no memory for it");
    else if (nghttp2_session_check_request_allowed(s->http2))
        s->stream = submit(s, path, timeout);
    if (s->stream > 0)
        return 0;
    end(s, FLT_GRPC_REFUSED, "%s", *s->farewell ? s->farewell : "it takes no more calls");
    return -1;
}

/* nghttp2 has said its last word, which may be why there will be no answer. */
static void notice_end(struct flt_grpc_session *s)
{
    if (!nghttp2_session_want_read(s->http2) && !nghttp2_session_want_write(s->http2))
        end(s, *s->farewell ? FLT_GRPC_REFUSED : FLT_GRPC_BROKEN, "%s",
            *s->farewell ? s->farewell : "it does not speak HTTP/2 as it should");
}

void flt_grpc_session_feed(struct flt_grpc_session *s, const void *data, size_t len, int64_t now_ms)
{
    ssize_t r;

    s->now_ms = now_ms;
    r = nghttp2_session_mem_recv(s->http2, data, len);
    if (r < 0)
        end(s, FLT_GRPC_BROKEN, "it does not speak HTTP/2 as it should (%s)",
            nghttp2_strerror((int) r));
    else
        notice_end(s);
}

size_t flt_grpc_session_pending(struct flt_grpc_session *s, const unsigned char **ret)
{
    if (s->out_len == 0) {
        ssize_t n = nghttp2_session_mem_send(s->http2, &s->out);

        if (n < 0)
            end(s, FLT_GRPC_BROKEN, "nothing can be sent to it (%s)", nghttp2_strerror((int) n));
        s->out_len = n > 0 ? (size_t) n : 0;
        if (n == 0)
            notice_end(s);
    }
    *ret = s->out;
    return s->out_len;
}

void flt_grpc_session_sent(struct flt_grpc_session *s, size_t len)
{
    s->out += len;
    s->out_len -= len;
}

void flt_grpc_session_cancel(struct flt_grpc_session *s)
{
    if (s->state == FLT_GRPC_WAITS && s->stream > 0)
        (void) nghttp2_submit_rst_stream(s->http2, NGHTTP2_FLAG_NONE, s->stream, NGHTTP2_CANCEL);
}

enum flt_grpc_state flt_grpc_session_state(const struct flt_grpc_session *s)
{
    return s->state;
}

void flt_grpc_session_take(struct flt_grpc_session *s, struct flt_grpc_answer *ret)
{
    *ret = (struct flt_grpc_answer) { .status = s->status };
    (void) snprintf(ret->message, sizeof(ret->message), "%s", s->message);
    if (s->status == FLT_GRPC_OK) {
        ret->data = s->reader.data;
        ret->len = s->reader.len;
        s->reader.data = NULL;
    }
    forget_call(s);
}

const char *flt_grpc_session_why(const struct flt_grpc_session *s)
{
    return s->why;
}
