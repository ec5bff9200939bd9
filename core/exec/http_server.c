/* core/exec/http_server.c - libmicrohttpd on libuv: its epoll descriptor is polled, its timeout is a timer. */
#include "core/exec/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define IDLE_TIMEOUT_S 300
#define MAX_CONNECTIONS 512
#define FORM_BUFFER_SIZE 4096 /* a part's headers have to fit */

struct http_server {
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uint16_t port;
    size_t body_max;
    http_handler_fn handler, on_begin;
    void *arg;
    unsigned handles;
    bool closing, resumed;
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    char *method, *path;
    struct buf body;
    struct MHD_Response *answer;
    unsigned status;
    bool parked, handled;
    struct http_form form; /* on_part NULL = the body is in `body` */
    struct MHD_PostProcessor *parts;
    bool form_bad, dropped;
    void (*on_gone)(void *arg, struct http_request *request);
    void *gone_arg;
};

static void run(struct http_server *server);

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void run(struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait = 0;

    if (server->closing)
        return;
    server->resumed = false;
    (void) MHD_run(server->daemon);
    if (server->closing)
        return;
    /* The library's timeout knows nothing of a connection that was resumed during the run, and its
     * epoll descriptor does not tell of it either. */
    if (server->resumed)
        (void) uv_timer_start(&server->timer, on_timer, 0, 0);
    else if (MHD_get_timeout(server->daemon, &wait) == MHD_YES)
        (void) uv_timer_start(&server->timer, on_timer, (uint64_t) wait, 0);
    else
        (void) uv_timer_stop(&server->timer);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void) status;
    (void) events;
    run(poll->data);
}

const char *http_method(const struct http_request *request)
{
    return request->method;
}

const char *http_path(const struct http_request *request)
{
    return request->path;
}

const char *http_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_body(const struct http_request *request, size_t *ret_len)
{
    *ret_len = request->body.len;
    return buf_str(&request->body);
}

static void give_answer(struct http_request *request, unsigned status,
                        const struct http_answer_header *headers, size_t n_headers,
                        struct MHD_Response *answer)
{
    for (size_t i = 0; answer && i < n_headers; i++)
        (void) MHD_add_response_header(answer, headers[i].name, headers[i].value);
    request->answer = answer;
    request->status = status;
    if (request->parked) {
        request->parked = false;
        request->on_gone = NULL;
        MHD_resume_connection(request->connection);
        request->server->resumed = true;
        /* Not from inside the caller, who may be in the middle of something. */
        (void) uv_timer_start(&request->server->timer, on_timer, 0, 0);
    }
}

void http_answer(struct http_request *request, unsigned status,
                 const struct http_answer_header *headers, size_t n_headers, const char *body,
                 size_t body_len)
{
    give_answer(request, status, headers, n_headers,
                MHD_create_response_from_buffer(body_len, (void *) (uintptr_t) body,
                                                MHD_RESPMEM_MUST_COPY));
}

void http_answer_file(struct http_request *request, const struct http_answer_header *headers,
                      size_t n_headers, int fd, uint64_t size)
{
    struct MHD_Response *answer = MHD_create_response_from_fd64(size, fd);

    if (!answer)
        (void) close(fd);
    give_answer(request, 200, headers, n_headers, answer);
}

void http_park(struct http_request *request,
               void (*on_gone)(void *arg, struct http_request *request), void *arg)
{
    request->parked = true;
    request->on_gone = on_gone;
    request->gone_arg = arg;
    MHD_suspend_connection(request->connection);
}

bool http_client_is_there(const struct http_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    ssize_t n;
    char byte;

    if (!info)
        return false;
    n = recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static struct http_request *new_request(struct http_server *server,
                                        struct MHD_Connection *connection, const char *method,
                                        const char *url)
{
    struct http_request *request = mem_zero(sizeof(*request));
    autobuf struct buf path = BUF_INIT;
    const char *query;

    if (!request)
        return NULL;
    request->server = server;
    request->connection = connection;
    request->body.max = server->body_max;
    request->method = mem_strdup(method);
    query = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "debug_trace");
    buf_addf(&path, "%s%s%s", url, query ? "?debug_trace=" : "", query ? query : "");
    request->path = buf_take(&path);
    return request;
}

static enum MHD_Result queue_answer(struct http_request *request)
{
    enum MHD_Result result = MHD_NO;

    if (request->answer)
        result = MHD_queue_response(request->connection, request->status, request->answer);
    return result;
}

/* Forms. */

static enum MHD_Result on_part(void *arg, enum MHD_ValueKind kind, const char *name,
                               const char *file_name, const char *type, const char *encoding,
                               const char *data, uint64_t offset, size_t len)
{
    struct http_request *request = arg;
    int r = request->form.on_part(request->form.arg, name, file_name, data, len, offset == 0);

    (void) kind;
    (void) type;
    (void) encoding;
    return r < 0 ? MHD_NO : MHD_YES;
}

