/* core/provider/session.c - requests against a loaded provider, replies out of what it emits.
 *
 * dispatch: session_run() finds the request's handler in a table; each handler reads its arguments,
 * calls one slot and adds its results to the reply. */
#include "core/provider/session.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "core/provider/check.h"
#include "core/provider/client.h"
#include "core/provider/files.h"

#define CALLS_KEPT 64

struct session {
    struct flt_provider provider;
    flt_group *group;
    bool loaded;
    char *group_name, *state_dir, *manager;
    session_log_fn on_log;
    void *log_arg;
    flt_call *calls[CALLS_KEPT]; /* the last ones, ended but for one */
    unsigned next_call;
    char message[SESSION_MESSAGE_MAX], identity[SESSION_IDENTITY_MAX];

    int cancel_fd;
    _Atomic bool cancelled;
    pthread_mutex_t lock; /* for what follows: cancels and stray emits come from other threads */
    int64_t running_id;   /* 0 = none */
    int64_t cancelled_id; /* the last one asked for, perhaps before it began */
    bool cancel_all;
    char breach[256];
};

int session_new(session_log_fn on_log, void *arg, struct session **ret, struct error *err)
{
    struct session *session = mem_zero(sizeof(*session));

    if (!session)
        return error_set(err, -ENOMEM, "provider: out of memory");
    session->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (session->cancel_fd < 0) {
        free(session);
        return error_errno(err, -errno, "provider: eventfd");
    }
    (void) pthread_mutex_init(&session->lock, NULL);
    session->on_log = on_log;
    session->log_arg = arg;
    *ret = session;
    return 0;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    if (session->group)
        session->provider.close(session->group);
    for (size_t i = 0; i < ARRAY_LEN(session->calls); i++)
        free(session->calls[i]);
    (void) close(session->cancel_fd);
    (void) pthread_mutex_destroy(&session->lock);
    free(session->group_name);
    free(session->state_dir);
    free(session->manager);
    free(session);
}

const char *session_breach(struct session *session)
{
    bool broken;

    (void) pthread_mutex_lock(&session->lock);
    broken = *session->breach != '\0'; /* written once */
    (void) pthread_mutex_unlock(&session->lock);
    return broken ? session->breach : NULL;
}

int session_cancel_fd(struct session *session)
{
    return session->cancel_fd;
}

bool session_is_cancelled(struct session *session)
{
    return atomic_load(&session->cancelled);
}

const char *session_state_dir(const struct session *session)
{
    return session->state_dir;
}

const char *session_manager(const struct session *session)
{
    return *session->manager ? session->manager : NULL;
}

uint64_t session_capabilities(const struct session *session)
{
    return session->provider.capabilities;
}

void session_log(struct session *session, enum log_level level, const char *text)
{
    session->on_log(session->log_arg, level, text);
}

/* The lock is held. */
static void raise_cancel(struct session *session)
{
    uint64_t one = 1;

    atomic_store(&session->cancelled, true);
    (void) !write(session->cancel_fd, &one, sizeof(one));
}

void session_cancel(struct session *session, int64_t id)
{
    (void) pthread_mutex_lock(&session->lock);
    session->cancelled_id = id;
    if (session->running_id == id)
        raise_cancel(session);
    (void) pthread_mutex_unlock(&session->lock);
}

void session_cancel_all(struct session *session)
{
    (void) pthread_mutex_lock(&session->lock);
    session->cancel_all = true;
    raise_cancel(session);
    (void) pthread_mutex_unlock(&session->lock);
}

void session_note_breach(struct session *session, const char *text)
{
    (void) pthread_mutex_lock(&session->lock);
    if (!*session->breach)
        (void) snprintf(session->breach, sizeof(session->breach), "%s", text);
    (void) pthread_mutex_unlock(&session->lock);
}

/* Handlers: the return value is the code of the reply. */

static int32_t argument_missing(flt_call *call, const struct error *err)
{
    return session_host.fail(call, FLT_E_INVALID, 0, err->message);
}

/* Beside it lie the host's own files, and other plugins'. */
static int use_own_dir(struct session *session, struct error *err)
{
    char *own = NULL;
    int r = files_own_dir(session->state_dir, session->provider.name, &own, err);

    if (r < 0)
        return r;
    free(session->state_dir);
    session->state_dir = own;
    return 0;
}

