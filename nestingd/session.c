/* nestingd/session.c - see session.h. */
#include "nestingd/session.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "sdk/lib/grpc_guard.h"

#define SERVICE "nesting.Nesting"
#define TEXT_WIRE_MAX (FLT_GRPC_TEXT_MAX * 3)

enum state { READING, RUNNING, ANSWERED };

struct stream {
    struct stream *next;
    int32_t id;
    enum state state;
    enum method method;
    bool is_grpc, is_post;
    int64_t timeout_ms;
    struct flt_grpc_reader reader;
    struct flt_grpc_answer refusal; /* status 0 = none: what is wrong with its headers */
    unsigned char *body;            /* the answer's */
    size_t body_len, body_sent;
    char status[12], message[TEXT_WIRE_MAX];
};

struct session {
    nghttp2_session *http2;
    struct session_owner owner;
    struct flt_grpc_guard guard;
    struct stream *streams;
    struct error broken;
    int64_t now_ms;
    const unsigned char *out; /* nghttp2's */
    size_t out_len;
};

static void free_stream(struct stream *stream)
{
    flt_grpc_reader_done(&stream->reader);
    free(stream->body);
    free(stream);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv) { (uint8_t *) (uintptr_t) name, (uint8_t *) (uintptr_t) value, strlen(name),
                          strlen(value), NGHTTP2_NV_FLAG_NONE };
}

