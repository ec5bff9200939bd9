/* core/provider/client.c - queue, deadlines and restarts around a transport (client.h).
 *
 *   down → (start) → loading → opening → open → … → down → after a pause, again
 *                                         └─ (reopen) → closing → down → at once, again
 *
 * One request is under way at a time. `load` and `open` are the client's own; callers' requests
 * wait until the group is open. */
#include "core/provider/client.h"

#include <errno.h>
#include <flotilla/provider.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/provider/client_options.h"
#include "core/provider/transport.h"

#define LOG_TOPIC "provider"
#include "core/base/log.h"

#define OPEN_DEADLINE_MS 60000
#define OVERDUE_MS 2000
#define CLOSE_DEADLINE_MS 2000
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000
#define RETRY_AFTER_MAX_MS 600000

enum phase { PHASE_DOWN, PHASE_LOADING, PHASE_OPENING, PHASE_OPEN, PHASE_CLOSING };

struct call {
    struct call *next;
    int64_t id, deadline_ms;
    json_t *request;
    bool urgent; /* short calls overtake lists */
    provider_reply_fn fn;
    void *arg;
};

struct provider_client {
    uv_loop_t *loop;
    const struct transport_kind *kind;
    struct transport *transport;
    struct client_options options;
    enum phase phase;
    struct call *queue, *running;
    int64_t last_id, backoff_ms;
    int64_t stuck_id; /* inline: the call that was given up and still runs; 0 = none */
    uint64_t opened_ms;
    provider_reply_fn on_open;
    void *on_open_arg;
    uv_timer_t restart, deadline, kick;
    unsigned handles;
    bool closing, cancel_sent;
    bool reopen_due; /* once what runs has ended */
    bool reopening;  /* until it is open, or fell: calls are taken */
    bool refused;    /* `load` or `open` was answered with an error, which on_open was told */
    void (*on_closed)(void *arg);
    void *closed_arg;
};

static void send_next(struct provider_client *client);

static void free_client(struct provider_client *client)
{
    client_options_done(&client->options);
    free(client);
}

/* The call is answered and gone before its owner hears of it, who may ask for more. */
static void answer(struct call *call, int code, const char *message, int64_t retry_after_ms,
                   json_t *reply)
{
    json_object_put(call->request);
    if (call->fn)
        call->fn(call->arg, code, message, retry_after_ms, reply);
    free(call);
}

static struct call *new_call(struct provider_client *client, json_t *request, int64_t deadline_ms,
                             provider_reply_fn fn, void *arg)
{
    struct call *call = mem_zero(sizeof(*call));

    if (!call)
        return NULL;
    call->id = ++client->last_id;
    call->deadline_ms = fault_limit_ms("provider_call", deadline_ms);
    call->request = request;
    call->fn = fn;
    call->arg = arg;
    (void) json_add_i64(request, "id", call->id);
    (void) json_add_i64(request, "deadline_ms", call->deadline_ms);
    return call;
}

static void on_restart(uv_timer_t *timer);

static void fail_calls(struct provider_client *client, int code, const char *why)
{
    struct call *running = client->running, *queue = client->queue, *next;

    client->running = client->queue = NULL;
    (void) uv_timer_stop(&client->deadline);
    if (running)
        answer(running, code, why, 0, NULL);
    for (; queue; queue = next) {
        next = queue->next;
        answer(queue, code, why, 0, NULL);
    }
}

static void stop_transport(struct provider_client *client)
{
    if (client->transport)
        client->kind->stop(client->transport);
    client->transport = NULL;
    client->stuck_id = 0;
    client->phase = PHASE_DOWN;
}

/* With the settings that were given meanwhile; calls in the queue wait for it. */
static void start_anew(struct provider_client *client)
{
    stop_transport(client);
    client->reopen_due = false;
    client->refused = false;
    client->backoff_ms = 0;
    (void) uv_timer_start(&client->restart, on_restart, 0, 0);
}

static void go_down(struct provider_client *client, const char *why)
{
    /* Else a call hears of it, or the group has heard why it cannot be opened. */
    bool tell = client->phase != PHASE_OPEN && !client->refused;
    char text[576];

    client->refused = client->reopen_due = client->reopening = false;
    /* Only a plugin that has worked for a while starts anew with a short pause: one that opens well
     * and then falls at each list must not knock at the cloud every second. */
    if (client->phase == PHASE_OPEN && uv_now(client->loop) - client->opened_ms >= BACKOFF_MAX_MS)
        client->backoff_ms = 0;
    stop_transport(client);
    if (client->closing)
        return;
    client->backoff_ms =
        fault_limit_ms("back_off", client->backoff_ms ? MIN(client->backoff_ms * 2, BACKOFF_MAX_MS)
                                                      : BACKOFF_MIN_MS);
    (void) snprintf(text, sizeof(text), "%.511s; it is started again in %" PRId64 " ms", why,
                    client->backoff_ms);
    log_error("provider of '%s': %s", client->options.group, text);
    (void) uv_timer_start(&client->restart, on_restart, (uint64_t) client->backoff_ms, 0);
    if (tell && client->on_open)
        client->on_open(client->on_open_arg, FLT_E_UNAVAILABLE, why, 0, NULL);
    fail_calls(client, FLT_E_UNAVAILABLE, why);
}

