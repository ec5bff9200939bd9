/* core/provider/inline.c - transport to a session on a thread of this process, for
 * plugin_host = "inline": debugging and tiny machines. The plugin cannot tell the difference, but a
 * crash of it is ours and a hang cannot be killed (hardening.md X7). */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/provider/session.h"
#include "core/provider/transport.h"

#define LOG_TOPIC "provider"
#include "core/base/log.h"

#define QUEUE_MAX 16

struct queue {
    json_t *items[QUEUE_MAX * 64];
    unsigned head, count;
};

/* Freed by whoever lets go last: the loop (on close of the async handle) or the thread. */
struct transport {
    uv_async_t wake;
    struct transport_events events;
    struct session *session;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct queue requests, frames;
    unsigned holders;
    bool stopped;
    char breach[256]; /* why the thread ended by itself; "" = it did not */
};

static void push(struct queue *queue, json_t *item)
{
    if (queue->count == ARRAY_LEN(queue->items)) {
        json_object_put(item); /* a plugin that logs without end loses lines */
        return;
    }
    queue->items[(queue->head + queue->count++) % ARRAY_LEN(queue->items)] = item;
}

static json_t *pop(struct queue *queue)
{
    json_t *item;

    if (queue->count == 0)
        return NULL;
    item = queue->items[queue->head];
    queue->head = (queue->head + 1) % ARRAY_LEN(queue->items);
    queue->count--;
    return item;
}

static void let_go(struct transport *transport)
{
    bool last;

    (void) pthread_mutex_lock(&transport->lock);
    last = --transport->holders == 0;
    (void) pthread_mutex_unlock(&transport->lock);
    if (!last)
        return;
    for (json_t *item; (item = pop(&transport->requests));)
        json_object_put(item);
    for (json_t *item; (item = pop(&transport->frames));)
        json_object_put(item);
    (void) pthread_mutex_destroy(&transport->lock);
    (void) pthread_cond_destroy(&transport->arrived);
    free(transport);
}

/* From the thread: hands a frame to the loop, unless nobody listens any more. */
static void deliver(struct transport *transport, json_t *frame)
{
    (void) pthread_mutex_lock(&transport->lock);
    if (transport->stopped) {
        json_object_put(frame);
    } else if (frame) {
        push(&transport->frames, frame);
        (void) uv_async_send(&transport->wake);
    }
    (void) pthread_mutex_unlock(&transport->lock);
}

static void on_plugin_log(void *arg, enum log_level level, const char *text)
{
    json_t *frame = json_frame("log");
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, text, strlen(text), 4000);
    (void) json_add_i64(frame, "level", level);
    (void) json_add_str(frame, "text", buf_str(&shown));
    deliver(arg, frame);
}

static json_t *next_request(struct transport *transport)
{
    json_t *request = NULL;

    (void) pthread_mutex_lock(&transport->lock);
    while (!transport->stopped && !(request = pop(&transport->requests)))
        (void) pthread_cond_wait(&transport->arrived, &transport->lock);
    (void) pthread_mutex_unlock(&transport->lock);
    return request;
}

/* The plugin is closed on the thread that called it; a cancel may still come from the loop. */
static void end_session(struct transport *transport)
{
    struct session *session;

    (void) pthread_mutex_lock(&transport->lock);
    session = take_ptr(transport->session);
    (void) pthread_mutex_unlock(&transport->lock);
    session_free(session);
}

static void *run_requests(void *arg)
{
    struct transport *transport = arg;
    json_t *request;

    while ((request = next_request(transport))) {
        json_t *reply = session_run(transport->session, request);

        json_object_put(request);
        if (session_breach(transport->session)) {
            json_object_put(reply);
            (void) pthread_mutex_lock(&transport->lock);
            (void) str_copy(transport->breach, sizeof(transport->breach),
                            session_breach(transport->session));
            if (!transport->stopped)
                (void) uv_async_send(&transport->wake);
            (void) pthread_mutex_unlock(&transport->lock);
            break;
        }
        deliver(transport, reply);
    }
    end_session(transport);
    let_go(transport);
    return NULL;
}

static void on_wake_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

static void inline_stop(struct transport *transport)
{
    (void) pthread_mutex_lock(&transport->lock);
    transport->stopped = true;
    if (transport->session)
        session_cancel_all(transport->session);
    (void) pthread_cond_signal(&transport->arrived);
    (void) pthread_mutex_unlock(&transport->lock);
    uv_close((uv_handle_t *) &transport->wake, on_wake_closed);
}

static void on_wake(uv_async_t *wake)
{
    struct transport *transport = wake->data;

    for (;;) {
        autojson json_t *frame = NULL;
        bool breached;

        (void) pthread_mutex_lock(&transport->lock);
        frame = transport->stopped ? NULL : pop(&transport->frames);
        breached = *transport->breach && !transport->stopped;
        (void) pthread_mutex_unlock(&transport->lock);
        if (frame) {
            transport->events.on_frame(transport->events.arg, frame);
            continue;
        }
        if (breached) {
            struct transport_events events = transport->events;

            inline_stop(transport);
            events.on_down(events.arg, transport->breach);
        }
        return;
    }
}

static int inline_start(uv_loop_t *loop, const char *self_exe,
                        const struct transport_events *events, struct transport **ret,
                        struct error *err)
{
    struct transport *transport = mem_zero(sizeof(*transport));
    sigset_t all, before;
    int r;

    (void) self_exe;
    if (!transport)
        return error_set(err, -ENOMEM, "inline provider: out of memory");
    r = session_new(on_plugin_log, transport, &transport->session, err);
    if (r < 0) {
        free(transport);
        return r;
    }
    log_warning("plugin_host = \"inline\": the plugin runs inside the manager, with its rights");
    transport->events = *events;
    transport->holders = 2;
    (void) pthread_mutex_init(&transport->lock, NULL);
    (void) pthread_cond_init(&transport->arrived, NULL);
    (void) uv_async_init(loop, &transport->wake, on_wake);
    transport->wake.data = transport;
    /* Signals are the loop's. */
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&transport->thread, NULL, run_requests, transport);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        session_free(transport->session);
        transport->holders = 1;
        uv_close((uv_handle_t *) &transport->wake, on_wake_closed);
        return error_errno(err, -r, "inline provider: thread");
    }
    (void) pthread_detach(transport->thread);
    *ret = transport;
    return 0;
}

static void inline_send(struct transport *transport, json_t *request)
{
    json_t *copy = NULL;

    /* json-c's counts are not for two threads: the thread gets its own object. */
    if (json_object_deep_copy(request, &copy, NULL) < 0)
        return;
    (void) pthread_mutex_lock(&transport->lock);
    push(&transport->requests, copy);
    (void) pthread_cond_signal(&transport->arrived);
    (void) pthread_mutex_unlock(&transport->lock);
}

static void inline_cancel(struct transport *transport, int64_t id)
{
    (void) pthread_mutex_lock(&transport->lock);
    if (transport->session)
        session_cancel(transport->session, id);
    (void) pthread_mutex_unlock(&transport->lock);
}

const struct transport_kind transport_inline = { inline_start, inline_send, inline_cancel,
                                                 inline_stop, false };