void http_take_form(struct http_request *request, const struct http_form *form)
{
    request->form = *form;
    request->parts =
        MHD_create_post_processor(request->connection, FORM_BUFFER_SIZE, on_part, request);
    request->form_bad = !request->parts;
}

void http_drop_body(struct http_request *request)
{
    request->dropped = true;
}

void *http_form_arg(const struct http_request *request)
{
    return request->form.arg;
}

static void end_parts(struct http_request *request)
{
    if (request->parts && MHD_destroy_post_processor(request->parts) == MHD_NO)
        request->form_bad = true;
    request->parts = NULL;
}

bool http_form_is_whole(struct http_request *request)
{
    end_parts(request);
    return !request->form_bad;
}

/* The rest of what is not wanted is read all the same: the client listens only behind it. */
static void take_body(struct http_request *request, const char *data, size_t len)
{
    if (request->dropped)
        return;
    if (!request->form.on_part)
        buf_add(&request->body, data, len);
    else if (!request->form_bad && MHD_post_process(request->parts, data, len) == MHD_NO)
        request->form_bad = true;
}

static enum MHD_Result begin(struct http_server *server, struct http_request *request)
{
    if (request && server->on_begin && !server->closing)
        server->on_begin(server->arg, request);
    return request ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
    struct http_server *server = arg;
    struct http_request *request = *state;

    (void) version;
    if (!request) {
        *state = new_request(server, connection, method, url);
        return begin(server, *state);
    }
    if (*upload_len > 0) {
        take_body(request, upload, *upload_len);
        *upload_len = 0;
        return MHD_YES;
    }
    if (buf_error(&request->body) && !request->handled)
        http_answer(request, 413, NULL, 0, "", 0);
    else if (!request->handled && server->closing)
        http_answer(request, 503, NULL, 0, "", 0);
    else if (!request->handled)
        server->handler(server->arg, request);
    request->handled = true;
    return request->parked ? MHD_YES : queue_answer(request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct http_request *request = *state;

    (void) arg;
    (void) connection;
    (void) code;
    if (!request)
        return;
    if (request->on_gone)
        request->on_gone(request->gone_arg, request);
    if (request->answer)
        MHD_destroy_response(request->answer);
    end_parts(request);
    if (request->form.on_over)
        request->form.on_over(request->form.arg);
    buf_done(&request->body);
    free(request->method);
    free(request->path);
    free(request);
    *state = NULL;
}

static int start_daemon(struct http_server *server, const struct sockaddr_storage *address,
                        struct error *err)
{
    const struct sockaddr_in loopback = { .sin_family = AF_INET,
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const void *where = address ? (const void *) address : &loopback;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    const union MHD_DaemonInfo *info;

    if (address && address->ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;

    server->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR, where,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) IDLE_TIMEOUT_S,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned) MAX_CONNECTIONS,
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
    if (!server->daemon)
        return error_errno(err, errno ? -errno : -EIO, "it can't be listened on");
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    server->port = info ? info->port : 0;
    return 0;
}

int http_server_new(uv_loop_t *loop, const struct sockaddr_storage *address, size_t body_max,
                    http_handler_fn handler, void *arg, struct http_server **ret, struct error *err)
{
    struct http_server *server = mem_zero(sizeof(*server));
    const union MHD_DaemonInfo *info;
    int r;

    if (!server)
        return error_set(err, -ENOMEM, "HTTP server: out of memory");
    server->body_max = body_max;
    server->handler = handler;
    server->arg = arg;
    r = start_daemon(server, address, err);
    if (r < 0) {
        free(server);
        return r;
    }
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    (void) uv_poll_init(loop, &server->poll, info->epoll_fd);
    (void) uv_timer_init(loop, &server->timer);
    server->poll.data = server;
    server->timer.data = server;
    server->handles = 2;
    (void) uv_poll_start(&server->poll, UV_READABLE, on_ready);
    *ret = server;
    return 0;
}

void http_server_on_begin(struct http_server *server, http_handler_fn on_begin)
{
    server->on_begin = on_begin;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

static void on_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;

    if (--server->handles > 0)
        return;
    /* An answer waits for the next run, and one to a parked request for the one after that. */
    (void) MHD_run(server->daemon);
    (void) MHD_run(server->daemon);
    MHD_stop_daemon(server->daemon);
    free(server);
}

void http_server_close(struct http_server *server)
{
    if (!server || server->closing)
        return;
    server->closing = true;
    (void) uv_poll_stop(&server->poll);
    uv_close((uv_handle_t *) &server->poll, on_closed);
    uv_close((uv_handle_t *) &server->timer, on_closed);
}