/* Closed or not: what is left of it is stopped. */
static void end_closing(struct provider_client *client)
{
    (void) uv_timer_stop(&client->deadline);
    if (client->running)
        answer(take_ptr(client->running), FLT_OK, "", 0, NULL);
    start_anew(client);
}

static void on_down(void *arg, const char *why)
{
    struct provider_client *client = arg;

    client->transport = NULL; /* stopped itself */
    if (client->phase == PHASE_CLOSING)
        end_closing(client);
    else
        go_down(client, why);
}

/* A thread cannot be killed: the call is given up, and so are others until the plugin comes back
 * from it. */
static void give_up(struct provider_client *client)
{
    log_error("provider of '%s': the plugin missed the deadline of a call; inline it cannot be "
              "killed",
              client->options.group);
    client->stuck_id = client->running->id;
    fail_calls(client, FLT_E_TIMEOUT, "the plugin missed the deadline of a call");
}

static void on_deadline(uv_timer_t *timer)
{
    struct provider_client *client = timer->data;

    if (!client->running)
        return;
    if (client->phase == PHASE_CLOSING) {
        end_closing(client);
        return;
    }
    if (!client->cancel_sent) {
        client->cancel_sent = true;
        if (client->transport)
            client->kind->cancel(client->transport, client->running->id);
        (void) uv_timer_start(timer, on_deadline, OVERDUE_MS, 0);
        return;
    }
    if (client->kind->can_kill)
        go_down(client, "the plugin missed the deadline of a call and was killed");
    else
        give_up(client);
}

static void take_call(struct provider_client *client, struct call **at)
{
    client->running = *at;
    *at = client->running->next;
    client->running->next = NULL;
}

static void transmit(struct provider_client *client)
{
    client->cancel_sent = false;
    (void) uv_timer_start(&client->deadline, on_deadline, (uint64_t) client->running->deadline_ms,
                          0);
    client->kind->send(client->transport, client->running->request);
}

static void send_next(struct provider_client *client)
{
    struct call **at = &client->queue;

    if (client->running || client->stuck_id != 0 || client->phase != PHASE_OPEN || !client->queue ||
        !client->transport)
        return;
    for (struct call **other = &client->queue; *other; other = &(*other)->next)
        if ((*other)->urgent) {
            at = other;
            break;
        }
    take_call(client, at);
    transmit(client);
}

static void start_own_call(struct provider_client *client, json_t *request)
{
    struct call *call = request ? new_call(client, request, OPEN_DEADLINE_MS, NULL, NULL) : NULL;

    if (!call) {
        json_object_put(request);
        go_down(client, "out of memory");
        return;
    }
    client->running = call;
    transmit(client);
}

static void send_load(struct provider_client *client)
{
    json_t *request = json_frame("load");

    (void) json_add_str(request, "file", client->options.file);
    (void) json_add_str(request, "group", client->options.group);
    (void) json_add_str(request, "state_dir", client->options.state_dir);
    (void) json_add_str(request, "manager", client->options.manager);
    /* For the rules of which files it may open. */
    (void) json_add_str(request, "config_file", client->options.config_file);
    (void) json_add_str(request, "plugin_config", client->options.plugin_config);
    client->phase = PHASE_LOADING;
    start_own_call(client, request);
}

static void send_open(struct provider_client *client)
{
    json_t *request = json_frame("open");

    (void) json_add_str(request, "plugin_config", client->options.plugin_config);
    (void) json_add_str(request, "connector_config", client->options.connector_config);
    client->phase = PHASE_OPENING;
    start_own_call(client, request);
}

static void reopen(struct provider_client *client)
{
    json_t *request = client->phase == PHASE_OPEN ? json_frame("close") : NULL;
    struct call *call = request ? new_call(client, request, CLOSE_DEADLINE_MS, NULL, NULL) : NULL;

    if (!call) {
        json_object_put(request);
        start_anew(client);
        return;
    }
    client->phase = PHASE_CLOSING;
    client->running = call;
    transmit(client);
}

