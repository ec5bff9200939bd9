/* core/web/answer.c - what goes out: whole answers, streams and the messages of websockets, a piece at a time, as the
 * client takes them. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/base/str.h"
#include "core/web/internal.h"

/* Of every answer: a page may load from here alone, runs no script and no style that is in its own text, and is shown
 * in nobody's frame. */
static const struct {
    const char *name, *value;
} always[] = {
    { "content-security-policy:", "default-src 'none'; script-src 'self'; style-src 'self'; "
                                  "img-src 'self'; connect-src 'self'; "
                                  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'" },
    { "x-content-type-options:", "nosniff" },
    { "referrer-policy:", "same-origin" },
    { "cross-origin-resource-policy:", "same-origin" },
    { "cache-control:", "no-store" },
};

bool web_is_lasting(const struct web_request *request)
{
    return request->phase == WEB_STREAMS || request->phase == WEB_UPGRADES ||
           request->phase == WEB_TALKS;
}

void web_add_header(struct web_request *request, const char *name, const char *value)
{
    buf_addf(&request->headers, "%s:", name);
    buf_add(&request->headers, "", 1);
    buf_add(&request->headers, value, strlen(value) + 1);
}

/* libwebsockets 4.1 looks in each turn of the loop at what the client sends and nobody reads, its end too; but it writes
 * nothing to one that it does not look at. on_timer() of connection.c sees who has left. */
void web_rest(struct web_request *request)
{
    if (request->phase != WEB_TALKS)
        (void) lws_rx_flow_control(request->wsi, 0);
}

static void wake(struct web_request *request)
{
    if (request->phase != WEB_TALKS)
        (void) lws_rx_flow_control(request->wsi, 1);
    (void) lws_callback_on_writable(request->wsi);
}

void web_answer(struct web_request *request, unsigned status, const char *type, struct buf *body)
{
    if (request->phase != WEB_HANDLED)
        return;
    if (buf_error(body) != 0) {
        buf_done(body);
        status = 500;
    }
    request->phase = WEB_ANSWERS;
    request->status = status;
    request->type = type;
    request->out = *body;
    *body = BUF_INIT;
    wake(request);
}

void web_answer_text(struct web_request *request, unsigned status, const char *fmt, ...)
{
    autobuf struct buf body = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vaddf(&body, fmt, args);
    va_end(args);
    buf_add_char(&body, '\n');
    web_answer(request, status, "text/plain; charset=utf-8", &body);
}

void web_on_gone(struct web_request *request, web_handler_fn on_gone, void *arg)
{
    request->on_gone = on_gone;
    request->gone_arg = arg;
}

void *web_gone_arg(const struct web_request *request)
{
    return request->gone_arg;
}

/* False: the request has another answer. */
static bool last(struct web_request *request, enum web_phase phase)
{
    if (request->phase != WEB_HANDLED)
        return false;
    if (request->server->n_lasting >= WEB_LASTING_MAX) {
        web_answer_text(request, 503, "too many pages are open here; close some");
        return false;
    }
    request->server->n_lasting++;
    request->phase = phase;
    return true;
}

bool web_stream(struct web_request *request, const char *type, web_handler_fn on_room)
{
    autobuf struct buf nothing = BUF_INIT;

    /* Whoever asks for the head alone waits for no stream. */
    if (request->head_only)
        web_answer(request, 200, type, &nothing);
    if (!last(request, WEB_STREAMS))
        return false;
    request->status = 200;
    request->type = type;
    request->on_room = on_room;
    wake(request);
    return true;
}

bool web_socket(struct web_request *request, const struct web_socket_events *events)
{
    if (!request->route->socket || !last(request, WEB_UPGRADES))
        return false;
    request->on_message = events->on_message;
    request->on_room = events->on_room;
    return true;
}

const char *web_socket_protocol(const struct web_request *request)
{
    const struct lws_protocols *protocol =
        request->phase == WEB_TALKS ? lws_get_protocol(request->wsi) : NULL;

    return protocol && protocol != &request->server->protocols[0] ? protocol->name : "";
}

size_t web_room(const struct web_request *request)
{
    size_t waiting = request->out.len - request->sent;

    if (!web_is_lasting(request) || request->ending || waiting >= WEB_ROOM_MAX)
        return 0;
    return WEB_ROOM_MAX - waiting;
}

static int send_piece(struct web_request *request, const struct web_message *message,
                      const char *data, size_t len)
{
    bool idle = request->out.len == request->sent;

    if (len > web_room(request))
        return -ENOBUFS;
    buf_consume(&request->out, request->sent);
    request->sent = 0;
    if (message)
        buf_add(&request->out, message, sizeof(*message));
    buf_add(&request->out, data, len);
    if (buf_error(&request->out) != 0)
        return buf_error(&request->out);
    if (idle)
        web_request_set_deadline(request, WEB_QUIET_MS);
    wake(request);
    return 0;
}

static int send_message(struct web_request *request, bool binary, const char *data, size_t len)
{
    const struct web_message message = { .len = (uint32_t) len, .binary = binary };

    return send_piece(request, &message, data, len);
}

int web_send(struct web_request *request, const char *data, size_t len)
{
    return request->phase == WEB_STREAMS ? send_piece(request, NULL, data, len)
                                         : send_message(request, false, data, len);
}

int web_send_binary(struct web_request *request, const char *data, size_t len)
{
    return send_message(request, true, data, len);
}

void web_hold(struct web_request *request, bool hold)
{
    if (request->phase == WEB_TALKS)
        (void) lws_rx_flow_control(request->wsi, hold ? 0 : 1);
}

void web_end(struct web_request *request, unsigned code, const char *reason)
{
    if (!web_is_lasting(request) || request->ending)
        return;
    request->ending = true;
    request->on_message = NULL;
    request->close_code = code;
    (void) str_cut(request->close_reason, sizeof(request->close_reason), reason ? reason : "");
    web_request_set_deadline(request, WEB_QUIET_MS);
    wake(request);
}

/* Writing. */

static int add_head(struct web_request *request, unsigned char **at, unsigned char *end)
{
    bool whole = request->phase == WEB_ANSWERS;
    const char *p = request->headers.data;
    int r;

    r = lws_add_http_common_headers(request->wsi, request->status, request->type,
                                    whole ? request->out.len : LWS_ILLEGAL_HTTP_CONTENT_LEN, at,
                                    end);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(always); i++)
        r = lws_add_http_header_by_name(request->wsi, (const unsigned char *) always[i].name,
                                        (const unsigned char *) always[i].value,
                                        (int) strlen(always[i].value), at, end);
    while (r == 0 && p && p < request->headers.data + request->headers.len) {
        const char *value = p + strlen(p) + 1;

        r = lws_add_http_header_by_name(request->wsi, (const unsigned char *) p,
                                        (const unsigned char *) value, (int) strlen(value), at,
                                        end);
        p = value + strlen(value) + 1;
    }
    return r == 0 ? lws_finalize_http_header(request->wsi, at, end) : r;
}

