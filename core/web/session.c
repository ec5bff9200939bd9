/* core/web/session.c - see the header.
 *
 * Two forms of a terminal's bytes are spoken, which the client chooses: as they are, in binary messages, and in base64,
 * in messages of text. A window's size is told by neither. */
#include "core/web/session.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/buf.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "core/web/server.h"

#define PIECE 8192
#define IN_BASE64 "base64.terminal.gitlab.com"
#define ROUTE "/session/"

enum close_code {
    CLOSE_NORMAL = 1000,
    CLOSE_UNSUPPORTED = 1003,
    CLOSE_INVALID = 1007,
    CLOSE_FAILED = 1011
};

struct session_server {
    uv_loop_t *loop;
    struct session_options options;
    struct web_server *web;
    char *url, *certificate;
};

/* Somebody at a terminal. */
struct seat {
    struct session_server *server;
    struct web_request *request; /* NULL = gone */
    char id[SESSION_TEXT_SIZE];
    uv_poll_t poll;
    int fd;
    bool in_base64;
    struct buf encoded; /* a message in base64 that has not come to its end */
    struct buf typed;   /* what the terminal has not taken */
};

void session_make(struct session *session)
{
    rng_hex(&rng_system, session->id, (SESSION_TEXT_SIZE - 1) / 2);
    rng_hex(&rng_system, session->token, (SESSION_TEXT_SIZE - 1) / 2);
}

/* A seat. */

static void on_poll(uv_poll_t *poll, int status, int events);

static void free_seat(uv_handle_t *handle)
{
    struct seat *seat = handle->data;

    (void) close(seat->fd);
    buf_done(&seat->encoded);
    buf_done(&seat->typed);
    free(seat);
}

static void on_gone(void *arg, struct web_request *request)
{
    struct seat *seat = arg;

    (void) request;
    seat->request = NULL;
    seat->server->options.leave(seat->server->options.arg, seat->id);
    uv_close((uv_handle_t *) &seat->poll, free_seat);
}

/* What is wanted of the descriptor now. A piece grows by a third in base64. */
static void watch(struct seat *seat)
{
    bool room = web_room(seat->request) >= (size_t) 2 * PIECE;
    int events = (room ? UV_READABLE : 0) | (seat->typed.len > 0 ? UV_WRITABLE : 0);

    if (events != 0)
        (void) uv_poll_start(&seat->poll, events, on_poll);
    else
        (void) uv_poll_stop(&seat->poll);
}

static void end(struct seat *seat, enum close_code code, const char *reason)
{
    (void) uv_poll_stop(&seat->poll);
    buf_clear(&seat->typed);
    web_end(seat->request, code, reason);
}

static int show(struct seat *seat, const char *data, size_t len)
{
    autobuf struct buf text = BUF_INIT;

    if (!seat->in_base64)
        return web_send_binary(seat->request, data, len);
    return base64_encode(&text, data, len) < 0 ? -ENOMEM
                                               : web_send(seat->request, text.data, text.len);
}

/* False: it has ended. */
static bool take_printed(struct seat *seat)
{
    char piece[PIECE];
    ssize_t n = io_read(seat->fd, piece, sizeof(piece));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n > 0 && show(seat, piece, (size_t) n) == 0)
        return true;
    end(seat, n > 0 ? CLOSE_FAILED : CLOSE_NORMAL, "");
    return false;
}

