/* provider.c - the AWS provider: the instances of an Auto Scaling group. This file holds the slots of the provider ABI,
 * and what opening and closing a group takes; see aws.h for the parts. */

#include "aws.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USER_AGENT "flotilla/" FLOTILLA_VERSION
#define MINUTE_MS INT64_C(60000)
#define DAY_MS (24 * 60 * MINUTE_MS)
#define MAC_RECYCLE_MS (200 * MINUTE_MS) /* AWS cleans the host's disk and firmware */
#define FRESH_MS 30000                   /* a look that a heartbeat believes */

int32_t aws_fail(struct flt_group *g, int32_t code, int64_t retry_after_ms, const char *format, ...)
{
    struct aws_failure failure = { .retry_after_ms = retry_after_ms };
    va_list args;

    va_start(args, format);
    (void) vsnprintf(failure.text, sizeof(failure.text), format, args);
    va_end(args);
    g->failure = failure;
    return g->host->fail(g->call, code, retry_after_ms, failure.text);
}

void aws_log(struct flt_group *g, int32_t level, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void) vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    g->host->log(g->call, level, text);
}

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

/* Whose keys these are, and why those before did not serve: the first thing that goes wrong with a new cloud. */
static void note_source(void *arg, const char *text)
{
    struct flt_group *g = arg;

    aws_log(g, g->opening ? FLT_LOG_INFO : FLT_LOG_DEBUG, "credentials: %s", text);
}

static void note_repetition(void *arg, const char *text)
{
    aws_log(arg, FLT_LOG_DEBUG, "%s", text);
}

static void note_fault_here(void *arg, const char *text)
{
    aws_log(arg, FLT_LOG_WARNING, "%s", text);
}

static int may_retry(void *arg, enum flt_retry_why why, int attempt)
{
    struct flt_group *g = arg;

    return budget_take(g->budget_fd, &g->budget, why, attempt, flt_monotonic_ms());
}

static int32_t make_chain(struct flt_group *g)
{
    const struct aws_options *o = &g->options;
    struct flt_aws_settings settings = {
        .profile = o->profile,
        .config_file = o->config_file,
        .credentials_file = o->credentials_file,
        .region = o->region,
        .sts_endpoint = o->sts_endpoint ? o->sts_endpoint : o->endpoint,
        .imds_endpoint = o->imds_endpoint,
        .imds_v1 = o->imds_v1,
        .dual_stack = o->dual_stack,
        .fips = o->fips,
        .user_agent = USER_AGENT,
        .run = run_program,
        .trace = note_source,
        .arg = g,
    };

    g->http = flt_http_new(USER_AGENT);
    g->chain = flt_aws_chain_new(&settings);
    return g->http && g->chain ? FLT_OK : aws_fail(g, FLT_E_INTERNAL, 0, "out of memory");
}

static int32_t find_account(struct flt_group *g)
{
    const char *region = NULL, *source = NULL;
    const struct flt_aws_keys *keys = NULL;
    char error[FLT_ERROR_MAX];
    int32_t code = flt_aws_chain_region(g->chain, g->http, &g->watch, &region, &source, error);

    if (code != FLT_OK)
        return aws_fail(g, code, 0, "%s; set plugin_config.region", error);
    (void) snprintf(g->region, sizeof(g->region), "%s", region);
    aws_log(g, FLT_LOG_INFO, "region %s, from %s", region, source);
    code = flt_aws_chain_keys(g->chain, g->http, &g->watch, &keys, error);
    return code == FLT_OK ? FLT_OK : aws_fail(g, code, 0, "%s", error);
}

static int32_t make_client(struct flt_group *g)
{
    struct flt_aws_client_settings settings = {
        .region = g->region,
        .endpoint = g->options.endpoint,
        .dual_stack = g->options.dual_stack,
        .fips = g->options.fips,
        .user_agent = USER_AGENT,
        .log = note_repetition,
        .warn = note_fault_here,
        .may_retry = may_retry,
        .arg = g,
    };

    g->client = flt_aws_client_new(&settings, g->chain);
    return g->client ? FLT_OK : aws_fail(g, FLT_E_INTERNAL, 0, "out of memory");
}

/* Opening. */

static int32_t check_login(struct flt_group *g)
{
    const struct aws_options *o = &g->options;

    if (o->instance_connect || o->connector.use_static_credentials || o->connector.key ||
        o->connector.has_password)
        return FLT_OK;
    return aws_fail(g, FLT_E_INVALID, 0,
                    "nobody could log in: plugin_config.instance_connect is false, so "
                    "connector_config needs key_path or password");
}

static int64_t given_or(int64_t given, int64_t otherwise)
{
    return given >= 0 ? given : otherwise;
}

static void describe(struct flt_group *g, const struct aws_view *view)
{
    const struct aws_options *o = &g->options;
    char identity[AWS_NAME_MAX + 80];
    bool mac = launch_is_mac(g, view);
    struct flt_group_info info = {
        .struct_size = sizeof(info),
        .identity = identity,
        .max_size = (uint32_t) view->max,
        .price_micros_hour = o->price_micros_hour,
        .minimum_billed_ms = given_or(o->minimum_billed_ms, 0),
        .minimum_life_ms = given_or(o->minimum_life_ms, mac ? DAY_MS : MINUTE_MS),
        .recycle_ms = given_or(o->recycle_ms, mac ? MAC_RECYCLE_MS : 0),
    };

    (void) snprintf(identity, sizeof(identity), "aws/%s/%s", g->region, o->name);
    g->host->describe_group(g->call, &info);
}