static void set_refusal(struct stream *stream, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void set_refusal(struct stream *stream, int status, const char *fmt, ...)
{
    va_list args;

    if (stream->refusal.status != FLT_GRPC_OK)
        return;
    stream->refusal.status = status;
    va_start(args, fmt);
    (void) vsnprintf(stream->refusal.message, sizeof(stream->refusal.message), fmt, args);
    va_end(args);
}

static ssize_t read_body(nghttp2_session *http2, int32_t id, uint8_t *to, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct stream *stream = source->ptr;
    size_t left = stream->body_len - stream->body_sent;
    const nghttp2_nv trailers[] = { header("grpc-status", "0"), header("grpc-message", "") };

    (void) arg;
    len = MIN(len, left);
    memcpy(to, stream->body + stream->body_sent, len);
    stream->body_sent += len;
    if (stream->body_sent < stream->body_len)
        return (ssize_t) len;
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return nghttp2_submit_trailer(http2, id, trailers, ARRAY_LEN(trailers)) == 0
               ? (ssize_t) len
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int submit_success(struct session *session, struct stream *stream)
{
    const nghttp2_data_provider body = { .source = { .ptr = stream }, .read_callback = read_body };
    const nghttp2_nv headers[] = { header(":status", "200"),
                                   header("content-type", "application/grpc") };

    return nghttp2_submit_response(session->http2, stream->id, headers, ARRAY_LEN(headers), &body);
}

/* One block of headers, without a body. */
static int submit_error(struct session *session, struct stream *stream)
{
    const nghttp2_nv headers[] = {
        header(":status", "200"),
        header("content-type", "application/grpc"),
        header("grpc-status", stream->status),
        header("grpc-message", stream->message),
    };

    return nghttp2_submit_response(session->http2, stream->id, headers, ARRAY_LEN(headers), NULL);
}

static void answer_stream(struct session *session, struct stream *stream,
                          const struct flt_grpc_answer *answer)
{
    int status = answer->status, r;
    const char *message = answer->message;

    stream->state = ANSWERED;
    if (status == FLT_GRPC_OK)
        stream->body = flt_grpc_frame(answer->data, answer->len, &stream->body_len);
    if (status == FLT_GRPC_OK && !stream->body) {
        status = FLT_GRPC_RESOURCE_EXHAUSTED;
        message = "the answer is longer than 1 MiB, or there is no memory for it";
    }
    (void) snprintf(stream->status, sizeof(stream->status), "%d", status);
    flt_grpc_text_write(message, stream->message, sizeof(stream->message));
    r = stream->body ? submit_success(session, stream) : submit_error(session, stream);
    if (r != 0)
        (void) nghttp2_submit_rst_stream(session->http2, NGHTTP2_FLAG_NONE, stream->id,
                                         NGHTTP2_INTERNAL_ERROR);
}

static void refuse(struct session *session, struct stream *stream, int status, const char *text)
{
    set_refusal(stream, status, "%s", text);
    answer_stream(session, stream, &stream->refusal);
}

static int breaks(struct session *session, const char *wrong)
{
    if (!wrong)
        return 0;
    (void) error_set(&session->broken, -EPROTO, "it sent %s", wrong);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_frame(nghttp2_session *http2, const nghttp2_frame_hd *frame, void *arg)
{
    struct session *session = arg;

    (void) http2;
    return breaks(session, flt_grpc_guard_frame(&session->guard, frame, session->now_ms));
}

static int on_begin_headers(nghttp2_session *http2, const nghttp2_frame *frame, void *arg)
{
    struct session *session = arg;
    struct stream *stream;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    stream = mem_zero(sizeof(*stream));
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    stream->id = frame->hd.stream_id;
    stream->timeout_ms = INT64_MAX;
    stream->next = session->streams;
    session->streams = stream;
    return nghttp2_session_set_stream_user_data(http2, stream->id, stream);
}

static void take_path(struct stream *stream, const char *path)
{
    static const char *const methods[] = { "Init", "Create", "Delete", "List", "Shutdown" };
    const char *slash = strrchr(path, '/');

    if (path[0] != '/' || slash == path) {
        set_refusal(stream, FLT_GRPC_UNIMPLEMENTED, "malformed method name: \"%.255s\"", path);
        return;
    }
    if ((size_t) (slash - path - 1) != strlen(SERVICE) || !str_starts(path + 1, SERVICE)) {
        set_refusal(stream, FLT_GRPC_UNIMPLEMENTED, "unknown service %.*s",
                    (int) MIN(slash - path - 1, 255), path + 1);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_eq(slash + 1, methods[i])) {
            stream->method = (enum method) i;
            return;
        }
    set_refusal(stream, FLT_GRPC_UNIMPLEMENTED, "unknown method %.255s for service " SERVICE,
                slash + 1);
}

static void take_timeout(struct stream *stream, const char *text)
{
    if (flt_grpc_timeout_read(text, strlen(text), &stream->timeout_ms) < 0)
        set_refusal(stream, FLT_GRPC_INTERNAL, "malformed grpc-timeout: \"%.64s\"", text);
    else if (stream->timeout_ms < 0)
        set_refusal(stream, FLT_GRPC_DEADLINE_EXCEEDED, "the deadline had passed already");
}

static void take_header(struct stream *stream, const char *name, const char *value)
{
    if (str_eq(name, ":method"))
        stream->is_post = str_eq(value, "POST");
    else if (str_eq(name, ":path"))
        take_path(stream, value);
    else if (str_eq(name, "content-type"))
        stream->is_grpc = str_starts(value, "application/grpc");
    else if (str_eq(name, "grpc-timeout"))
        take_timeout(stream, value);
    else if (str_eq(name, "grpc-encoding") && !str_eq(value, "identity"))
        set_refusal(stream, FLT_GRPC_UNIMPLEMENTED,
                    "grpc: Decompressor is not installed for grpc-encoding \"%.64s\"", value);
}

/* nghttp2 ends names and values with a NUL, and refuses one within. */
static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct session *session = arg;
    struct stream *stream = nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id);
    int r = breaks(session, flt_grpc_guard_header(&session->guard, name_len, value_len));

    (void) flags;
    if (r == 0 && stream && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        take_header(stream, (const char *) name, (const char *) value);
    return r;
}

static void end_headers(struct session *session, struct stream *stream)
{
    if (!stream->is_post)
        set_refusal(stream, FLT_GRPC_INTERNAL, "a call is a POST");
    if (!stream->is_grpc)
        set_refusal(stream, FLT_GRPC_INVALID_ARGUMENT, "invalid gRPC request content-type");
    if (stream->refusal.status != FLT_GRPC_OK)
        answer_stream(session, stream, &stream->refusal);
}

static void end_body(struct session *session, struct stream *stream)
{
    if (stream->state == READING)
        refuse(session, stream, FLT_GRPC_UNKNOWN,
               stream->reader.have > 0 ? "unexpected EOF" : "EOF");
}

static int on_frame(nghttp2_session *http2, const nghttp2_frame *frame, void *arg)
{
    struct session *session = arg;
    struct stream *stream = nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id);

    if (!stream || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        end_headers(session, stream);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        end_body(session, stream);
    return 0;
}

static void refuse_message(struct session *session, struct stream *stream)
{
    struct flt_grpc_reader *reader = &stream->reader;
    char text[128];

    (void) snprintf(text, sizeof(text), "grpc: received message larger than max (%zu vs. %zu)",
                    reader->len, FLT_GRPC_MESSAGE_MAX);
    if (reader->prefix[0] != 0)
        refuse(session, stream, FLT_GRPC_INTERNAL,
               "grpc: compressed flag set with identity or empty encoding");
    else if (reader->len > FLT_GRPC_MESSAGE_MAX)
        refuse(session, stream, FLT_GRPC_RESOURCE_EXHAUSTED, text);
    else
        refuse(session, stream, FLT_GRPC_RESOURCE_EXHAUSTED, "no memory for the message");
}

static void run(struct session *session, struct stream *stream)
{
    const struct request request = { stream->id, stream->method, stream->reader.data,
                                     stream->reader.len, stream->timeout_ms };

    stream->state = RUNNING;
    session->owner.on_request(session->owner.arg, &request);
    flt_grpc_reader_done(&stream->reader);
}

/* Up to the end of the first message: whatever follows it is ignored. */
static int on_data(nghttp2_session *http2, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *arg)
{
    struct session *session = arg;
    struct stream *stream = nghttp2_session_get_stream_user_data(http2, id);

    (void) flags;
    while (stream && stream->state == READING && len > 0) {
        struct flt_grpc_reader *reader = &stream->reader;
        size_t whole = FLT_GRPC_PREFIX + (reader->data ? reader->len : 0);
        size_t part = MIN(len, whole - reader->have);

        if (flt_grpc_reader_add(reader, data, part))
            refuse_message(session, stream);
        else if (flt_grpc_reader_is_whole(reader))
            run(session, stream);
        data += part;
        len -= part;
    }
    return 0;
}

/* An answer that is out while the client still sends: it need not go on. */
static int on_sent(nghttp2_session *http2, const nghttp2_frame *frame, void *arg)
{
    (void) arg;
    if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
        nghttp2_session_get_stream_remote_close(http2, frame->hd.stream_id) == 0)
        (void) nghttp2_submit_rst_stream(http2, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_NO_ERROR);
    return 0;
}

static int on_close(nghttp2_session *http2, int32_t id, uint32_t error_code, void *arg)
{
    struct session *session = arg;
    struct stream *stream = nghttp2_session_get_stream_user_data(http2, id);
    struct stream **at = &session->streams;

    (void) error_code;
    if (!stream)
        return 0;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    if (stream->state == RUNNING)
        session->owner.on_end(session->owner.arg, id);
    free_stream(stream);
    return 0;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks = NULL;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    return callbacks;
}

static int begin_session(struct session *session)
{
    static const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, SESSION_STREAMS_MAX },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, FLT_GRPC_HEADERS_MAX },
    };
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option = NULL;
    int r = -1;

    if (callbacks && nghttp2_option_new(&option) == 0) {
        nghttp2_option_set_max_settings(option, FLT_GRPC_SETTINGS_MAX);
        r = nghttp2_session_server_new2(&session->http2, callbacks, session, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (r != 0)
        return -1;
    return nghttp2_submit_settings(session->http2, NGHTTP2_FLAG_NONE, settings,
                                   ARRAY_LEN(settings));
}

struct session *session_new(const struct session_owner *owner)
{
    auto_ptr(session_free) struct session *session = mem_zero(sizeof(*session));

    if (!session)
        return NULL;
    session->owner = *owner;
    return begin_session(session) == 0 ? take_ptr(session) : NULL;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    while (session->streams) {
        struct stream *stream = session->streams;

        session->streams = stream->next;
        free_stream(stream);
    }
    nghttp2_session_del(session->http2);
    free(session);
}

int session_feed(struct session *session, const void *data, size_t len, int64_t now_ms,
                 struct error *err)
{
    ssize_t r;

    session->now_ms = now_ms;
    r = nghttp2_session_mem_recv(session->http2, data, len);
    if (session->broken.code != 0)
        return error_set(err, session->broken.code, "%s", session->broken.message);
    if (r < 0)
        return error_set(err, -EPROTO, "it does not speak HTTP/2 as it should (%s)",
                         nghttp2_strerror((int) r));
    return 0;
}

size_t session_pending(struct session *session, const unsigned char **ret)
{
    if (session->out_len == 0) {
        ssize_t n = nghttp2_session_mem_send(session->http2, &session->out);

        session->out_len = n > 0 ? (size_t) n : 0;
    }
    *ret = session->out;
    return session->out_len;
}

void session_sent(struct session *session, size_t len)
{
    session->out += len;
    session->out_len -= len;
}

void session_answer(struct session *session, int32_t id, const struct flt_grpc_answer *answer)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(session->http2, id);

    if (stream && stream->state == RUNNING)
        answer_stream(session, stream, answer);
}

void session_stop(struct session *session)
{
    (void) nghttp2_submit_goaway(session->http2, NGHTTP2_FLAG_NONE,
                                 nghttp2_session_get_last_proc_stream_id(session->http2),
                                 NGHTTP2_NO_ERROR, NULL, 0);
}

bool session_is_over(struct session *session)
{
    return session->out_len == 0 && !nghttp2_session_want_read(session->http2) &&
           !nghttp2_session_want_write(session->http2);
}
