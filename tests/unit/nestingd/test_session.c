/* tests/unit/nestingd/test_session.c - mirrors nestingd/session.c. The client is nghttp2's own, which sends what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "nestingd/session.h"

#define RUNS_MAX 16
#define STREAMS_MAX 512

/* What the client has seen of a stream. */
struct seen {
    int http_status, grpc_status; /* -1 = none */
    char content_type[64], message[512];
    bool has_message, is_closed;
    uint32_t error;
    unsigned char body[128];
    size_t body_len;
    unsigned blocks; /* of headers */
};

struct scene {
    nghttp2_session *client;
    struct session *server;
    struct seen seen[STREAMS_MAX];
    uint32_t goaway_error;
    bool has_goaway;
    unsigned streams_limit;
    /* What the server's owner was told. */
    struct {
        struct request request;
        unsigned char data[64];
    } runs[RUNS_MAX];
    size_t n_runs, n_ends;
    int32_t ended;
};

struct body {
    const unsigned char *data;
    size_t len, sent;
    bool stays_open;
};

static void on_request(void *arg, const struct request *request)
{
    struct scene *scene = arg;

    assert_true(scene->n_runs < RUNS_MAX);
    scene->runs[scene->n_runs].request = *request;
    memcpy(scene->runs[scene->n_runs++].data, request->data, MIN(request->len, (size_t) 64));
}

static void on_end(void *arg, int32_t stream)
{
    struct scene *scene = arg;

    scene->ended = stream;
    scene->n_ends++;
}

static int64_t number(const char *text)
{
    int64_t ret = -2;

    (void) parse_i64(text, 0, 999, &ret);
    return ret;
}

static int on_header(nghttp2_session *client, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct seen *seen = &((struct scene *) arg)->seen[frame->hd.stream_id];
    const char *is = (const char *) name, *text = (const char *) value;

    (void) client;
    (void) name_len;
    (void) flags;
    if (str_eq(is, ":status"))
        seen->http_status = (int) number(text);
    if (str_eq(is, "grpc-status"))
        seen->grpc_status = (int) number(text);
    if (str_eq(is, "content-type"))
        (void) str_copy(seen->content_type, sizeof(seen->content_type), text);
    if (str_eq(is, "grpc-message")) {
        seen->has_message = true;
        flt_grpc_text_read(text, value_len, seen->message, sizeof(seen->message));
    }
    return 0;
}

static int on_data(nghttp2_session *client, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *arg)
{
    struct seen *seen = &((struct scene *) arg)->seen[stream];

    (void) client;
    (void) flags;
    for (size_t i = 0; i < len && seen->body_len < sizeof(seen->body); i++)
        seen->body[seen->body_len++] = data[i];
    return 0;
}

static int on_frame(nghttp2_session *client, const nghttp2_frame *frame, void *arg)
{
    struct scene *scene = arg;

    (void) client;
    if (frame->hd.type == NGHTTP2_HEADERS)
        scene->seen[frame->hd.stream_id].blocks++;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        scene->has_goaway = true;
        scene->goaway_error = frame->goaway.error_code;
    }
    for (size_t i = 0; frame->hd.type == NGHTTP2_SETTINGS && i < frame->settings.niv; i++)
        if (frame->settings.iv[i].settings_id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
            scene->streams_limit = frame->settings.iv[i].value;
    return 0;
}

static int on_close(nghttp2_session *client, int32_t stream, uint32_t error, void *arg)
{
    struct seen *seen = &((struct scene *) arg)->seen[stream];

    (void) client;
    seen->is_closed = true;
    seen->error = error;
    return 0;
}

static ssize_t read_body(nghttp2_session *client, int32_t stream, uint8_t *to, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct body *body = source->ptr;

    (void) client;
    (void) stream;
    (void) arg;
    len = MIN(len, body->len - body->sent);
    if (len == 0 && body->stays_open)
        return NGHTTP2_ERR_DEFERRED;
    memcpy(to, body->data + body->sent, len);
    body->sent += len;
    if (body->sent == body->len && !body->stays_open)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t) len;
}