static int write_head(struct web_request *request)
{
    unsigned char text[LWS_PRE + 3000], *begin = text + LWS_PRE, *at = begin;
    bool last_of_it =
        request->phase == WEB_ANSWERS && (request->head_only || request->out.len == 0);

    if (buf_error(&request->headers) != 0 || add_head(request, &at, text + sizeof(text)) != 0)
        return -1;
    /* Before an upgrade libwebsockets does not know the version yet, and takes it for 1.0. */
    if (request->route && request->route->socket)
        memcpy(begin, "HTTP/1.1", strlen("HTTP/1.1"));
    request->head_sent = true;
    if (lws_write(request->wsi, begin, (size_t) (at - begin), LWS_WRITE_HTTP_HEADERS) < 0)
        return -1;
    if (last_of_it)
        request->sent = request->out.len;
    return 0;
}

static int write_body(struct web_request *request)
{
    unsigned char piece[LWS_PRE + WEB_PIECE_MAX];
    size_t n = MIN(request->out.len - request->sent, (size_t) WEB_PIECE_MAX);

    memcpy(piece + LWS_PRE, request->out.data + request->sent, n);
    if (lws_write(request->wsi, piece + LWS_PRE, n, LWS_WRITE_HTTP) < 0)
        return -1;
    request->sent += n;
    return 0;
}

/* A message is sent in pieces, too: the first says of what kind it is, the last that it is the last. */
static int write_message(struct web_request *request)
{
    unsigned char piece[LWS_PRE + WEB_PIECE_MAX];
    struct web_message *left = &request->message;
    int how = LWS_WRITE_CONTINUATION;
    size_t n;

    if (left->len == 0) {
        memcpy(left, request->out.data + request->sent, sizeof(*left));
        request->sent += sizeof(*left);
        how = left->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    }
    n = MIN((size_t) left->len, (size_t) WEB_PIECE_MAX);
    if (n < left->len)
        how |= LWS_WRITE_NO_FIN;
    memcpy(piece + LWS_PRE, request->out.data + request->sent, n);
    request->sent += n;
    left->len -= (uint32_t) n;
    return lws_write(request->wsi, piece + LWS_PRE, n, (enum lws_write_protocol) how) < 0 ? -1 : 0;
}

/* Between two pieces, each of which is written in a turn of its own. */
static int write_ping(struct web_request *request)
{
    unsigned char nothing[LWS_PRE] = { 0 };

    request->ping = false;
    if (lws_callback_on_writable(request->wsi) < 0)
        return -1;
    return lws_write(request->wsi, nothing + LWS_PRE, 0, LWS_WRITE_PING) < 0 ? -1 : 0;
}

static int finish(struct web_request *request)
{
    bool talks = request->phase == WEB_TALKS, is_last = request->is_last;

    if (talks) {
        lws_close_reason(request->wsi, (enum lws_close_status) request->close_code,
                         (unsigned char *) request->close_reason, strlen(request->close_reason));
        web_request_close(request);
        return 0;
    }
    /* The end of a stream is the end of its connection. */
    if (request->phase == WEB_STREAMS)
        return -1;
    web_request_end(request);
    return is_last || lws_http_transaction_completed(request->wsi) ? -1 : 0;
}

static void tell_of_room(struct web_request *request)
{
    web_request_set_deadline(request, 0);
    if (request->on_room)
        request->on_room(request->gone_arg, request);
    if (request->phase == WEB_STREAMS && request->out.len == request->sent && !request->ending)
        web_rest(request);
}

int web_write(struct web_request *request)
{
    int r = 0;

    if (request->phase == WEB_GONE)
        return -1;
    if (request->phase == WEB_WAITS || request->phase == WEB_READS ||
        request->phase == WEB_HANDLED || request->phase == WEB_UPGRADES)
        return 0;
    if (request->ping)
        return write_ping(request);
    if (request->phase != WEB_TALKS && !request->head_sent)
        r = write_head(request);
    else if (request->out.len > request->sent)
        r = request->phase == WEB_TALKS ? write_message(request) : write_body(request);
    if (r < 0)
        return r;
    if (request->out.len > request->sent || lws_partial_buffered(request->wsi)) {
        web_request_set_deadline(request, WEB_QUIET_MS);
        wake(request);
        return 0;
    }
    if (request->phase == WEB_ANSWERS || request->ending)
        return finish(request);
    tell_of_room(request);
    return 0;
}
