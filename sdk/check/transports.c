/* sdk/check/transports.c - the plugin as the supervisor runs it: in a provider worker, and inline on
 * a thread. The same life in both, with one instance that comes and goes. */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/base/str.h"
#include "core/provider/client.h"
#include "sdk/check/kit.h"

#define PAUSE_MS 100

struct life {
    uv_loop_t loop;
    uv_timer_t patience;
    struct kit *kit;
    struct provider_client *client;
    int64_t epoch;
    bool answered, overdue;

    /* The last answer. */
    int code;
    char message[512];
    json_t *reply;
};

static void on_closed(void *arg)
{
    struct life *life = arg;

    uv_close((uv_handle_t *) &life->patience, NULL);
}

static void on_patience(uv_timer_t *timer)
{
    struct life *life = timer->data;

    life->overdue = true;
}

static void on_answer(void *arg, int code, const char *message, int64_t retry_after_ms,
                      json_t *reply)
{
    struct life *life = arg;

    (void) retry_after_ms;
    life->answered = true;
    life->code = code;
    (void) snprintf(life->message, sizeof(life->message), "%.500s", message ? message : "");
    json_object_put(life->reply);
    life->reply = json_object_get(reply);
}

static bool wait_answer(struct life *life, const char *verb)
{
    (void) uv_timer_start(&life->patience, on_patience, 2 * KIT_CALL_MS, 0);
    while (!life->answered && !life->overdue)
        (void) uv_run(&life->loop, UV_RUN_ONCE);
    (void) uv_timer_stop(&life->patience);
    if (life->overdue)
        kit_fail(life->kit, "no answer to %s within %d ms", verb, 2 * KIT_CALL_MS);
    return !life->overdue;
}

static void fail_answer(const struct life *life, const char *verb)
{
    kit_fail(life->kit, "%s: %s: %s", verb, kit_code_name(life->code), life->message);
}

/* Asks and waits; false when there is no answer. */
static bool ask(struct life *life, json_t *request, const char *verb)
{
    struct error err = { 0 };

    life->answered = false;
    if (provider_client_call(life->client, request, KIT_CALL_MS, on_answer, life, &err) < 0) {
        kit_fail(life->kit, "%s: %s", verb, err.message);
        return false;
    }
    return wait_answer(life, verb);
}

/* The same, and the answer must be FLT_OK. */
static bool demand(struct life *life, json_t *request, const char *verb)
{
    if (!ask(life, request, verb))
        return false;
    if (life->code != FLT_OK)
        fail_answer(life, verb);
    return life->code == FLT_OK;
}

/* The ids of the instances that are not on their way out, as the keys of an object. */
static json_t *list_ids(struct life *life)
{
    json_t *ids = json_object_new_object(), *instances = NULL;
    bool complete = false;

    if (!demand(life, json_frame("list"), "list"))
        return ids;
    (void) json_opt_bool(life->reply, "complete", &complete, NULL);
    (void) json_opt_array(life->reply, "instances", &instances, NULL);
    if (!complete)
        kit_fail(life->kit, "list was not complete");
    for (size_t i = 0; instances && i < json_object_array_length(instances); i++) {
        json_t *instance = json_object_array_get_idx(instances, i);
        int64_t state = FLT_STATE_DELETED;
        const char *id = "";

        (void) json_opt_str(instance, "id", &id, NULL);
        (void) json_opt_i64(instance, "state", 0, FLT_STATE_RESUMING, &state, NULL);
        if (state != FLT_STATE_DELETING && state != FLT_STATE_DELETED)
            (void) json_add_bool(ids, id, true);
    }
    return ids;
}

/* One of `a` that `b` lacks, or NULL. */
static const char *missing(json_t *a, json_t *b)
{
    json_object_object_foreach(a, id, ignored)
    {
        (void) ignored;
        if (!json_object_object_get_ex(b, id, NULL))
            return id;
    }
    return NULL;
}

static json_t *changing(const struct life *life, const char *type)
{
    json_t *request = json_frame(type);

    (void) json_add_str(request, "request_id", kit_new_request());
    (void) json_add_i64(request, "epoch", life->epoch);
    return request;
}

/* Lets time pass, for the cloud; false when enough has passed. */
static bool has_patience(const struct life *life, int64_t waited_ms)
{
    if (waited_ms >= life->kit->options->patience_ms)
        return false;
    uv_sleep(PAUSE_MS);
    return true;
}

