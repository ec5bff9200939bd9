/* sdk/check/transports.c - the plugin as the supervisor runs it: in a provider worker, and inline on
 * a thread. The same short life in both: open, list, close. */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/base/str.h"
#include "core/provider/client.h"
#include "sdk/check/kit.h"

struct life {
    uv_loop_t loop;
    uv_timer_t patience;
    struct kit *kit;
    struct provider_client *client;
    bool ending;
};

static void on_closed(void *arg)
{
    struct life *life = arg;

    uv_close((uv_handle_t *) &life->patience, NULL);
}

static void end(struct life *life)
{
    if (life->ending)
        return;
    life->ending = true;
    provider_client_close(life->client, 5000, on_closed, life);
}

static void on_patience(uv_timer_t *timer)
{
    struct life *life = timer->data;

    kit_fail(life->kit, "no answer within %d ms", 2 * KIT_CALL_MS);
    end(life);
}

static void on_listed(void *arg, int code, const char *message, int64_t retry_after_ms,
                      json_t *reply)
{
    struct life *life = arg;
    bool complete = false;

    (void) retry_after_ms;
    if (life->ending)
        return;
    if (code != FLT_OK)
        kit_fail(life->kit, "list: %s", message);
    else if (json_opt_bool(reply, "complete", &complete, NULL) < 0 || !complete)
        kit_fail(life->kit, "list was not complete");
    end(life);
}

static void on_opened(void *arg, int code, const char *message, int64_t retry_after_ms,
                      json_t *reply)
{
    struct life *life = arg;
    struct error err = { 0 };

    (void) retry_after_ms;
    (void) reply;
    if (life->ending)
        return;
    if (code != FLT_OK) {
        kit_fail(life->kit, "open: %s", message);
        end(life);
    } else if (provider_client_call(life->client, json_frame("list"), KIT_CALL_MS, on_listed, life,
                                    &err) < 0) {
        kit_fail(life->kit, "list: %s", err.message);
        end(life);
    }
}

static void live(struct kit *kit, bool run_inline)
{
    struct provider_options options = { .file = kit->options->file,
                                        .group = "flotilla plugin check",
                                        .state_dir = kit->state_dir,
                                        .plugin_config = kit->options->plugin_config,
                                        .connector_config = kit->options->connector_config,
                                        .self_exe = kit->options->self_exe,
                                        .run_inline = run_inline };
    struct life life = { .kit = kit };
    struct error err = { 0 };

    if (uv_loop_init(&life.loop) != 0) {
        kit_fail(kit, "no event loop");
        return;
    }
    (void) uv_timer_init(&life.loop, &life.patience);
    life.patience.data = &life;
    (void) uv_timer_start(&life.patience, on_patience, 2 * KIT_CALL_MS, 0);
    if (provider_client_new(&life.loop, &options, &life.client, &err) < 0) {
        kit_fail(kit, "%s", err.message);
        uv_close((uv_handle_t *) &life.patience, NULL);
    } else {
        provider_client_on_open(life.client, on_opened, &life);
    }
    (void) uv_run(&life.loop, UV_RUN_DEFAULT);
    (void) uv_loop_close(&life.loop);
}

static void check_worker(struct kit *kit)
{
    if (kit->options->self_exe)
        live(kit, false);
    else
        kit_skip(kit, "our own program is not known");
}

static void check_inline(struct kit *kit)
{
    live(kit, true);
}

const struct kit_check kit_checks_transport[] = {
    { "works in a provider worker", check_worker, false },
    { "works inline", check_inline, false },
    { NULL, NULL, false },
};
