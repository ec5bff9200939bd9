/* tests/fuzz/fuzz_provider_reply.c - what a hostile provider worker sends to the supervisor's client.
 *
 * Input: texts, each ended by a byte 0. Each that is a JSON object is given to the client as a frame
 * of its worker; where it has "id": 0 this becomes the id of the request that waits. The client
 * must not crash, must answer each call once with a code of the ABI, and must end when it is closed.
 * This file stands for both transports, so that no process is started.
 */
#include <fcntl.h>
#include <flotilla/provider.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/provider/client.h"
#include "core/provider/transport.h"

#define FRAMES_TRIED 64
#define RETRY_AFTER_MAX_MS 600000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct transport {
    struct transport_events events;
    int64_t asked; /* id of the request that waits */
};

/* The client has one at a time. */
static struct transport *current;
static unsigned calls, answers;

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_provider_reply: %s\n", what);
    abort();
}

static int fake_start(uv_loop_t *loop, const char *self_exe, const struct transport_events *events,
                      struct transport **ret, struct error *err)
{
    (void) loop;
    (void) self_exe;
    (void) err;
    require(!current, "a second worker is started beside the first");
    current = mem_zero(sizeof(*current));
    require(current, "memory");
    current->events = *events;
    *ret = current;
    return 0;
}

static void fake_send(struct transport *transport, json_t *request)
{
    require(json_need_i64(request, "id", 1, INT64_MAX, &transport->asked, NULL) == 0,
            "a request without an id");
}

static void fake_cancel(struct transport *transport, int64_t id)
{
    (void) transport;
    (void) id;
}

static void fake_stop(struct transport *transport)
{
    require(transport == current, "another worker is stopped than runs");
    free(current);
    current = NULL;
}

const struct transport_kind transport_process = { fake_start, fake_send, fake_cancel, fake_stop,
                                                  true };
const struct transport_kind transport_inline = { fake_start, fake_send, fake_cancel, fake_stop,
                                                 false };

static void judge(int code, const char *message, int64_t retry_after_ms)
{
    require(code == FLT_OK || (code <= FLT_E_INVALID && code >= FLT_E_LAST),
            "an answer's code is none of the ABI");
    require(retry_after_ms >= 0 && retry_after_ms <= RETRY_AFTER_MAX_MS,
            "an answer makes us wait for too long");
    require(code == FLT_OK || !str_empty(message), "an error without a reason");
}

static void on_open(void *arg, int code, const char *message, int64_t retry_after_ms, json_t *reply)
{
    (void) arg;
    (void) reply;
    judge(code, message, retry_after_ms);
}

static void on_answer(void *arg, int code, const char *message, int64_t retry_after_ms,
                      json_t *reply)
{
    (void) arg;
    (void) reply;
    answers++;
    judge(code, message, retry_after_ms);
}

static void ask(struct provider_client *client)
{
    static const char *const types[] = { "list", "connect_info", "heartbeat" };

    if (provider_client_is_open(client) && calls - answers < 3 &&
        provider_client_call(client, json_frame(types[calls % ARRAY_LEN(types)]), 60000, on_answer,
                             NULL, NULL) == 0)
        calls++;
}

static void deliver(uv_loop_t *loop, const char *text, size_t len)
{
    autojson json_t *frame = NULL;
    int64_t id = -1;

    if (json_parse(text, len, &frame, NULL) < 0 || !json_object_is_type(frame, json_type_object))
        return;
    (void) json_opt_i64(frame, "id", 0, INT64_MAX, &id, NULL);
    if (id == 0)
        (void) json_add_i64(frame, "id", current->asked);
    current->events.on_frame(current->events.arg, frame);
    (void) uv_run(loop, UV_RUN_NOWAIT);
}

/* A worker that broke the rules is started again after a pause, for which this does not wait. */
static void deliver_all(uv_loop_t *loop, struct provider_client *client, const char *data,
                        size_t len)
{
    for (int i = 0; len > 0 && current && i < FRAMES_TRIED; i++) {
        const char *end = memchr(data, 0, len);
        size_t part = end ? (size_t) (end - data) : len;

        deliver(loop, data, part);
        ask(client);
        (void) uv_run(loop, UV_RUN_NOWAIT);
        data += part + (end ? 1 : 0);
        len -= part + (end ? 1 : 0);
    }
}

static void on_closed(void *arg)
{
    *(bool *) arg = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int null_fd = -1;
    struct provider_options options = { .file = "f", .group = "g", .run_inline = size % 2 };
    struct provider_client *client = NULL;
    bool closed = false;
    uv_loop_t loop;

    if (size > 8192)
        return 0;
    if (null_fd < 0) {
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        log_open(null_fd, LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG);
    }
    calls = answers = 0;
    require(uv_loop_init(&loop) == 0, "memory");
    require(provider_client_new(&loop, &options, &client, NULL) == 0, "memory");
    provider_client_on_open(client, on_open, NULL);
    (void) uv_run(&loop, UV_RUN_NOWAIT);
    require(current, "no worker is started");
    deliver_all(&loop, client, (const char *) data, size);
    provider_client_close(client, 1, on_closed, &closed);
    (void) uv_run(&loop, UV_RUN_DEFAULT);
    require(closed && !current && answers == calls, "a call has no answer, or more than one");
    require(uv_loop_close(&loop) == 0, "the client leaves something on its loop");
    return 0;
}
