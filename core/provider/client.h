/* core/provider/client.h - a provider as the supervisor's loop sees it: requests with deadlines,
 * answers by callback.
 *
 * Two ways behind one face: an exec'd provider worker on a socketpair, or (plugin_host = "inline")
 * the same dispatcher on a thread. A worker that dies, breaks the frame rules or misses a deadline
 * by 2 s is killed and restarted with back-off (1 s doubling to 1 min); calls in flight end with
 * FLT_E_UNAVAILABLE; `load` and `open` are repeated by the client itself. All functions are for the
 * loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/error.h"
#include "core/base/json.h"

struct provider_client;

#define PROVIDER_LIST_MAX 10000 /* instances in a list (hardening.md §9), so in a group */

struct provider_options {
    const char *file;          /* the .so, already found and checked by core/plugin */
    const char *group;         /* printable name */
    const char *state_dir;     /* where a local provider may keep its things */
    const char *manager;       /* who holds the group, for others to see; NULL = nobody who stays */
    const char *config_file;   /* which the plugin has no business with; may be NULL */
    const char *plugin_config; /* JSON texts; copied */
    const char *connector_config;
    const char *self_exe; /* our own binary, for exec */
    bool run_inline;
};

/* Answer to a call. code 0 or negative FLT_E_*; `reply` is the reply frame (borrowed), NULL when
 * there was none. */
typedef void (*provider_reply_fn)(void *arg, int code, const char *message, int64_t retry_after_ms,
                                  json_t *reply);

int provider_client_new(uv_loop_t *loop, const struct provider_options *options,
                        struct provider_client **ret, struct error *err);
/* Called each time `open` was answered, or the plugin fell before that, again after each restart;
 * reply carries max_size, identity, name and version, or is NULL. */
void provider_client_on_open(struct provider_client *client, provider_reply_fn fn, void *arg);
/* Another plugin_config, connector_config or way to run it: the plugin is closed once the call that runs
 * has ended, and opened anew; calls that wait, or are made meanwhile, go to the new one. */
int provider_client_reopen(struct provider_client *client, const struct provider_options *options,
                           struct error *err);
bool provider_client_is_open(const struct provider_client *client);

/* Sends one request (type and arguments as docs/design/processes.md); takes `request`. The callback
 * is always called exactly once, never before this returns. Short calls (connect_info, heartbeat)
 * overtake queued lists. */
int provider_client_call(struct provider_client *client, json_t *request, int64_t deadline_ms,
                         provider_reply_fn fn, void *arg, struct error *err);

/* Sends close, waits at most `grace_ms`, kills; `on_closed` may free what the callbacks use. Calls
 * in flight are answered with FLT_E_CANCELLED first. */
void provider_client_close(struct provider_client *client, int64_t grace_ms,
                           void (*on_closed)(void *arg), void *arg);

/* Hidden subcommand `provider`: the worker's main, link on descriptor 3. */
int provider_worker_main(void);