static void open_scene(struct scene *scene)
{
    const struct session_owner owner = { on_request, on_end, scene };
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    *scene = (struct scene) { 0 };
    for (size_t i = 0; i < STREAMS_MAX; i++)
        scene->seen[i].http_status = scene->seen[i].grpc_status = -1;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_option_set_peer_max_concurrent_streams(option, STREAMS_MAX);
    assert_int_equal(nghttp2_session_client_new2(&scene->client, callbacks, scene, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(scene->client, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    scene->server = session_new(&owner);
    assert_non_null(scene->server);
}

static void close_scene(struct scene *scene)
{
    nghttp2_session_del(scene->client);
    session_free(scene->server);
}

/* All that the client has to say now, before it hears anything. */
static int send_all(struct scene *scene, bool *ret_any, struct error *err)
{
    autobuf struct buf said = BUF_INIT;
    const unsigned char *out;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(scene->client, &out)) > 0)
        buf_add(&said, out, (size_t) n);
    *ret_any = said.len > 0;
    return said.len > 0 ? session_feed(scene->server, said.data, said.len, 0, err) : 0;
}

/* Until neither side has anything to say. Returns what session_feed() said last. */
static int pump(struct scene *scene, struct error *err)
{
    const unsigned char *out;
    bool any;
    size_t n;

    do {
        int r = send_all(scene, &any, err);

        if (r < 0)
            return r;
        while ((n = session_pending(scene->server, &out)) > 0) {
            (void) nghttp2_session_mem_recv(scene->client, out, n);
            session_sent(scene->server, n);
            any = true;
        }
    } while (any);
    return 0;
}

static void must_pump(struct scene *scene)
{
    struct error err = { 0 };

    if (pump(scene, &err) < 0)
        fail_msg("%s", err.message);
}

/* Headers of a request; NULL = the usual value, "" = without it. */
struct asked {
    const char *method, *path, *content_type, *te, *timeout, *encoding;
};

static size_t add_header(nghttp2_nv *headers, size_t n, const char *name, const char *value,
                         const char *usual)
{
    const char *text = value ? value : usual;

    if (str_empty(text))
        return n;
    headers[n] = (nghttp2_nv) { (uint8_t *) (uintptr_t) name, (uint8_t *) (uintptr_t) text,
                                strlen(name), strlen(text), NGHTTP2_NV_FLAG_NONE };
    return n + 1;
}

static int32_t ask(struct scene *scene, const struct asked *asked, struct body *body)
{
    const nghttp2_data_provider provider = { .source = { .ptr = body },
                                             .read_callback = read_body };
    nghttp2_nv headers[8];
    size_t n = 0;

    n = add_header(headers, n, ":method", asked->method, "POST");
    n = add_header(headers, n, ":scheme", NULL, "http");
    n = add_header(headers, n, ":path", asked->path, "/nesting.Nesting/List");
    n = add_header(headers, n, ":authority", NULL, "localhost");
    n = add_header(headers, n, "content-type", asked->content_type, "application/grpc");
    n = add_header(headers, n, "te", asked->te, "trailers");
    n = add_header(headers, n, "grpc-timeout", asked->timeout, "");
    n = add_header(headers, n, "grpc-encoding", asked->encoding, "");
    return nghttp2_submit_request(scene->client, NULL, headers, n, body ? &provider : NULL, NULL);
}

static const unsigned char empty_message[] = { 0, 0, 0, 0, 0 };
static const struct asked usual;

static int32_t ask_list(struct scene *scene, struct body *body)
{
    *body = (struct body) { .data = empty_message, .len = sizeof(empty_message) };
    return ask(scene, &usual, body);
}

static void answer(struct scene *scene, int32_t stream, int status, const char *message)
{
    unsigned char data[] = { 10, 1, 120 };
    struct flt_grpc_answer said = { .status = status };

    (void) str_copy(said.message, sizeof(said.message), message);
    if (status == FLT_GRPC_OK) {
        said.data = data;
        said.len = sizeof(data);
    }
    session_answer(scene->server, stream, &said);
    must_pump(scene);
}

static void test_a_call_and_its_answer(void **state)
{
    static const unsigned char framed[] = { 0, 0, 0, 0, 3, 10, 1, 120 };
    static const unsigned char create[] = { 0, 0, 0, 0, 7, 0x0a, 3, 'm', 'a', 'c', 0x10, 0 };
    struct body body = { .data = create, .len = sizeof(create) };
    struct scene scene;
    struct seen *seen;
    int32_t id;

    (void) state;
    open_scene(&scene);
    id =
        ask(&scene, &(struct asked) { .path = "/nesting.Nesting/Create", .timeout = "60S" }, &body);
    must_pump(&scene);
    assert_int_equal(scene.n_runs, 1);
    assert_int_equal(scene.runs[0].request.method, METHOD_CREATE);
    assert_int_equal(scene.runs[0].request.timeout_ms, 60000);
    assert_int_equal(scene.runs[0].request.len, 7);
    assert_memory_equal(scene.runs[0].data, create + 5, 7);
    answer(&scene, id, FLT_GRPC_OK, "");
    seen = &scene.seen[id];
    assert_int_equal(seen->http_status, 200);
    assert_string_equal(seen->content_type, "application/grpc");
    assert_int_equal(seen->body_len, sizeof(framed));
    assert_memory_equal(seen->body, framed, sizeof(framed));
    assert_int_equal(seen->grpc_status, 0);
    assert_true(seen->has_message && seen->message[0] == '\0'); /* as Go's daemon sends it */
    assert_int_equal(seen->blocks, 2);
    assert_true(seen->is_closed && seen->error == NGHTTP2_NO_ERROR);
    assert_int_equal(scene.n_ends, 0);
    close_scene(&scene);
}

static void test_an_error_is_one_block_of_headers(void **state)
{
    struct scene scene;
    struct body body;
    int32_t id;

    (void) state;
    open_scene(&scene);
    id = ask_list(&scene, &body);
    must_pump(&scene);
    assert_int_equal(scene.runs[0].request.timeout_ms, INT64_MAX);
    answer(&scene, id, 2, "fetching list: für 100%\n");
    assert_int_equal(scene.seen[id].http_status, 200);
    assert_int_equal(scene.seen[id].grpc_status, 2);
    assert_string_equal(scene.seen[id].message, "fetching list: für 100%");
    assert_int_equal(scene.seen[id].blocks, 1);
    assert_int_equal(scene.seen[id].body_len, 0);
    close_scene(&scene);
}

static void test_requests_that_are_wrong(void **state)
{
    static const struct {
        const char *why;
        struct asked asked;
        unsigned char body[16];
        size_t len;
        int status; /* 0 = it runs */
        const char *message;
    } rows[] = {
        { "another method",
          { .path = "/nesting.Nesting/Foo" },
          { 0 },
          5,
          12,
          "unknown method Foo for service nesting.Nesting" },
        { "another service", { .path = "/a.B/List" }, { 0 }, 5, 12, "unknown service a.B" },
        { "part of its name",
          { .path = "/nesting.Nest/List" },
          { 0 },
          5,
          12,
          "unknown service nesting.Nest" },
        { "no service", { .path = "/List" }, { 0 }, 5, 12, "malformed method name: \"/List\"" },
        { "GET", { .method = "GET" }, { 0 }, 5, 13, "a call is a POST" },
        { "no content-type",
          { .content_type = "" },
          { 0 },
          5,
          3,
          "invalid gRPC request content-type" },
        { "another",
          { .content_type = "text/html" },
          { 0 },
          5,
          3,
          "invalid gRPC request content-type" },
        { "with its encoding", { .content_type = "application/grpc+proto" }, { 0 }, 5, 0, "" },
        { "te may be missing", { .te = "" }, { 0 }, 5, 0, "" },
        { "gzip",
          { .encoding = "gzip" },
          { 0 },
          5,
          12,
          "grpc: Decompressor is not installed for grpc-encoding \"gzip\"" },
        { "no encoding by name", { .encoding = "identity" }, { 0 }, 5, 0, "" },
        { "a timeout that is none",
          { .timeout = "soon" },
          { 0 },
          5,
          13,
          "malformed grpc-timeout: \"soon\"" },
        { "one that is over",
          { .timeout = "-1S" },
          { 0 },
          5,
          4,
          "the deadline had passed already" },
        { "no message", { 0 }, { 0 }, 0, 2, "EOF" },
        { "half a prefix", { 0 }, { 0 }, 3, 2, "unexpected EOF" },
        { "half a message", { 0 }, { 0, 0, 0, 0, 9, 1 }, 6, 2, "unexpected EOF" },
        { "compressed",
          { 0 },
          { 1 },
          5,
          13,
          "grpc: compressed flag set with identity or empty encoding" },
        { "a flag that nobody knows",
          { 0 },
          { 7 },
          5,
          13,
          "grpc: compressed flag set with identity or empty encoding" },
        { "too long, by what it says",
          { 0 },
          { 0, 0, 0x40, 0, 1 },
          5,
          8,
          "grpc: received message larger than max (4194305 vs. 1048576)" },
        { "a second message is ignored", { 0 }, { 0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 1, 8 }, 12, 0, "" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct body body = { .data = rows[i].body, .len = rows[i].len };
        struct scene scene;
        struct seen *seen;
        int32_t id;

        open_scene(&scene);
        id = ask(&scene, &rows[i].asked, &body);
        must_pump(&scene);
        seen = &scene.seen[id];
        if (scene.n_runs != (rows[i].status == 0) ||
            seen->grpc_status != (rows[i].status ? rows[i].status : -1) ||
            !str_eq(seen->message, rows[i].message))
            fail_msg("%s: ran %zu, status %d, '%s'", rows[i].why, scene.n_runs, seen->grpc_status,
                     seen->message);
        close_scene(&scene);
    }
}

/* An answer before the client has said all: it need not go on. */
static void test_a_long_message_is_refused_at_once(void **state)
{
    static const unsigned char prefix[] = { 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3 };
    struct body body = { .data = prefix, .len = sizeof(prefix), .stays_open = true };
    struct scene scene;
    int32_t id;

    (void) state;
    open_scene(&scene);
    id = ask(&scene, &usual, &body);
    must_pump(&scene);
    assert_int_equal(scene.seen[id].grpc_status, 8);
    assert_string_equal(scene.seen[id].message,
                        "grpc: received message larger than max (4294967295 vs. 1048576)");
    assert_true(scene.seen[id].is_closed);
    assert_int_equal(scene.seen[id].error, NGHTTP2_NO_ERROR);
    close_scene(&scene);
}

/* It runs as soon as its message is there, and what comes then changes nothing. */
static void test_a_request_that_stays_open_runs(void **state)
{
    struct body body = { .data = empty_message, .len = 5, .stays_open = true };
    struct scene scene;
    int32_t id;

    (void) state;
    open_scene(&scene);
    id = ask(&scene, &usual, &body);
    must_pump(&scene);
    assert_int_equal(scene.n_runs, 1);
    answer(&scene, id, FLT_GRPC_OK, "");
    assert_int_equal(scene.seen[id].grpc_status, 0);
    assert_true(scene.seen[id].is_closed);
    close_scene(&scene);
}

static void test_eight_calls_at_once(void **state)
{
    struct scene scene;
    struct body bodies[9];
    int32_t ids[9];

    (void) state;
    open_scene(&scene);
    must_pump(&scene);
    assert_int_equal(scene.streams_limit, SESSION_STREAMS_MAX);
    for (size_t i = 0; i < 9; i++)
        ids[i] = ask_list(&scene, &bodies[i]);
    must_pump(&scene);
    assert_int_equal(scene.n_runs, 8); /* the client keeps the ninth */
    answer(&scene, ids[3], FLT_GRPC_OK, "");
    assert_int_equal(scene.n_runs, 9);
    close_scene(&scene);
}

/* A client that has not read our settings yet may ask for more: those are refused, and no others. */
static void test_calls_beyond_the_limit_are_refused_without_harm(void **state)
{
    struct scene scene;
    struct body bodies[12];
    int32_t ids[12];

    (void) state;
    open_scene(&scene);
    for (size_t i = 0; i < 12; i++)
        ids[i] = ask_list(&scene, &bodies[i]);
    must_pump(&scene);
    assert_int_equal(scene.n_runs, 8);
    for (size_t i = 8; i < 12; i++)
        assert_true(scene.seen[ids[i]].is_closed &&
                    scene.seen[ids[i]].error == NGHTTP2_REFUSED_STREAM);
    answer(&scene, ids[0], FLT_GRPC_OK, "");
    assert_int_equal(scene.seen[ids[0]].grpc_status, 0);
    close_scene(&scene);
}

static void test_a_client_that_resets_a_call_ends_it(void **state)
{
    struct scene scene;
    struct body body;
    int32_t id;

    (void) state;
    open_scene(&scene);
    id = ask_list(&scene, &body);
    must_pump(&scene);
    (void) nghttp2_submit_rst_stream(scene.client, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    must_pump(&scene);
    assert_int_equal(scene.n_ends, 1);
    assert_int_equal(scene.ended, id);
    answer(&scene, id, FLT_GRPC_OK, ""); /* too late, and harmless */
    assert_int_equal(scene.seen[id].grpc_status, -1);
    close_scene(&scene);
}

static void test_a_server_that_stops_still_answers(void **state)
{
    struct scene scene;
    struct body body;
    int32_t id;

    (void) state;
    open_scene(&scene);
    id = ask_list(&scene, &body);
    must_pump(&scene);
    session_stop(scene.server);
    must_pump(&scene);
    assert_true(scene.has_goaway);
    assert_int_equal(scene.goaway_error, NGHTTP2_NO_ERROR);
    assert_false(session_is_over(scene.server));
    answer(&scene, id, FLT_GRPC_OK, "");
    assert_int_equal(scene.seen[id].grpc_status, 0);
    assert_true(session_is_over(scene.server));
    close_scene(&scene);
}

static void test_an_answer_that_is_too_long_is_an_error(void **state)
{
    autofree unsigned char *data = calloc(1, FLT_GRPC_MESSAGE_MAX + 1);
    const struct flt_grpc_answer said = { .data = data, .len = FLT_GRPC_MESSAGE_MAX + 1 };
    struct scene scene;
    struct body body;
    int32_t id;

    (void) state;
    assert_non_null(data);
    open_scene(&scene);
    id = ask_list(&scene, &body);
    must_pump(&scene);
    session_answer(scene.server, id, &said);
    must_pump(&scene);
    assert_int_equal(scene.seen[id].grpc_status, FLT_GRPC_RESOURCE_EXHAUSTED);
    close_scene(&scene);
}

static void test_more_than_a_hundred_resets_end_the_connection(void **state)
{
    struct scene scene;
    struct error err = { 0 };
    int r = 0;

    (void) state;
    open_scene(&scene);
    must_pump(&scene);
    for (int i = 0; i < 101 && r == 0; i++) {
        struct body body;
        int32_t id = ask_list(&scene, &body);

        r = pump(&scene, &err);
        assert_int_equal(r, 0);
        scene.n_runs = 0;
        (void) nghttp2_submit_rst_stream(scene.client, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        r = pump(&scene, &err);
        assert_true(r == 0 || i == 100);
    }
    assert_int_equal(r, -EPROTO);
    assert_string_equal(err.message, "it sent more than 100 resets in a minute");
    assert_int_equal(scene.n_ends, 100);
    close_scene(&scene);
}

static void test_headers_that_are_too_long_end_the_connection(void **state)
{
    char long_text[15000];
    struct scene scene;
    struct error err = { 0 };

    (void) state;
    memset(long_text, 'x', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    open_scene(&scene);
    (void) ask(&scene, &(struct asked) { .timeout = long_text, .encoding = long_text }, NULL);
    assert_int_equal(pump(&scene, &err), -EPROTO);
    assert_string_equal(err.message, "it sent headers of more than 16 KiB");
    close_scene(&scene);
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"

/* The type of the last frame in what the server has to say, and its payload's last byte. */
static void last_frame(struct session *server, int *ret_type, int *ret_byte)
{
    const unsigned char *out;
    size_t n;

    *ret_type = *ret_byte = -1;
    while ((n = session_pending(server, &out)) > 0) {
        for (size_t at = 0; at + 9 <= n;) {
            size_t len = (size_t) out[at] << 16 | (size_t) out[at + 1] << 8 | out[at + 2];

            *ret_type = out[at + 3];
            at += 9 + len;
            *ret_byte = out[at - 1];
        }
        session_sent(server, n);
    }
}

/* Frames that no client of a library sends: literals that are in no table. */
static void test_names_that_are_no_names_end_the_call_alone(void **state)
{
    static const char upper[] = PREFACE SETTINGS "\0\0\x10\1\4\0\0\0\1"
                                                 "\x83\x86\x84\0\3Foo\7bar baz";
    static const char pathless[] = PREFACE SETTINGS "\0\0\x08\1\4\0\0\0\1"
                                                    "\x83\x86\4\4List";
    static const struct {
        const char *data;
        size_t len;
    } rows[] = { { upper, sizeof(upper) - 1 }, { pathless, sizeof(pathless) - 1 } };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scene scene = { 0 };
        const struct session_owner owner = { on_request, on_end, &scene };
        auto_ptr(session_free) struct session *server = session_new(&owner);
        struct error err = { 0 };
        int type, byte;

        if (session_feed(server, rows[i].data, rows[i].len, 0, &err) < 0)
            fail_msg("%zu: %s", i, err.message);
        last_frame(server, &type, &byte);
        assert_int_equal(type, NGHTTP2_RST_STREAM);
        assert_int_equal(byte, NGHTTP2_PROTOCOL_ERROR);
        assert_int_equal(scene.n_runs, 0);
    }
}

static void test_what_is_no_http2_ends_the_connection(void **state)
{
    static const char *const rows[] = { "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX",
                                        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct session_owner owner = { on_request, on_end, NULL };
        auto_ptr(session_free) struct session *server = session_new(&owner);
        struct error err = { 0 };

        assert_int_equal(session_feed(server, rows[i], strlen(rows[i]), 0, &err), -EPROTO);
        assert_true(str_starts(err.message, "it does not speak HTTP/2 as it should"));
    }
}

static void test_too_many_settings_and_control_frames(void **state)
{
    unsigned char settings[9 + 33 * 6] = { 0, 0, 33 * 6, NGHTTP2_SETTINGS };
    static const unsigned char ping[17] = { 0, 0, 8, NGHTTP2_PING };
    const struct session_owner owner = { on_request, on_end, NULL };
    auto_ptr(session_free) struct session *greedy = session_new(&owner);
    auto_ptr(session_free) struct session *noisy = session_new(&owner);
    struct error err = { 0 };
    const unsigned char *out;
    int sent = 0, r = session_feed(noisy, PREFACE SETTINGS, 24 + 9, 0, &err);

    (void) state;
    for (size_t i = 0; i < 33; i++)
        settings[9 + i * 6 + 1] = NGHTTP2_SETTINGS_HEADER_TABLE_SIZE;
    (void) session_feed(greedy, PREFACE, 24, 0, &err);
    (void) session_feed(greedy, settings, sizeof(settings), 0, &err);
    while (session_pending(greedy, &out) > 0)
        session_sent(greedy, session_pending(greedy, &out));
    assert_true(session_is_over(greedy));
    for (; r == 0 && sent < 2000; sent++) {
        r = session_feed(noisy, ping, sizeof(ping), 0, &err);
        while (session_pending(noisy, &out) > 0)
            session_sent(noisy, session_pending(noisy, &out));
    }
    assert_int_equal(r, -EPROTO);
    assert_int_equal(sent, 1000);
    assert_string_equal(err.message, "it sent more than 1000 control frames in a minute");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_and_its_answer),
        cmocka_unit_test(test_an_error_is_one_block_of_headers),
        cmocka_unit_test(test_requests_that_are_wrong),
        cmocka_unit_test(test_a_long_message_is_refused_at_once),
        cmocka_unit_test(test_a_request_that_stays_open_runs),
        cmocka_unit_test(test_eight_calls_at_once),
        cmocka_unit_test(test_calls_beyond_the_limit_are_refused_without_harm),
        cmocka_unit_test(test_a_client_that_resets_a_call_ends_it),
        cmocka_unit_test(test_a_server_that_stops_still_answers),
        cmocka_unit_test(test_an_answer_that_is_too_long_is_an_error),
        cmocka_unit_test(test_more_than_a_hundred_resets_end_the_connection),
        cmocka_unit_test(test_headers_that_are_too_long_end_the_connection),
        cmocka_unit_test(test_names_that_are_no_names_end_the_call_alone),
        cmocka_unit_test(test_what_is_no_http2_ends_the_connection),
        cmocka_unit_test(test_too_many_settings_and_control_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
