/* core/web/connection.c - what libwebsockets tells of a connection, and how long a connection may take for what it
 * does.
 *
 * Its own limits begin anew with every byte, ours do not. And as nothing is read while a request is being answered
 * we look from time to time whether the client is still there. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/web/internal.h"

#define DEFAULT_REQUEST_MS 10000
/* libwebsockets 4.1 turns the loop without rest while a client that does not take its answer has left or sends: so soon it
 * is let go. One to which nothing is written just then costs nothing (web_rest()). */
#define LOOK_MS 1000

static int64_t patience_ms(const struct web_request *request)
{
    int64_t limit_ms = request->server->options.request_ms;

    return limit_ms > 0 ? limit_ms : DEFAULT_REQUEST_MS;
}

static void set_timer(struct web_request *request)
{
    int64_t left_ms = LOOK_MS;

    if (request->deadline_mono > 0)
        left_ms = MIN(left_ms, request->deadline_mono - clock_mono_ms(&clock_system));
    lws_set_timer_usecs(request->wsi, MAX(left_ms, (int64_t) 1) * 1000);
}

void web_request_set_deadline(struct web_request *request, int64_t ms)
{
    request->deadline_mono = ms > 0 ? clock_mono_ms(&clock_system) + ms : 0;
    set_timer(request);
}

/* Nothing is expected of a client that waits, but of a websocket's. */
static bool has_left(const struct web_request *request)
{
    char byte;
    ssize_t n = recv(lws_get_socket_fd(request->wsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0)
        return errno != EAGAIN && errno != EINTR;
    return n == 0 || (request->phase != WEB_TALKS && request->phase != WEB_ANSWERS);
}

/* libwebsockets tells the client why when it may close the connection here, but not from where it lets us write. */
void web_request_close(struct web_request *request)
{
    request->closing = true;
    lws_set_timer_usecs(request->wsi, 1);
}

/* A websocket on which nobody says anything for minutes is cut by what lies between. */
static void ping(struct web_request *request)
{
    request->ping = true;
    (void) lws_callback_on_writable(request->wsi);
}

/* Of one who has, nothing goes on. */
static bool has_logged_out(const struct web_request *request)
{
    return request->visit > 0 && web_is_lasting(request) &&
           !web_visits_has(&request->server->visits, request->visit, clock_mono_ms(&clock_system));
}

static int on_timer(struct web_request *request)
{
    if (request->closing)
        return -1;
    if (request->deadline_mono > 0 && clock_mono_ms(&clock_system) >= request->deadline_mono)
        return -1;
    if (request->phase != WEB_WAITS && request->phase != WEB_READS && has_left(request))
        return -1;
    if (has_logged_out(request))
        return -1;
    if (request->phase == WEB_TALKS && !request->ending)
        ping(request);
    set_timer(request);
    return 0;
}

static void await_request(struct web_request *request)
{
    web_request_set_deadline(request, patience_ms(request));
}

static int begin_connection(struct web_server *server, struct lws *wsi)
{
    struct web_request *request = mem_zero(sizeof(*request));
    socklen_t size = sizeof(request->peer);

    if (!request)
        return -1;
    request->server = server;
    request->wsi = wsi;
    request->next = server->requests;
    server->requests = request;
    server->n_connections++;
    lws_set_opaque_user_data(wsi, request);
    await_request(request);
    return getpeername(lws_get_socket_fd(wsi), (struct sockaddr *) &request->peer, &size);
}

void web_request_clear(struct web_request *request)
{
    web_handler_fn on_gone = request->on_gone;

    if (web_is_lasting(request))
        request->server->n_lasting--;
    request->phase = WEB_GONE;
    request->on_gone = NULL;
    request->on_message = NULL;
    if (on_gone)
        on_gone(request->gone_arg, request);
    buf_done(&request->headers);
    buf_done(&request->body);
    buf_done(&request->out);
    free(take_ptr(request->path));
}

void web_request_end(struct web_request *request)
{
    web_request_clear(request);
    *request = (struct web_request) {
        .server = request->server, .next = request->next, .wsi = request->wsi, .peer = request->peer
    };
    await_request(request);
}

static void end_connection(struct web_request *request)
{
    struct web_server *server = request->server;
    struct web_request **link = &server->requests;

    while (*link != request)
        link = &(*link)->next;
    *link = request->next;
    web_request_clear(request);
    free(request);
    server->n_connections--;
    web_server_connection_ended(server);
}

static int begin_request(struct web_request *request)
{
    if (request->server->closing || request->phase != WEB_WAITS)
        return -1;
    /* Ours holds alone from here on. */
    lws_set_timeout(request->wsi, NO_PENDING_TIMEOUT, 0);
    web_request_begin(request, false);
    return 0;
}

/* Small as a refusal is, or from a client that offers HTTP/2 and takes this: the connection ends with it. */
static int answer_at_once(struct web_request *request)
{
    while (request->phase == WEB_ANSWERS &&
           (!request->head_sent || request->sent < request->out.len))
        if (web_write(request) < 0)
            return -1;
    return request->phase == WEB_ANSWERS || request->phase == WEB_WAITS ? 1 : -1;
}

/* 0 = it goes on to be a websocket; 1 = it has another answer; negative = it ends. */
static int begin_upgrade(struct web_request *request, const char *to)
{
    bool socket = strcasecmp(to, "websocket") == 0;

    if (request->server->closing || request->phase != WEB_WAITS ||
        (!socket && strcasecmp(to, "h2c") != 0))
        return -1;
    web_request_begin(request, socket);
    return request->phase == WEB_UPGRADES ? 0 : answer_at_once(request);
}

/* libwebsockets 4.1 comes back without rest where more has come behind a body: then the answer is all that it gets. */
static int end_form(struct web_request *request)
{
    if (request->phase == WEB_READS) {
        web_request_complete(request);
        return 0;
    }
    (void) answer_at_once(request);
    return -1;
}

static int talk(struct web_request *request)
{
    request->phase = WEB_TALKS;
    lws_set_timeout(request->wsi, NO_PENDING_TIMEOUT, 0);
    return lws_callback_on_writable(request->wsi) < 0 ? -1 : 0;
}

static int take_message(struct web_request *request, const char *data, size_t len)
{
    struct lws *wsi = request->wsi;
    bool more = !lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0;

    if (request->on_message)
        request->on_message(request->gone_arg, request, data, len, lws_frame_is_binary(wsi), more);
    return 0;
}

int web_connection_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                         size_t len)
{
    struct web_server *server = lws_context_user(lws_get_context(wsi));
    struct web_request *request;

    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
        return web_server_load_certificate(server, user);
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED)
        return begin_connection(server, wsi);
    request = lws_get_opaque_user_data(wsi);
    if (!request)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return begin_request(request);
    case LWS_CALLBACK_HTTP_BODY:
        return web_request_add(request, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return end_form(request);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return begin_upgrade(request, in);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return request->phase == WEB_UPGRADES ? 0 : -1;
    case LWS_CALLBACK_ESTABLISHED:
        return talk(request);
    case LWS_CALLBACK_RECEIVE:
        return take_message(request, in, len);
    case LWS_CALLBACK_HTTP_WRITEABLE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return web_write(request);
    case LWS_CALLBACK_TIMER:
        return on_timer(request);
    case LWS_CALLBACK_RAW_ADOPT: /* CONNECT leads here */
    case LWS_CALLBACK_RAW_RX:
        return -1;
    case LWS_CALLBACK_WSI_DESTROY:
        end_connection(request);
        return 0;
    default:
        return 0;
    }
}