/* The client waits while there is more than the terminal takes. False: it has ended. */
static bool give_typed(struct seat *seat)
{
    ssize_t n = 1;

    while (seat->typed.len > 0 && n > 0) {
        n = send(seat->fd, seat->typed.data, seat->typed.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            buf_consume(&seat->typed, (size_t) n);
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        end(seat, CLOSE_NORMAL, "");
        return false;
    }
    web_hold(seat->request, seat->typed.len > 0);
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct seat *seat = poll->data;

    if (!seat->request)
        return;
    if ((events & UV_WRITABLE) && !give_typed(seat))
        return;
    if (((events & UV_READABLE) || status < 0) && !take_printed(seat))
        return;
    watch(seat);
}

static bool speaks_base64(const struct seat *seat)
{
    return str_eq(web_socket_protocol(seat->request), IN_BASE64);
}

/* At first when the websocket is there. */
static void on_room(void *arg, struct web_request *request)
{
    struct seat *seat = arg;

    (void) request;
    seat->in_base64 = speaks_base64(seat);
    watch(seat);
}

/* The whole of a message at once: its pieces end anywhere. */
static int decode(struct seat *seat)
{
    size_t len = seat->encoded.len;
    int n;

    if (len == 0)
        return 0;
    if (buf_reserve(&seat->typed, len + 1) < 0)
        return -ENOMEM;
    n = lws_b64_decode_string_len(seat->encoded.data, (int) len, seat->typed.data + seat->typed.len,
                                  (int) len);
    if (n < 0)
        return -EINVAL;
    seat->typed.len += (size_t) n;
    buf_clear(&seat->encoded);
    return 0;
}

static void on_message(void *arg, struct web_request *request, const char *data, size_t len,
                       bool binary, bool more)
{
    struct seat *seat = arg;
    struct buf *into;
    int r;

    (void) request;
    seat->in_base64 = speaks_base64(seat);
    into = seat->in_base64 ? &seat->encoded : &seat->typed;
    if (binary == seat->in_base64) {
        end(seat, CLOSE_UNSUPPORTED,
            seat->in_base64 ? "messages of text are awaited" : "binary messages are awaited");
        return;
    }
    buf_add(into, data, len);
    r = into->len > WEB_ROOM_MAX ? -EMSGSIZE : buf_error(into);
    if (r == 0 && seat->in_base64 && !more)
        r = decode(seat);
    if (r < 0)
        end(seat, r == -ENOMEM ? CLOSE_FAILED : CLOSE_INVALID, "the message cannot be read");
    else if (give_typed(seat))
        watch(seat);
}

/* Requests. */

/* "ID/exec" of a path. */
struct place {
    char id[SESSION_TEXT_SIZE];
    const char *rest;
};

static bool parse_place(const char *path, struct place *ret)
{
    const char *slash = strchr(path, '/');

    if (!slash || slash - path != SESSION_TEXT_SIZE - 1)
        return false;
    memcpy(ret->id, path, SESSION_TEXT_SIZE - 1);
    ret->id[SESSION_TEXT_SIZE - 1] = '\0';
    ret->rest = slash + 1;
    return true;
}

static bool shows_token(struct web_request *request, const struct session *session)
{
    char token[SESSION_TEXT_SIZE + 1] = "";
    bool shown = web_header(request, "authorization", token, sizeof(token)) &&
                 strlen(token) == SESSION_TEXT_SIZE - 1 &&
                 mem_equal_secret(token, session->token, SESSION_TEXT_SIZE - 1);

    secret_wipe(token, sizeof(token));
    return shown;
}

/* False: it has its answer, which is GitLab Runner's. */
static bool may_enter(struct session_server *server, struct web_request *request, struct place *ret)
{
    const struct session *session = NULL;

    if (parse_place(web_path_rest(request), ret))
        session = server->options.find(server->options.arg, ret->id);
    if (!session || (!str_eq(ret->rest, "exec") && !str_starts(ret->rest, "proxy/")))
        web_answer_text(request, 404, "404 page not found");
    else if (!shows_token(request, session))
        web_answer_text(request, 401, "Unauthorized");
    else if (!str_eq(ret->rest, "exec"))
        web_answer_text(request, 404, "services are not reached through a session here");
    else
        return true;
    return false;
}

static void on_plain(void *arg, struct web_request *request)
{
    struct place place;

    if (may_enter(arg, request, &place))
        web_answer_text(request, 405, "Method Not Allowed");
}

static const char *why_refused(unsigned status)
{
    switch (status) {
    case 423:
        return "Locked";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

static int sit_down(struct session_server *server, struct web_request *request, const char *id,
                    int fd)
{
    static const struct web_socket_events events = { .on_message = on_message, .on_room = on_room };
    struct seat *seat = mem_zero(sizeof(*seat));

    if (!seat || uv_poll_init(server->loop, &seat->poll, fd) < 0) {
        free(seat);
        return -ENOMEM;
    }
    seat->poll.data = seat;
    seat->server = server;
    seat->request = request;
    seat->fd = fd;
    memcpy(seat->id, id, sizeof(seat->id));
    web_on_gone(request, on_gone, seat);
    (void) web_socket(request, &events); /* or it is refused there, and gone */
    return 0;
}

static void on_socket(void *arg, struct web_request *request)
{
    struct session_server *server = arg;
    struct place place;
    char protocols[200];
    unsigned status;
    int fd = -1;

    if (!may_enter(server, request, &place))
        return;
    if (!web_header(request, "sec-websocket-protocol", protocols, sizeof(protocols))) {
        web_answer_text(request, 400,
                        "a terminal speaks terminal.gitlab.com or " IN_BASE64
                        "; ask for one of them");
        return;
    }
    status = server->options.enter(server->options.arg, place.id, &fd);
    if (status != 0) {
        web_answer_text(request, status, "%s", why_refused(status));
    } else if (sit_down(server, request, place.id, fd) < 0) {
        (void) close(fd);
        server->options.leave(server->options.arg, place.id);
        web_answer_text(request, 500, "%s", why_refused(500));
    }
}

/* The server. */

static const struct web_route routes[] = {
    { .path = ROUTE "*", .socket = true, .handler = on_socket },
    { .path = ROUTE "*", .handler = on_plain },
};

static const char *const subprotocols[] = { "terminal.gitlab.com", IN_BASE64, NULL };

void session_server_close(struct session_server *server)
{
    if (!server)
        return;
    web_server_close(server->web);
    free(server->url);
    free(server->certificate);
    free(server);
}

/* "ci.example.com" of "ci.example.com:8093", "::1" of "[::1]:8093". */
static char *host_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t) (colon - address) : strlen(address);

    if (len > 2 && address[0] == '[' && address[len - 1] == ']')
        return mem_strndup(address + 1, len - 2);
    return mem_strndup(address, len);
}

char *session_server_host(const struct session_options *options)
{
    char address[ADDRESS_TEXT_SIZE];

    if (options->advertised)
        return host_of(options->advertised);
    address_format(&options->address, address);
    return host_of(address);
}

static int start_web(struct session_server *server, struct error *err)
{
    struct web_options web = { .address = server->options.address,
                               .routes = routes,
                               .n_routes = ARRAY_LEN(routes),
                               .arg = server,
                               .subprotocols = subprotocols };

    server->certificate = mem_strdup(server->options.certificate);
    if (!server->certificate)
        return error_set(err, -ENOMEM, "out of memory");
    web.certificate = server->certificate;
    web.key = secret_reveal(server->options.key);
    return web_server_start(server->loop, &web, &server->web, err);
}

static int start(struct session_server *server, struct error *err)
{
    const char *advertised = server->options.advertised;
    char address[ADDRESS_TEXT_SIZE];
    int r = start_web(server, err);

    server->options.certificate = NULL; /* the caller's */
    server->options.key = NULL;
    if (r < 0)
        return r;
    address_format(web_server_address(server->web), address); /* the port may be any */
    server->url = mem_printf("https://%s", advertised ? advertised : address);
    return server->url ? 0 : error_set(err, -ENOMEM, "out of memory");
}

int session_server_start(uv_loop_t *loop, const struct session_options *options,
                         struct session_server **ret, struct error *err)
{
    struct session_server *server = mem_zero(sizeof(*server));
    int r;

    if (!server)
        return error_set(err, -ENOMEM, "out of memory");
    server->loop = loop;
    server->options = *options;
    r = start(server, err);
    if (r < 0)
        session_server_close(server);
    else
        *ret = server;
    return r;
}

json_t *session_describe(const struct session_server *server, const struct session *session)
{
    autobuf struct buf url = BUF_INIT;
    autojson json_t *described = json_object_new_object();
    int r;

    buf_addf(&url, "%s" ROUTE "%s", server->url, session->id);
    r = buf_error(&url);
    if (r == 0)
        r = json_add_str(described, "url", buf_str(&url));
    if (r == 0)
        r = json_add_str(described, "certificate", server->certificate);
    if (r == 0)
        r = json_add_str(described, "authorization", session->token);
    return r == 0 ? take_ptr(described) : NULL;
}

const char *session_server_url(const struct session_server *server)
{
    return server->url;
}