/* The id of the instance that it makes; NULL with a finding. */
static char *grow(struct life *life)
{
    autojson json_t *before = list_ids(life);
    json_t *request = changing(life, "increase");
    char *made = NULL;

    (void) json_add_i64(request, "n", 1);
    if (kit_failed(life->kit) || !demand(life, request, "increase"))
        return NULL;
    for (int64_t waited = 0; !made && !kit_failed(life->kit); waited += PAUSE_MS) {
        autojson json_t *now = list_ids(life);
        const char *id = missing(now, before);

        if (id)
            made = kit_copy(id);
        else if (!has_patience(life, waited))
            kit_fail(life->kit, "increase was accepted, but list shows no new instance");
    }
    if (made)
        kit_report(life->kit, "made", NULL, made);
    return made;
}

static void reach(struct life *life, const char *id)
{
    json_t *request = json_frame("connect_info");

    (void) json_add_str(request, "instance", id);
    if (ask(life, request, "connect_info") && life->code != FLT_OK && life->code != FLT_E_NOT_READY)
        fail_answer(life, "connect_info");
    if (!life->kit->provider.heartbeat || kit_failed(life->kit))
        return;
    request = json_frame("heartbeat");
    (void) json_add_str(request, "instance", id);
    if (ask(life, request, "heartbeat") && life->code != FLT_OK && life->code != FLT_E_UNHEALTHY &&
        life->code != FLT_E_UNAVAILABLE)
        fail_answer(life, "heartbeat");
}

static void shrink(struct life *life, const char *id)
{
    json_t *request = changing(life, "decrease"), *ids = json_object_new_array(), *accepted = NULL;

    (void) json_object_array_add(ids, json_object_new_string(id));
    (void) json_add(request, "ids", ids);
    if (!demand(life, request, "decrease"))
        return;
    (void) json_opt_array(life->reply, "accepted", &accepted, NULL);
    if (!accepted || json_object_array_length(accepted) != 1) {
        kit_fail(life->kit, "decrease did not accept %s", id);
        return;
    }
    for (int64_t waited = 0;; waited += PAUSE_MS) {
        autojson json_t *now = list_ids(life);

        if (life->code == FLT_OK && !json_object_object_get_ex(now, id, NULL))
            break;
        if (life->code != FLT_OK || !has_patience(life, waited)) {
            kit_fail(life->kit, "decrease was accepted, but list shows %s as before", id);
            return;
        }
    }
    kit_report(life->kit, "gone", NULL, id);
}

static void live_in(struct life *life)
{
    char *id;

    provider_client_on_open(life->client, on_answer, life);
    if (!wait_answer(life, "open"))
        return;
    if (life->code != FLT_OK) {
        fail_answer(life, "open");
        return;
    }
    id = grow(life);
    if (!id)
        return;
    reach(life, id);
    shrink(life, id);
}

static void live(struct kit *kit, bool run_inline, int64_t epoch)
{
    struct provider_options options = { .file = kit->options->file,
                                        .group = "flotilla plugin check",
                                        .state_dir = kit->state_dir,
                                        .plugin_config = kit->options->plugin_config,
                                        .connector_config = kit->options->connector_config,
                                        .self_exe = kit->options->self_exe,
                                        .run_inline = run_inline };
    struct life life = { .kit = kit, .epoch = epoch };
    struct error err = { 0 };

    if (uv_loop_init(&life.loop) != 0) {
        kit_fail(kit, "no event loop");
        return;
    }
    (void) uv_timer_init(&life.loop, &life.patience);
    life.patience.data = &life;
    if (provider_client_new(&life.loop, &options, &life.client, &err) < 0) {
        kit_fail(kit, "%s", err.message);
        on_closed(&life);
    } else {
        live_in(&life);
        provider_client_close(life.client, 5000, on_closed, &life);
    }
    (void) uv_run(&life.loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&life.loop);
    json_object_put(life.reply);
}

/* Each with an epoch of its own, as a manager that follows another one has. */
static void check_worker(struct kit *kit)
{
    if (kit->options->self_exe)
        live(kit, false, kit_epoch() + 1);
    else
        kit_skip(kit, "our own program is not known");
}

static void check_inline(struct kit *kit)
{
    live(kit, true, kit_epoch() + 2);
}

const struct kit_check kit_checks_transport[] = {
    { "works in a provider worker", check_worker, false },
    { "works inline", check_inline, false },
    { NULL, NULL, false },
};
