/* core/web/server.h - an HTTP server on the caller's loop: for metrics, health, the status page and terminals
 * (core/supervisor/web*.c, core/web/session.c).
 *
 * libwebsockets on the loop's own thread. GET and HEAD, and websockets; of POST the forms alone that a route takes, and
 * these from our own pages, so that no page of somebody else's changes anything. The limits of hardening.md P7 hold here,
 * whoever answers: 16 KiB of headers, 128 connections, 10 s for a request, Host and Origin checked, a strict policy for
 * what a page may load.
 *
 *   a route's handler   is called when the head of a request is whole, and answers: at once or later,
 *     web_answer()      as a whole,
 *     web_stream()      as bytes that come as they come (events, the end of a log), or
 *     web_socket()      as a websocket.
 *
 * A request lives until its `on_gone`, which comes once for each request that the handler has given one; whoever has
 * none must not keep the request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/address.h"
#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/secret.h"

struct web_server;
struct web_request;

typedef void (*web_handler_fn)(void *arg, struct web_request *request);

#define WEB_FORM_MAX 4096
struct web_route {
    /* "/metrics"; with a star at its end it holds for all that begin so: "/jobs/" and the star. */
    const char *path;
    bool socket; /* for requests that want to become a websocket; else for all others */
    /* To this machine under a name that is surely its own: so no page of somebody else's can read it by a name that
     * was made to lead here. */
    bool known_host;
    /* For POST alone, of fields of at most WEB_FORM_MAX bytes; the handler is called when they are there. */
    bool form;
    /* To loopback without a login, unless a token is set; to others with TLS and the token alone. */
    bool needs_login;
    web_handler_fn handler;
};

struct web_options {
    struct sockaddr_storage address; /* address_parse() */
    const char *certificate, *key;  /* PEM, the certificate with its chain; both or none (no TLS) */
    const struct secret *token;     /* for routes that need a login; NULL = none is set */
    const struct web_route *routes; /* the first that fits; they outlive the server */
    size_t n_routes;
    void *arg;              /* of the handlers */
    const char *host_names; /* of this machine, with spaces between; localhost is one; or NULL */
    /* Names that a websocket may ask for with Sec-WebSocket-Protocol, NULL at the end; or NULL. */
    const char *const *subprotocols;
    int64_t request_ms; /* how long a request may take to come; 0 = 10 s */
};

/* Options are copied, but for the routes. */
int web_server_start(uv_loop_t *loop, const struct web_options *options, struct web_server **ret,
                     struct error *err);
/* Where it listens: of port 0, the one that it got. */
const struct sockaddr_storage *web_server_address(const struct web_server *server);
/* Listens no more, and ends all connections with their on_gone; the loop does the rest. Not from inside a handler or
 * an on_gone. Accepts NULL. */
void web_server_close(struct web_server *server);

/* What was asked for. Only inside the handler: */

bool web_header(const struct web_request *request, const char *name /* lower case */, char *dst,
                size_t size);
/* Of "?name=value". */
bool web_query(const struct web_request *request, const char *name, char *dst, size_t size);
/* And as long as the request lives: */
const char *web_path(const struct web_request *request); /* decoded, without what follows '?' */
/* Of a route with a star: what the star stands for. */
const char *web_path_rest(const struct web_request *request);
const struct sockaddr_storage *web_peer(const struct web_request *request);

/* Answers, once for a request. */

/* Before the answer: one more line of its head; at most a few. Both are ours, never from outside. */
void web_add_header(struct web_request *request, const char *name, const char *value);
/* The body is taken and may be empty; when it has failed, the answer is a 500. */
void web_answer(struct web_request *request, unsigned status, const char *type, struct buf *body);
/* The same with one sentence and a newline, as plain text. */
void web_answer_text(struct web_request *request, unsigned status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The request is answered later, or is a stream or a websocket, and ends: by its client, by a limit, by its end. */
void web_on_gone(struct web_request *request, web_handler_fn on_gone, void *arg);
void *web_gone_arg(const struct web_request *request);

/* A stream: 200, and no end that the client knows of beforehand. on_room (may be NULL) is called with on_gone's
 * argument each time that all that was sent is on its way. False: there are too many, the request has its answer. */
bool web_stream(struct web_request *request, const char *type, web_handler_fn on_room);
/* A websocket: on_message gets each one whole, or in pieces (`more`: the next one goes on with it). */
struct web_socket_events {
    void (*on_message)(void *arg, struct web_request *request, const char *data, size_t len,
                       bool binary, bool more);
    web_handler_fn on_room; /* may be NULL */
};
bool web_socket(struct web_request *request, const struct web_socket_events *events);
/* The name that was agreed on, or "". */
const char *web_socket_protocol(const struct web_request *request);

/* For both: what there is room for; send() takes all or nothing (-ENOBUFS: on_room will come). */
#define WEB_ROOM_MAX (256 * 1024)
size_t web_room(const struct web_request *request);
int web_send(struct web_request *request, const char *data, size_t len);
int web_send_binary(struct web_request *request, const char *data, size_t len); /* websockets */
/* A websocket's messages wait at the client until it is called with false. */
void web_hold(struct web_request *request, bool hold);
/* What was sent goes out first. `code` (1000 = all is well) and `reason` are for websockets. */
void web_end(struct web_request *request, unsigned code, const char *reason);