/* Answers to `load`, `open` and `close` drive the phases. */
static void on_own_reply(struct provider_client *client, int code, const char *message,
                         int64_t retry_after_ms, json_t *reply)
{
    bool opening = client->phase == PHASE_OPENING;

    if (client->phase == PHASE_CLOSING || client->reopen_due) {
        start_anew(client);
        return;
    }
    if (code == FLT_OK && !opening) {
        send_open(client);
        return;
    }
    if (code == FLT_OK) {
        client->phase = PHASE_OPEN;
        client->reopening = false;
        client->opened_ms = uv_now(client->loop);
    }
    if (client->on_open)
        client->on_open(client->on_open_arg, code, message, retry_after_ms, reply);
    client->refused = code != FLT_OK;
    if (client->refused)
        go_down(client, *message ? message : "the plugin could not open its group");
}

/* The next of the queue, or what it waits for. */
static void go_on(struct provider_client *client)
{
    if (client->reopen_due && !client->closing && client->phase == PHASE_OPEN)
        reopen(client);
    else
        send_next(client);
}

/* The plugin is back from a call that had been given up inline. */
static void on_late_reply(struct provider_client *client, int code, const char *message,
                          int64_t retry_after_ms, json_t *reply)
{
    client->stuck_id = 0;
    if (client->phase != PHASE_OPEN && !client->closing)
        on_own_reply(client, code, message, retry_after_ms, reply);
    go_on(client);
}

/* A file that the plugin may open is another one now: only a new worker may open that. */
static void note_outdated(struct provider_client *client, json_t *reply)
{
    bool outdated = false;

    (void) json_opt_bool(reply, "outdated", &outdated, NULL);
    if (!outdated || client->phase != PHASE_OPEN || client->closing)
        return;
    log_info("provider of '%s': a file that it may open was replaced, so it is opened anew",
             client->options.group);
    client->reopen_due = client->reopening = true;
}

static void on_frame(void *arg, json_t *frame)
{
    struct provider_client *client = arg;
    struct call *call = client->running;
    const char *type = "", *text = "", *message = "";
    int64_t id = 0, code = 0, retry_after_ms = 0, level = LOG_LEVEL_INFO;
    struct error err = { 0 };

    (void) json_opt_str(frame, "type", &type, NULL);
    if (str_eq(type, "log")) {
        (void) json_opt_str(frame, "text", &text, NULL);
        (void) json_opt_i64(frame, "level", LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG, &level, NULL);
        log_line((enum log_level) level, "plugin", "%s: %s", client->options.group, text);
        return;
    }
    if (str_eq(type, "breach")) {
        (void) json_opt_str(frame, "text", &text, NULL);
        go_down(client, *text ? text : "the plugin broke the contract");
        return;
    }
    if (!str_eq(type, "reply") || json_need_i64(frame, "id", 1, INT64_MAX, &id, &err) < 0 ||
        json_need_i64(frame, "code", FLT_E_LAST, 0, &code, &err) < 0 ||
        (code != FLT_OK && code > FLT_E_INVALID) ||
        json_opt_str(frame, "message", &message, &err) < 0 ||
        json_opt_i64(frame, "retry_after_ms", 0, INT64_MAX, &retry_after_ms, &err) < 0 ||
        (call ? id != call->id : id != client->stuck_id)) {
        go_down(client, "the provider worker broke its protocol");
        return;
    }
    retry_after_ms = MIN(retry_after_ms, RETRY_AFTER_MAX_MS);
    if (code != 0 && !*message)
        message = "the plugin gives no reason";
    if (!call) {
        on_late_reply(client, (int) code, message, retry_after_ms, frame);
        return;
    }
    note_outdated(client, frame);
    client->running = NULL;
    (void) uv_timer_stop(&client->deadline);
    answer(call, (int) code, message, retry_after_ms, frame);
    if (client->phase != PHASE_OPEN && !client->closing)
        on_own_reply(client, (int) code, message, retry_after_ms, frame);
    go_on(client);
}

static void start(struct provider_client *client)
{
    struct transport_events events = { on_frame, on_down, client };
    struct error err = { 0 };

    client->kind = client->options.run_inline ? &transport_inline : &transport_process;
    if (client->kind->start(client->loop, client->options.self_exe, &events, &client->transport,
                            &err) < 0) {
        go_down(client, err.message);
        return;
    }
    send_load(client);
}

static void on_restart(uv_timer_t *timer)
{
    start(timer->data);
}

static void on_kick(uv_timer_t *timer)
{
    struct provider_client *client = timer->data;

    if (client->stuck_id != 0)
        fail_calls(client, FLT_E_UNAVAILABLE, "the plugin has not come back from an earlier call");
    send_next(client);
}

