/* provider.c - the Google Cloud provider: the instances of a managed instance group. This file holds the slots of the
 * provider ABI, and what opening and closing a group takes; see gcp.h for the parts. */

#include "gcp.h"

#include <stdio.h>
#include <stdlib.h>

#define USER_AGENT "flotilla/" FLOTILLA_VERSION

/* The call that runs from now on. */
static void enter(struct flt_group *g, flt_call *call)
{
    g->call = call;
    g->call_watch = (struct flt_call_watch) { .host = g->host, .call = call };
    g->watch = flt_watch_call(&g->call_watch);
}

/* Credentials. */

static int32_t run_program(void *arg, const char *const *argv, flt_output_sink sink, void *sink_arg)
{
    struct flt_group *g = arg;

    return g->host->run(g->call, argv, sink, sink_arg);
}

/* Whose token it is, and why those before did not serve: the first thing that goes wrong with a new cloud. */
static void note_source(void *arg, const char *text)
{
    struct flt_group *g = arg;

    gcp_log(g, g->opening ? FLT_LOG_INFO : FLT_LOG_DEBUG, "credentials: %s", text);
}

static void note_repetition(void *arg, const char *text)
{
    struct flt_group *g = arg;

    gcp_log(g, FLT_LOG_DEBUG, "%s", text);
}

static int32_t make_client(struct flt_group *g)
{
    struct flt_google_settings sources = {
        .credentials_file = g->options.credentials_file,
        .metadata_endpoint = g->options.metadata_endpoint,
        .user_agent = USER_AGENT,
        .run = run_program,
        .trace = note_source,
        .arg = g,
    };
    struct flt_google_client_settings settings = {
        .endpoint = g->options.endpoint,
        .user_agent = USER_AGENT,
        .log = note_repetition,
        .arg = g,
    };

    g->http = flt_http_new(USER_AGENT);
    g->chain = flt_google_chain_new(&sources);
    g->client = g->chain ? flt_google_client_new(&settings, g->chain) : NULL;
    return g->http && g->client ? FLT_OK : gcp_fail(g, FLT_E_INTERNAL, 0, "out of memory");
}

/* Before the first call, so that a missing token is told as that. */
static int32_t find_account(struct flt_group *g)
{
    const struct flt_google_token *token = NULL;
    char error[FLT_ERROR_MAX];
    int32_t code = flt_google_chain_token(g->chain, g->http, &g->watch, &token, error);

    return code == FLT_OK ? FLT_OK : gcp_fail(g, code, 0, "%s", error);
}

/* Opening. */

static int32_t check_login(struct flt_group *g)
{
    const struct flt_connector *c = &g->options.connector;

    if (g->options.push_keys || c->use_static_credentials || c->key || c->has_password)
        return FLT_OK;
    return gcp_fail(g, FLT_E_INVALID, 0,
                    "nobody could log in: plugin_config.push_keys is false, so connector_config "
                    "needs key_path or password");
}

static void describe(struct flt_group *g)
{
    const struct gcp_options *o = &g->options;
    char identity[GCP_PATH_SIZE];
    struct flt_group_info info = {
        .struct_size = sizeof(info),
        .identity = identity,
        .price_micros_hour = o->price_micros_hour,
        .minimum_billed_ms = o->minimum_billed_ms,
        .minimum_life_ms = o->minimum_life_ms,
        .recycle_ms = o->recycle_ms,
    };

    (void) snprintf(identity, sizeof(identity), "gcp/%s/%s/%s", o->project,
                    o->zone ? o->zone : o->region, o->name);
    g->host->describe_group(g->call, &info);
}

/* The list is tried, too: what may be wrong with it is told now. */
static int32_t look_at_group(struct flt_group *g)
{
    struct json_object *group = NULL;
    int32_t code = group_get(g, &group);

    if (code == FLT_OK) {
        names_base(gcp_text(group, "baseInstanceName"), g->options.name, g->base);
        code = checks_at_open(g, group);
    }
    json_object_put(group);
    if (code == FLT_OK)
        code = group_refresh(g);
    return code == FLT_OK || code == FLT_E_PARTIAL ? epoch_check_holder(g, &g->seen) : code;
}

static int32_t open_group(struct flt_group *g)
{
    int32_t code;

    if ((code = check_login(g)) != FLT_OK || (code = make_client(g)) != FLT_OK ||
        (code = find_account(g)) != FLT_OK)
        return code;
    code = look_at_group(g);
    if (code != FLT_OK)
        return code;
    describe(g);
    return FLT_OK;
}