static int32_t run_load(struct session *session, flt_call *call, json_t *request, json_t *reply)
{
    const char *file = NULL, *group = "", *state_dir = "", *manager = "";
    struct error err = { 0 };

    if (session->loaded)
        return session_host.fail(call, FLT_E_INVALID, 0, "a plugin is loaded already");
    if (json_need_str(request, "file", &file, &err) < 0 ||
        json_opt_str(request, "group", &group, &err) < 0 ||
        json_opt_str(request, "state_dir", &state_dir, &err) < 0 ||
        json_opt_str(request, "manager", &manager, &err) < 0)
        return argument_missing(call, &err);
    session->group_name = mem_strdup(group);
    session->state_dir = mem_strdup(state_dir);
    session->manager = mem_strdup(manager);
    if (!session->group_name || !session->state_dir || !session->manager)
        return FLT_E_INTERNAL;
    if (plugin_load_provider(file, &session->provider, &err) < 0)
        return session_host.fail(call, FLT_E_ABI, 0, err.message);
    if (!provider_text_valid(session->provider.name) ||
        !provider_text_valid(session->provider.version))
        return session_host.fail(call, FLT_E_ABI, 0, "its name or version is no valid text");
    if (*session->state_dir && use_own_dir(session, &err) < 0)
        return session_host.fail(call, FLT_E_ABI, 0, err.message);
    session->loaded = true;
    (void) json_add_str(reply, "name", session->provider.name);
    (void) json_add_str(reply, "version", session->provider.version);
    (void) json_add_i64(reply, "abi_minor", session->provider.abi_minor);
    (void) json_add_i64(reply, "capabilities", (int64_t) session->provider.capabilities);
    if (session->provider.config_keys)
        (void) session->provider.config_keys(sink_key, call);
    (void) json_add(reply, "keys", json_object_get(call->items));
    return FLT_OK;
}

static int32_t inspect_isolation(flt_call *call, const char *file, json_t *reply)
{
    struct flt_isolation isolation;
    struct error err = { 0 };

    if (plugin_load_isolation(file, &isolation, &err) < 0)
        return session_host.fail(call, FLT_E_ABI, 0, err.message);
    if (!provider_text_valid(isolation.name) || !provider_text_valid(isolation.version))
        return session_host.fail(call, FLT_E_ABI, 0, "its name or version is no valid text");
    (void) json_add_str(reply, "kind", "isolation");
    (void) json_add_str(reply, "name", isolation.name);
    (void) json_add_str(reply, "version", isolation.version);
    (void) json_add_i64(reply, "abi_minor", isolation.abi_minor);
    (void) json_add_i64(reply, "capabilities", (int64_t) isolation.capabilities);
    return FLT_OK;
}

/* What `flotilla plugin list` and `info` ask: as `load`, of a plugin of any kind. */
static int32_t run_inspect(struct session *session, flt_call *call, json_t *request, json_t *reply)
{
    enum plugin_kind kind;
    struct error err = { 0 };
    const char *file = NULL;

    if (json_need_str(request, "file", &file, &err) < 0)
        return argument_missing(call, &err);
    if (plugin_find_kind(file, &kind, &err) < 0)
        return session_host.fail(call, FLT_E_ABI, 0, err.message);
    if (kind == PLUGIN_ISOLATION)
        return inspect_isolation(call, file, reply);
    (void) json_add_str(reply, "kind", "provider");
    return run_load(session, call, request, reply);
}

static int32_t run_open(struct session *session, flt_call *call, json_t *request, json_t *reply)
{
    const char *plugin_config = "{}", *connector_config = "{}";
    struct error err = { 0 };
    int32_t code;

    if (session->group)
        return session_host.fail(call, FLT_E_INVALID, 0, "the group is open already");
    if (json_opt_str(request, "plugin_config", &plugin_config, &err) < 0 ||
        json_opt_str(request, "connector_config", &connector_config, &err) < 0)
        return argument_missing(call, &err);
    code = session->provider.open(&session_host, call, plugin_config, connector_config,
                                  &session->group);
    if (code != FLT_OK) {
        session->group = NULL;
        return code;
    }
    if (!session->group)
        return session_host.fail(call, FLT_E_INTERNAL, 0, "open succeeded without a group");
    (void) json_add_str(reply, "name", session->provider.name);
    (void) json_add_str(reply, "version", session->provider.version);
    (void) json_add_i64(reply, "max_size", call->info.max_size);
    (void) json_add_str(reply, "identity", call->identity);
    (void) json_add_i64(reply, "capabilities", (int64_t) session->provider.capabilities);
    (void) json_add_i64(reply, "price_micros_hour", call->info.price_micros_hour);
    (void) json_add_i64(reply, "minimum_billed_ms", call->info.minimum_billed_ms);
    (void) json_add_i64(reply, "minimum_life_ms", call->info.minimum_life_ms);
    (void) json_add_i64(reply, "recycle_ms", call->info.recycle_ms);
    return FLT_OK;
}