int provider_client_new(uv_loop_t *loop, const struct provider_options *options,
                        struct provider_client **ret, struct error *err)
{
    struct provider_client *client = mem_zero(sizeof(*client));
    uv_timer_t *timers[3];
    int r;

    if (!client)
        return error_set(err, -ENOMEM, "provider: out of memory");
    client->loop = loop;
    r = client_options_copy(options, &client->options, err);
    if (r < 0) {
        free(client);
        return r;
    }
    timers[0] = &client->restart;
    timers[1] = &client->deadline;
    timers[2] = &client->kick;
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        (void) uv_timer_init(loop, timers[i]);
        timers[i]->data = client;
        client->handles++;
    }
    (void) uv_timer_start(&client->restart, on_restart, 0, 0);
    *ret = client;
    return 0;
}

void provider_client_on_open(struct provider_client *client, provider_reply_fn fn, void *arg)
{
    client->on_open = fn;
    client->on_open_arg = arg;
}

int provider_client_reopen(struct provider_client *client, const struct provider_options *options,
                           struct error *err)
{
    struct client_options copy;
    int r = client_options_copy(options, &copy, err);

    if (r < 0)
        return r;
    client_options_done(&client->options);
    client->options = copy;
    if (client->closing || client->phase == PHASE_CLOSING)
        return 0;
    client->reopening = true;
    if (client->phase == PHASE_DOWN)
        start_anew(client);
    else if (client->running || client->stuck_id != 0)
        client->reopen_due = true;
    else
        reopen(client);
    return 0;
}

bool provider_client_is_open(const struct provider_client *client)
{
    return client->phase == PHASE_OPEN && !client->closing;
}

int provider_client_call(struct provider_client *client, json_t *request, int64_t deadline_ms,
                         provider_reply_fn fn, void *arg, struct error *err)
{
    struct call *call, **at = &client->queue;
    const char *type = "";

    if ((client->phase != PHASE_OPEN && !client->reopening) || client->closing) {
        json_object_put(request);
        return error_set(err, -ENOTCONN, "the instance group is not open");
    }
    call = new_call(client, request, deadline_ms, fn, arg);
    if (!call) {
        json_object_put(request);
        return error_set(err, -ENOMEM, "provider: out of memory");
    }
    (void) json_opt_str(request, "type", &type, NULL);
    call->urgent = str_eq(type, "connect_info") || str_eq(type, "heartbeat");
    while (*at)
        at = &(*at)->next;
    *at = call;
    /* Not at once: the answer must not come before this returns. */
    (void) uv_timer_start(&client->kick, on_kick, 0, 0);
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct provider_client *client = handle->data;
    void (*closed)(void *) = client->on_closed;
    void *arg = client->closed_arg;

    if (--client->handles > 0)
        return;
    free_client(client);
    if (closed)
        closed(arg);
}

static void end_client(struct provider_client *client)
{
    if (client->transport)
        client->kind->stop(client->transport);
    client->transport = NULL;
    if (client->running)
        answer(client->running, FLT_E_CANCELLED, "the provider is closed", 0, NULL);
    client->running = NULL;
    uv_close((uv_handle_t *) &client->restart, on_handle_closed);
    uv_close((uv_handle_t *) &client->deadline, on_handle_closed);
    uv_close((uv_handle_t *) &client->kick, on_handle_closed);
}

static void on_close_answered(void *arg, int code, const char *message, int64_t retry_after_ms,
                              json_t *reply)
{
    struct provider_client *client = arg;

    (void) code;
    (void) message;
    (void) retry_after_ms;
    (void) reply;
    (void) uv_timer_stop(&client->restart);
    end_client(client);
}

static void on_close_overdue(uv_timer_t *timer)
{
    struct provider_client *client = timer->data;

    if (client->running)
        client->running->fn = NULL;
    end_client(client);
}

void provider_client_close(struct provider_client *client, int64_t grace_ms,
                           void (*on_closed)(void *arg), void *arg)
{
    json_t *request;
    struct call *call;
    bool can_ask = client->phase == PHASE_OPEN && !client->running && client->stuck_id == 0;

    client->closing = true;
    client->on_closed = on_closed;
    client->closed_arg = arg;
    (void) uv_timer_stop(&client->restart);
    (void) uv_timer_stop(&client->kick);
    fail_calls(client, FLT_E_CANCELLED, "the provider is closed");
    request = can_ask && client->transport ? json_frame("close") : NULL;
    call = request ? new_call(client, request, grace_ms, on_close_answered, client) : NULL;
    if (!call) {
        json_object_put(request);
        end_client(client);
        return;
    }
    client->running = call;
    client->kind->send(client->transport, request);
    (void) uv_timer_start(&client->restart, on_close_overdue, (uint64_t) grace_ms, 0);
}