static void gcp_close(flt_group *g)
{
    if (!g)
        return;
    flt_google_client_free(g->client);
    flt_google_chain_free(g->chain);
    flt_http_free(g->http);
    reaches_free(g->reaches);
    flt_signal_list_done(&g->signals);
    gcp_view_done(&g->seen);
    options_done(&g->options);
    free(g);
}

static int32_t gcp_open(const struct flt_host *host, flt_call *call, const char *plugin_config_json,
                        const char *connector_config_json, flt_group **ret_group)
{
    struct flt_group *g = calloc(1, sizeof(*g));
    int32_t code;

    if (!g)
        return host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
    g->host = host;
    g->opening = true;
    enter(g, call);
    code = options_parse(g, plugin_config_json, connector_config_json);
    if (code == FLT_OK)
        code = open_group(g);
    g->opening = false;
    if (code == FLT_OK)
        *ret_group = g;
    else
        gcp_close(g);
    return code;
}

/* The calls. */

static int32_t gcp_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    struct gcp_view view;
    int32_t code;

    enter(g, call);
    code = group_look(g, &view);
    if ((code == FLT_OK || code == FLT_E_PARTIAL) && epoch_check_holder(g, &view) != FLT_OK)
        code = FLT_E_STALE;
    for (size_t i = 0; (code == FLT_OK || code == FLT_E_PARTIAL) && i < view.n; i++) {
        struct flt_instance out = { .struct_size = sizeof(out),
                                    .state = view.members[i].state,
                                    .id = view.members[i].id };

        if (view.members[i].listed && sink(arg, &out) != 0)
            code = FLT_E_CANCELLED;
    }
    gcp_view_done(&view);
    return code;
}

static int32_t gcp_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    enter(g, call);
    return grow(g, n, ret_accepted);
}

static int32_t gcp_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                            flt_id_sink accepted, void *arg)
{
    enter(g, call);
    return members_delete(g, ids, n, accepted, arg);
}

static int32_t gcp_connect_info(flt_group *g, flt_call *call, const char *id, flt_connect_sink sink,
                                void *arg)
{
    enter(g, call);
    return connect_emit(g, id, sink, arg);
}

/* Of the last look, as long as it is fresh: heartbeats are many, and the rate of requests is one for the project. */
static int32_t gcp_heartbeat(flt_group *g, flt_call *call, const char *id)
{
    const struct gcp_member *member;
    int32_t code;

    enter(g, call);
    code = group_refresh(g);
    if (code != FLT_OK)
        return code == FLT_E_CANCELLED || code == FLT_E_TIMEOUT
                   ? code
                   : FLT_E_UNAVAILABLE; /* why was said */
    member = find_member(&g->seen, id);
    if (!member || member->going)
        return gcp_fail(g, FLT_E_UNHEALTHY, 0, "instance %.100s is gone", id);
    if (*member->trouble)
        return gcp_fail(g, FLT_E_UNHEALTHY, 0, "instance %s: %s", id, member->trouble);
    return FLT_OK;
}

static int32_t gcp_suspend(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                           flt_id_sink accepted, void *arg)
{
    enter(g, call);
    return members_suspend(g, ids, n, accepted, arg);
}

static int32_t gcp_resume(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                          flt_id_sink accepted, void *arg)
{
    enter(g, call);
    return members_resume(g, ids, n, accepted, arg);
}

static int32_t gcp_signals(flt_group *g, flt_call *call, flt_signal_sink sink, void *arg)
{
    enter(g, call);
    return signals_emit(g, sink, arg);
}

static const struct flt_provider gcp_provider = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .abi_minor_needed = 0,
    .name = "googlecompute",
    .version = FLOTILLA_VERSION,
    .capabilities =
        FLT_CAP_HEARTBEAT | FLT_CAP_SUSPEND_RESUME | FLT_CAP_SIGNALS | FLT_CAP_CONFIG_KEYS,
    .open = gcp_open,
    .close = gcp_close,
    .list = gcp_list,
    .increase = gcp_increase,
    .decrease = gcp_decrease,
    .connect_info = gcp_connect_info,
    .heartbeat = gcp_heartbeat,
    .suspend = gcp_suspend,
    .resume = gcp_resume,
    .signals = gcp_signals,
    .config_keys = options_describe,
};

const struct flt_provider *flotilla_provider_v1(void)
{
    return &gcp_provider;
}