static int32_t open_group(struct flt_group *g)
{
    struct aws_view view = { 0 };
    int32_t code, looked;

    if ((code = check_login(g)) != FLT_OK || (code = make_chain(g)) != FLT_OK ||
        (code = find_account(g)) != FLT_OK || (code = make_client(g)) != FLT_OK)
        return code;
    code = looked = group_look(g, &view);
    if (code == FLT_OK || code == FLT_E_PARTIAL)
        code = epoch_check_holder(g, &view);
    if (code == FLT_OK)
        code = orders_open(g, view.arn);
    if (code == FLT_OK)
        g->budget_fd = budget_open(g->file, g->region, view.arn);
    if (code == FLT_OK && looked == FLT_OK)
        group_note_members(g, &view);
    if (code == FLT_OK)
        code = checks_at_open(g, &view);
    if (code == FLT_OK)
        describe(g, &view);
    aws_view_done(&view);
    return code;
}

static void aws_close(flt_group *g)
{
    if (!g)
        return;
    flt_aws_client_free(g->client);
    flt_aws_chain_free(g->chain);
    flt_http_free(g->http);
    flt_host_key_store_done(&g->host_keys);
    machines_free(g);
    if (g->budget_fd >= 0)
        (void) close(g->budget_fd);
    flt_signal_list_done(&g->signals);
    free(g->members);
    options_done(&g->options);
    free(g);
}

static int32_t aws_open(const struct flt_host *host, flt_call *call, const char *plugin_config_json,
                        const char *connector_config_json, flt_group **ret_group)
{
    struct flt_group *g = calloc(1, sizeof(*g));
    int32_t code;

    if (!g)
        return host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
    g->host = host;
    g->budget_fd = -1;
    g->opening = true;
    enter(g, call);
    code = options_parse(g, plugin_config_json, connector_config_json);
    if (code == FLT_OK)
        code = open_group(g);
    g->opening = false;
    if (code == FLT_OK)
        *ret_group = g;
    else
        aws_close(g);
    return code;
}

/* The calls. */

static int32_t aws_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    struct aws_view view;
    int32_t code;

    enter(g, call);
    code = group_look(g, &view);
    if (view.group && epoch_check_holder(g, &view) != FLT_OK)
        code = FLT_E_STALE;
    for (size_t i = 0; (code == FLT_OK || code == FLT_E_PARTIAL) && i < view.n; i++) {
        struct flt_instance out = { .struct_size = sizeof(out),
                                    .state = view.members[i].state,
                                    .id = view.members[i].id };

        if (sink(arg, &out) != 0)
            code = FLT_E_CANCELLED;
    }
    if (code == FLT_OK)
        protect_members(g, &view);
    aws_view_done(&view);
    return code;
}

static int32_t aws_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    enter(g, call);
    return grow(g, n, ret_accepted);
}

static int32_t aws_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                            flt_id_sink accepted, void *arg)
{
    enter(g, call);
    return shrink(g, ids, n, accepted, arg);
}

static int32_t aws_connect_info(flt_group *g, flt_call *call, const char *id, flt_connect_sink sink,
                                void *arg)
{
    enter(g, call);
    return connect_emit(g, id, sink, arg);
}

/* A look for heartbeats: the last complete one holds for a while, as they are many, and the rate of requests is one for
 * the account. Who is not in it may be newer than it is. */
static int32_t look_for(struct flt_group *g, const char *id)
{
    int64_t now_ms = flt_monotonic_ms();
    struct aws_view view;
    int32_t code;

    if (g->members_at_ms != 0 && now_ms - g->members_at_ms <= FRESH_MS &&
        find_member(g->members, g->n_members, id))
        return FLT_OK;
    if (pause_lasts(&g->look_pause, now_ms))
        return aws_fail(g, FLT_E_UNAVAILABLE, g->look_pause.until_ms - now_ms, "%s",
                        g->look_pause.failure.text);
    g->failure = (struct aws_failure) { .text = "AWS did not answer in time" };
    code = group_look(g, &view);
    aws_view_done(&view);
    if (code == FLT_OK || code == FLT_E_CANCELLED)
        return code;
    pause_begin(&g->look_pause, &g->failure, flt_monotonic_ms());
    return code == FLT_E_TIMEOUT ? code : FLT_E_UNAVAILABLE; /* why was said */
}

static int32_t aws_heartbeat(flt_group *g, flt_call *call, const char *id)
{
    const struct aws_member *member;
    int32_t code;

    enter(g, call);
    code = flt_call_ended(g->host, call);
    if (code == FLT_OK)
        code = look_for(g, id);
    if (code != FLT_OK)
        return code;
    member = find_member(g->members, g->n_members, id);
    if (!member || member->state == FLT_STATE_DELETING)
        return aws_fail(g, FLT_E_UNHEALTHY, 0, "instance %.64s is gone", id);
    if (member->trouble)
        return aws_fail(g, FLT_E_UNHEALTHY, 0, "instance %s is of no use: %s", id, member->trouble);
    return FLT_OK;
}

static int32_t aws_signals(flt_group *g, flt_call *call, flt_signal_sink sink, void *arg)
{
    enter(g, call);
    return signals_emit(g, sink, arg);
}

static const struct flt_provider aws_provider = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .abi_minor_needed = 0,
    .name = "aws",
    .version = FLOTILLA_VERSION,
    .capabilities = FLT_CAP_HEARTBEAT | FLT_CAP_SIGNALS | FLT_CAP_CONFIG_KEYS,
    .open = aws_open,
    .close = aws_close,
    .list = aws_list,
    .increase = aws_increase,
    .decrease = aws_decrease,
    .connect_info = aws_connect_info,
    .heartbeat = aws_heartbeat,
    .signals = aws_signals,
    .config_keys = options_describe,
};

const struct flt_provider *flotilla_provider_v1(void)
{
    return &aws_provider;
}
