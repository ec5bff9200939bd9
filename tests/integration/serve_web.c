/* tests/integration/serve_web.c - the server of core/web alone, for tests/integration/test_web_server.py.
 *
 * Usage: serve_web ADDRESS [--token TOKEN] [--tls CERTIFICATE KEY] [--request-ms N] [--names NAMES]. Prints
 * "listening ADDRESS", and one line for each request that went. Ends when stdin does.
 *
 *   /text       an answer; /large one of 4 MiB; /path/ what stands behind it; /args what "a" is
 *   /never      never answered; /forgotten by a handler that does not even want to
 *   /secret     needs a login; /secret-events, too
 *   /known      under known names alone
 *   /login      a form, and /logout; /visit says whether there is a cookie
 *   /stream     numbers as fast as they are taken, up to 1,000,000; /events one line, then nothing
 *   /echo       a websocket that sends back what it gets; "bye" ends it; /refused one that is not wanted
 */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/base/autoclean.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/web/form.h"
#include "core/web/server.h"

static struct web_server *server;
static uv_pipe_t input;
static unsigned lasting;

static void say(const char *what, const char *more)
{
    (void) printf("%s %s\n", what, more);
    (void) fflush(stdout);
}

static void on_gone(void *arg, struct web_request *request)
{
    (void) request;
    lasting--;
    say("gone", arg);
}

static void keep(struct web_request *request, char *what)
{
    lasting++;
    web_on_gone(request, on_gone, what);
}

static void answer_text(void *arg, struct web_request *request)
{
    (void) arg;
    web_answer_text(request, 200, "hello");
}

static void answer_large(void *arg, struct web_request *request)
{
    struct buf body = BUF_INIT;

    (void) arg;
    for (unsigned i = 0; i < 4 * 1024 * 1024 / 16; i++)
        buf_addf(&body, "%15u\n", i);
    web_answer(request, 200, "text/plain", &body);
}

static void answer_path(void *arg, struct web_request *request)
{
    (void) arg;
    web_answer_text(request, 200, "%s", web_path_rest(request));
}

static void answer_args(void *arg, struct web_request *request)
{
    char value[32] = "";
    bool there = web_query(request, "a", value, sizeof(value));

    (void) arg;
    web_answer_text(request, 200, "%s %s", there ? "is" : "is not", value);
}

static void answer_never(void *arg, struct web_request *request)
{
    (void) arg;
    keep(request, "never");
    say("parked", "never");
}

static void answer_not(void *arg, struct web_request *request)
{
    (void) arg;
    (void) request;
}

static void count_on(void *arg, struct web_request *request)
{
    static unsigned number;
    char line[16];

    (void) arg;
    for (; number < 1000000; number++) {
        (void) snprintf(line, sizeof(line), "%06u\n", number);
        if (web_send(request, line, strlen(line)) < 0)
            return;
    }
    number = 0;
    web_end(request, 0, NULL);
}

static void answer_stream(void *arg, struct web_request *request)
{
    (void) arg;
    keep(request, "stream");
    (void) web_stream(request, "text/plain", count_on);
}

static void answer_events(void *arg, struct web_request *request)
{
    (void) arg;
    if (web_stream(request, "text/event-stream", NULL)) {
        keep(request, "events");
        (void) web_send(request, "data: 1\n\n", 9);
    }
}

static void on_message(void *arg, struct web_request *request, const char *data, size_t len,
                       bool binary, bool more)
{
    (void) arg;
    if (more)
        say("piece", "");
    if (len == 3 && memcmp(data, "bye", 3) == 0)
        web_end(request, 4001, "as you wish");
    else if (binary)
        (void) web_send_binary(request, data, len);
    else
        (void) web_send(request, data, len);
}

static void on_socket_room(void *arg, struct web_request *request)
{
    static bool greeted;

    (void) arg;
    if (!greeted)
        (void) web_send(request, web_socket_protocol(request),
                        strlen(web_socket_protocol(request)));
    greeted = true;
}

static void answer_socket(void *arg, struct web_request *request)
{
    static const struct web_socket_events events = { on_message, on_socket_room };

    (void) arg;
    if (web_socket(request, &events))
        keep(request, "socket");
}