static int32_t run_list(struct session *session, flt_call *call, json_t *request, json_t *reply)
{
    int32_t code = session->provider.list(session->group, call, sink_instance, call);

    (void) request;
    (void) json_add(reply, "instances", json_object_get(call->items));
    (void) json_add_bool(reply, "complete", code == FLT_OK);
    return code;
}

static int32_t run_increase(struct session *session, flt_call *call, json_t *request, json_t *reply)
{
    struct error err = { 0 };
    uint32_t accepted = 0;
    int64_t n = 0;
    int32_t code;

    if (json_need_i64(request, "n", 1, PROVIDER_LIST_MAX, &n, &err) < 0)
        return argument_missing(call, &err);
    code = session->provider.increase(session->group, call, (uint32_t) n, &accepted);
    if (accepted > n)
        session_note_breach(session, "the plugin accepted more instances than it was asked for");
    (void) json_add_i64(reply, "accepted", accepted);
    return code;
}

static int32_t run_decrease(struct session *session, flt_call *call, json_t *request, json_t *reply)
{
    autofree const char **ids = NULL;
    autojson json_t *asked = json_object_new_object();
    struct error err = { 0 };
    json_t *array = NULL;
    size_t n;
    int32_t code;

    if (json_opt_array(request, "ids", &array, &err) < 0)
        return argument_missing(call, &err);
    n = array ? json_object_array_length(array) : 0;
    if (n == 0 || n > PROVIDER_LIST_MAX)
        return session_host.fail(call, FLT_E_INVALID, 0, "ids: 1 to 10000 are possible");
    ids = mem_array(n, sizeof(*ids));
    if (!ids || !asked)
        return session_host.fail(call, FLT_E_INTERNAL, 0, "out of memory");
    for (size_t i = 0; i < n; i++) {
        json_t *id = json_object_array_get_idx(array, i);

        ids[i] = json_object_get_string(id);
        if (!json_object_is_type(id, json_type_string) || !plugin_id_valid(ids[i]))
            return session_host.fail(call, FLT_E_INVALID, 0, "ids: one of them is no id");
        (void) json_add_bool(asked, ids[i], true);
    }
    call->asked = asked;
    code = session->provider.decrease(session->group, call, ids, (uint32_t) n, sink_id, call);
    (void) json_add(reply, "accepted", json_object_get(call->items));
    return code;
}

static int32_t run_connect_info(struct session *session, flt_call *call, json_t *request,
                                json_t *reply)
{
    struct error err = { 0 };
    const char *id = NULL;
    int32_t code;

    if (json_need_str(request, "instance", &id, &err) < 0)
        return argument_missing(call, &err);
    code = session->provider.connect_info(session->group, call, id, sink_connect, call);
    if (code != FLT_OK)
        return code;
    if (!call->connect)
        return *call->message ? FLT_E_INTERNAL
                              : session_host.fail(call, FLT_E_INTERNAL, 0,
                                                  "connect_info succeeded without an answer");
    (void) json_add(reply, "connect", json_object_get(call->connect));
    return FLT_OK;
}

static int32_t run_heartbeat(struct session *session, flt_call *call, json_t *request,
                             json_t *reply)
{
    struct error err = { 0 };
    const char *id = NULL;

    (void) reply;
    if (json_need_str(request, "instance", &id, &err) < 0)
        return argument_missing(call, &err);
    if (!session->provider.heartbeat)
        return FLT_OK; /* no opinion */
    return session->provider.heartbeat(session->group, call, id);
}

static int32_t run_signals(struct session *session, flt_call *call, json_t *request, json_t *reply)
{
    int32_t code = FLT_OK; /* without the slot: none */

    (void) request;
    if (session->provider.capabilities & FLT_CAP_SIGNALS)
        code = session->provider.signals(session->group, call, sink_signal, call);
    (void) json_add(reply, "signals", json_object_get(call->items));
    return code;
}

static int32_t run_close(struct session *session, flt_call *call, json_t *request, json_t *reply)
{
    (void) call;
    (void) request;
    (void) reply;
    if (session->group)
        session->provider.close(session->group);
    session->group = NULL;
    return FLT_OK;
}

