/* core/provider/session.h - one loaded provider and its group: runs request objects against it.
 *
 * The same code serves the provider worker (worker.c) and inline mode (inline.c); they differ only
 * in who brings the requests. Everything the plugin hands out is copied and checked at once
 * (hardening.md L3). One thread runs session_run(); session_cancel() may come from another.
 */
#pragma once

#include <flotilla/provider.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/json.h"
#include "core/base/log.h"

struct session;

/* The plugin's log lines, on the calling thread. */
typedef void (*session_log_fn)(void *arg, enum log_level level, const char *text);

int session_new(session_log_fn on_log, void *arg, struct session **ret, struct error *err);
void session_free(struct session *session);

/* Runs one request (docs/design/processes.md "Provider link") and returns its reply, a new
 * reference; NULL only when memory is short. A broken request gets a reply with FLT_E_INVALID. */
json_t *session_run(struct session *session, json_t *request);

/* Makes the cancel descriptor of the request with this id readable: now if it runs, else when it
 * begins. Any thread. */
void session_cancel(struct session *session, int64_t id);
/* The same for whatever runs or begins from now on. Any thread. */
void session_cancel_all(struct session *session);

/* A sentence when the plugin broke a rule that makes its process untrustworthy; else NULL. */
const char *session_breach(struct session *session);

#define SESSION_MESSAGE_MAX 1024
#define SESSION_IDENTITY_MAX 512

/* The call a plugin sees; opaque to it. It outlives its end for a while, so that a plugin that uses
 * it then is noticed rather than believed. */
struct flt_call {
    struct session *session;
    int64_t id, deadline_mono_ms, epoch, retry_after_ms;
    const char *request_id;
    pthread_t thread;
    _Atomic bool ended;
    struct flt_group_info info;
    char *message, *identity; /* buffers of the session */
    json_t *asked;            /* set of the ids that a decrease is about; borrowed */
    json_t *items;            /* what sinks collected */
    json_t *seen;             /* ids emitted so far */
    json_t *connect;          /* connect_info's record */
};

/* host.c: the services given to plugins. */
extern const struct flt_host session_host;
int session_cancel_fd(struct session *session);
bool session_is_cancelled(struct session *session);
const char *session_state_dir(const struct session *session);
const char *session_manager(const struct session *session); /* NULL = nobody who stays */
void session_log(struct session *session, enum log_level level, const char *text);
void session_note_breach(struct session *session, const char *text);
uint64_t session_capabilities(const struct session *session); /* FLT_CAP_* */

/* sinks.c: given to the slots, with the flt_call as `arg`. */
int32_t sink_instance(void *arg, const struct flt_instance *raw);
int32_t sink_id(void *arg, const char *id);
int32_t sink_connect(void *arg, const struct flt_connect_info *raw);
int32_t sink_key(void *arg, const struct flt_config_key *raw);
int32_t sink_signal(void *arg, const struct flt_signal *raw);