static void answer_no_socket(void *arg, struct web_request *request)
{
    (void) arg;
    web_answer_text(request, 403, "not this one");
}

static const struct web_route routes[] = {
    { "/text", .handler = answer_text },
    { "/large", .handler = answer_large },
    { "/path/*", .handler = answer_path },
    { "/args", .handler = answer_args },
    { "/never", .handler = answer_never },
    { "/forgotten", .handler = answer_not },
    { "/secret", .needs_login = true, .handler = answer_text },
    { "/known", .known_host = true, .handler = answer_text },
    { "/login", .form = true, .handler = web_form_enter },
    { "/login", .needs_login = true, .handler = web_form_entered },
    { "/logout", .form = true, .handler = web_form_leave },
    { "/visit", .needs_login = true, .handler = web_form_tell },
    { "/secret-events", .needs_login = true, .handler = answer_events },
    { "/stream", .handler = answer_stream },
    { "/events", .handler = answer_events },
    { "/echo", .socket = true, .handler = answer_socket },
    { "/secret-echo", .socket = true, .needs_login = true, .handler = answer_socket },
    { "/refused", .socket = true, .handler = answer_no_socket },
};

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
    static char buf[64];

    (void) handle;
    (void) size;
    *ret = uv_buf_init(buf, sizeof(buf));
}

static void on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void) buf;
    if (n >= 0)
        return;
    web_server_close(server);
    uv_close((uv_handle_t *) stream, NULL);
}

static int read_pem(const char *file, struct buf *out)
{
    struct error err = { 0 };

    if (fs_read_file(AT_FDCWD, file, 1 << 20, out, &err) == 0)
        return 0;
    (void) fprintf(stderr, "%s\n", err.message);
    return -1;
}

static int take_options(int argc, char **argv, struct web_options *ret, struct buf *certificate,
                        struct buf *key)
{
    if (argc < 2 || address_parse(argv[1], 9252, &ret->address) < 0)
        return -1;
    for (int i = 2; i < argc; i++) {
        int64_t ms;

        if (str_eq(argv[i], "--token") && i + 1 < argc)
            ret->token = secret_from_str(argv[++i]);
        else if (str_eq(argv[i], "--names") && i + 1 < argc)
            ret->host_names = argv[++i];
        else if (str_eq(argv[i], "--tls") && i + 2 < argc) {
            if (read_pem(argv[i + 1], certificate) < 0 || read_pem(argv[i + 2], key) < 0)
                return -1;
            ret->certificate = buf_str(certificate);
            ret->key = buf_str(key);
            i += 2;
        } else if (str_eq(argv[i], "--request-ms") && i + 1 < argc &&
                   parse_i64(argv[++i], 1, 100000, &ms) == 0)
            ret->request_ms = ms;
        else
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const subprotocols[] = { "first.example", "second.example", NULL };
    autobuf struct buf certificate = BUF_INIT, key = BUF_INIT;
    struct web_options options = { .routes = routes,
                                   .n_routes = ARRAY_LEN(routes),
                                   .subprotocols = subprotocols };
    char where[ADDRESS_TEXT_SIZE];
    struct error err = { 0 };
    uv_loop_t loop;
    int r;

    if (take_options(argc, argv, &options, &certificate, &key) < 0) {
        (void) fputs("usage: see the file\n", stderr);
        return 2;
    }
    log_open(2, LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG);
    (void) uv_loop_init(&loop);
    r = web_server_start(&loop, &options, &server, &err);
    if (r == 0) {
        (void) uv_pipe_init(&loop, &input, 0);
        (void) uv_pipe_open(&input, 0);
        (void) uv_read_start((uv_stream_t *) &input, on_alloc, on_input);
        address_format(web_server_address(server), where);
        say("listening", where);
    } else
        (void) fprintf(stderr, "%s\n", err.message);
    (void) uv_run(&loop, UV_RUN_DEFAULT);
    secret_free((struct secret *) (uintptr_t) options.token);
    if (uv_loop_close(&loop) != 0 || lasting > 0) {
        (void) fputs("something was left\n", stderr);
        return 1;
    }
    return r == 0 ? 0 : 1;
}