static const struct {
    const char *type;
    int32_t (*run)(struct session *, flt_call *, json_t *, json_t *);
    bool needs_plugin, needs_group;
} handlers[] = {
    { "load", run_load, false, false },
    { "inspect", run_inspect, false, false },
    { "open", run_open, true, false },
    { "list", run_list, true, true },
    { "increase", run_increase, true, true },
    { "decrease", run_decrease, true, true },
    { "connect_info", run_connect_info, true, true },
    { "heartbeat", run_heartbeat, true, true },
    { "signals", run_signals, true, true },
    { "close", run_close, false, false },
};

static int32_t run_type(struct session *session, flt_call *call, const char *type, json_t *request,
                        json_t *reply)
{
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        if (!str_eq(type, handlers[i].type))
            continue;
        if (handlers[i].needs_plugin && !session->loaded)
            return session_host.fail(call, FLT_E_INVALID, 0, "no plugin is loaded");
        if (handlers[i].needs_group && !session->group)
            return session_host.fail(call, FLT_E_INVALID, 0, "the group is not open");
        return handlers[i].run(session, call, request, reply);
    }
    return session_host.fail(call, FLT_E_INVALID, 0, "the request is of no known type");
}

/* A fresh call in the oldest one's place. */
static flt_call *new_call(struct session *session)
{
    flt_call *call = mem_zero(sizeof(*call));
    flt_call **place = &session->calls[session->next_call++ % CALLS_KEPT];

    if (!call)
        return NULL;
    free(*place);
    *place = call;
    *session->message = *session->identity = '\0';
    call->session = session;
    call->thread = pthread_self();
    call->message = session->message;
    call->identity = session->identity;
    call->items = json_object_new_array();
    call->seen = json_object_new_object();
    return call;
}

static void end_call(flt_call *call)
{
    call->ended = true;
    call->request_id = NULL;
    json_object_put(take_ptr(call->items));
    json_object_put(take_ptr(call->seen));
    json_object_put(take_ptr(call->connect));
}

static void set_running(struct session *session, int64_t id)
{
    uint64_t ignored;

    (void) pthread_mutex_lock(&session->lock);
    session->running_id = id;
    if (id != 0) {
        (void) !read(session->cancel_fd, &ignored, sizeof(ignored));
        atomic_store(&session->cancelled, false);
        if (session->cancelled_id == id || session->cancel_all)
            raise_cancel(session);
    }
    (void) pthread_mutex_unlock(&session->lock);
}

/* hardening.md L4 */
static int32_t closed_set(flt_call *call, int32_t code)
{
    if (code == FLT_OK || (code <= FLT_E_INVALID && code >= FLT_E_LAST))
        return code;
    (void) snprintf(call->message, SESSION_MESSAGE_MAX,
                    "the plugin answered with %d, a status that does not exist", code);
    return FLT_E_INTERNAL;
}

static int32_t run_call(flt_call *call, json_t *request, json_t *reply)
{
    const char *type = "", *request_id = NULL;
    struct error err = { 0 };
    int64_t deadline_ms = 60000;
    int32_t code;

    if (json_need_i64(request, "id", 1, INT64_MAX, &call->id, &err) < 0 ||
        json_need_str(request, "type", &type, &err) < 0 ||
        json_opt_i64(request, "deadline_ms", 1, 3600000, &deadline_ms, &err) < 0 ||
        json_opt_str(request, "request_id", &request_id, &err) < 0 ||
        json_opt_i64(request, "epoch", 0, INT64_MAX, &call->epoch, &err) < 0)
        return argument_missing(call, &err);
    call->request_id = request_id;
    call->deadline_mono_ms = clock_mono_ms(&clock_system) + deadline_ms;
    set_running(call->session, call->id);
    code = closed_set(call, run_type(call->session, call, type, request, reply));
    set_running(call->session, 0);
    return code;
}

json_t *session_run(struct session *session, json_t *request)
{
    autojson json_t *reply = json_frame("reply");
    flt_call *call = new_call(session);
    int32_t code;

    if (!reply || !call || !call->items || !call->seen) {
        if (call)
            end_call(call);
        return NULL;
    }
    code = run_call(call, request, reply);
    (void) json_add_i64(reply, "id", call->id);
    (void) json_add_i64(reply, "code", code);
    (void) json_add_str(reply, "message", call->message);
    (void) json_add_i64(reply, "retry_after_ms", call->retry_after_ms);
    end_call(call);
    return take_ptr(reply);
}
