/* core/cli/plugin_try_turn.c - turning the loop until an answer is there, its time is over, or
 * somebody interrupts (plugin_try_parts.h). */
#include <flotilla/provider.h>
#include <signal.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/plugin_try_parts.h"

const char *try_text(json_t *obj, const char *key)
{
    const char *text = "";

    (void) json_opt_str(obj, key, &text, NULL);
    return text;
}

static void on_timer(uv_timer_t *timer)
{
    ((struct trial *) timer->data)->overdue = true;
}

static void on_signal(uv_signal_t *handle, int signum)
{
    (void) signum;
    ((struct trial *) handle->data)->interrupts++;
}

void try_watch(struct trial *trial)
{
    static const int signums[] = { SIGINT, SIGTERM };

    (void) uv_timer_init(&trial->loop, &trial->timer);
    trial->timer.data = trial;
    for (size_t i = 0; i < ARRAY_LEN(signums); i++) {
        (void) uv_signal_init(&trial->loop, &trial->signals[i]);
        trial->signals[i].data = trial;
        (void) uv_signal_start(&trial->signals[i], on_signal, signums[i]);
    }
}

void try_unwatch(struct trial *trial)
{
    uv_close((uv_handle_t *) &trial->timer, NULL);
    for (size_t i = 0; i < ARRAY_LEN(trial->signals); i++)
        uv_close((uv_handle_t *) &trial->signals[i], NULL);
}

bool try_interrupted(const struct trial *trial)
{
    return trial->interrupts > trial->forgiven;
}

int try_wait(struct trial *trial, bool (*holds)(const struct trial *trial), int64_t ms)
{
    trial->overdue = false;
    (void) uv_timer_start(&trial->timer, on_timer, (uint64_t) MAX(ms, INT64_C(0)), 0);
    while (!holds(trial) && !trial->overdue && !try_interrupted(trial))
        (void) uv_run(&trial->loop, UV_RUN_ONCE);
    (void) uv_timer_stop(&trial->timer);
    return holds(trial) ? 0 : try_interrupted(trial) ? -EINTR : -ETIMEDOUT;
}

static bool never(const struct trial *trial)
{
    (void) trial;
    return false;
}

int try_pause(struct trial *trial, int64_t ms)
{
    return try_wait(trial, never, ms) == -EINTR ? -EINTR : 0;
}

struct turn {
    struct trial *trial;
    unsigned number;
};

void try_keep_answer(struct trial *trial, int code, const char *message, int64_t retry_after_ms,
                     json_t *reply)
{
    trial->code = code;
    (void) str_cut(trial->message, sizeof(trial->message), message);
    trial->retry_after_ms = retry_after_ms;
    json_object_put(trial->reply);
    trial->reply = reply ? json_object_get(reply) : NULL;
}

/* One that nobody waits for any more is dropped. */
static void on_reply(void *arg, int code, const char *message, int64_t retry_after_ms,
                     json_t *reply)
{
    autofree struct turn *turn = arg;

    if (turn->number != turn->trial->asked)
        return;
    try_keep_answer(turn->trial, code, message, retry_after_ms, reply);
    turn->trial->answered = turn->number;
}

static bool is_answered(const struct trial *trial)
{
    return trial->answered == trial->asked;
}

int try_call(struct trial *trial, json_t *request, int64_t deadline_ms, struct error *err)
{
    struct turn *turn = mem_zero(sizeof(*turn));
    int r;

    if (!turn || !request) {
        free(turn);
        json_object_put(request);
        return error_set(err, -ENOMEM, "out of memory");
    }
    *turn = (struct turn) { trial, ++trial->asked };
    r = provider_client_call(trial->provider, request, deadline_ms, on_reply, turn, err);
    if (r < 0) {
        free(turn);
        return r;
    }
    r = try_wait(trial, is_answered, deadline_ms + 2 * TRY_GRACE_MS);
    if (r == -EINTR)
        return error_set(err, r, "interrupted");
    return r < 0 ? error_set(err, r, "the provider worker does not answer") : 0;
}

int try_call_well(struct trial *trial, json_t *request, int64_t deadline_ms, struct error *err)
{
    int r = try_call(trial, request, deadline_ms, err);

    return r == 0 && trial->code != FLT_OK ? error_set(err, -EREMOTEIO, "%s", trial->message) : r;
}
