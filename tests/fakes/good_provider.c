/* tests/fakes/good_provider.c - a provider that keeps every rule of the contract, all in memory: an
 * instance is not ready when it is first asked for, then it is.
 *
 * wrong_provider.c includes this file and spoils one thing of it; GOOD_ENTRY is then the entry's
 * name. */
#include <flotilla/provider.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef GOOD_ENTRY
#define GOOD_ENTRY flotilla_provider_v1
#define GOOD_STATIC
#else
#define GOOD_STATIC static
#endif

#define INSTANCES_MAX 64

struct good_instance {
    bool exists, was_asked;
    char id[32], request[64];
};

/* The cloud: it outlives a group that is closed. */
static struct {
    struct good_instance instances[INSTANCES_MAX];
    unsigned last;
    int64_t epoch;
} cloud;

struct flt_group {
    const struct flt_host *host;
    char name[64];
    int max_size;
};

static const struct flt_config_key good_keys[] = {
    { .struct_size = sizeof(struct flt_config_key),
      .name = "name",
      .type = "string",
      .default_value = "good",
      .help = "name of the group" },
    { .struct_size = sizeof(struct flt_config_key),
      .name = "max_size",
      .type = "integer",
      .default_value = "10",
      .help = "the most instances" },
};

static int32_t good_config_keys(flt_key_sink sink, void *arg)
{
    for (size_t i = 0; i < sizeof(good_keys) / sizeof(good_keys[0]); i++)
        if (sink(arg, &good_keys[i]) != 0)
            return FLT_E_CANCELLED;
    return FLT_OK;
}

static int32_t read_config(flt_group *g, flt_call *call, struct json_object *config)
{
    json_object_object_foreach(config, key, value)
    {
        if (strcmp(key, "name") == 0 && json_object_is_type(value, json_type_string))
            (void) snprintf(g->name, sizeof(g->name), "%s", json_object_get_string(value));
        else if (strcmp(key, "max_size") == 0 && json_object_is_type(value, json_type_int))
            g->max_size = json_object_get_int(value);
        else if (strcmp(key, "name") == 0 || strcmp(key, "max_size") == 0)
            return flt_failf(g->host, call, FLT_E_INVALID, 0, "plugin_config.%s: wrong type", key);
        else
            flt_logf(g->host, call, FLT_LOG_WARNING, "plugin_config.%s is not known", key);
    }
    return FLT_OK;
}

static int32_t good_open(const struct flt_host *host, flt_call *call, const char *plugin_config,
                         const char *connector_config, flt_group **ret_group)
{
    struct flt_group_info info = { .struct_size = sizeof(info), .identity = "a good group" };
    struct json_object *config = json_tokener_parse(plugin_config);
    flt_group *g = calloc(1, sizeof(*g));
    int32_t code;

    (void) connector_config;
    if (!g || !config) {
        json_object_put(config);
        free(g);
        return host->fail(call, FLT_E_INVALID, 0, "plugin_config is no JSON");
    }
    g->host = host;
    g->max_size = 10;
    code = read_config(g, call, config);
    json_object_put(config);
    if (code != FLT_OK) {
        free(g);
        return code;
    }
    info.max_size = (uint32_t) g->max_size;
    host->describe_group(call, &info);
    *ret_group = g;
    return FLT_OK;
}

static void good_close(flt_group *g)
{
    free(g);
}

static int32_t good_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    for (size_t i = 0; i < INSTANCES_MAX; i++) {
        struct flt_instance out = { .struct_size = sizeof(out),
                                    .state = FLT_STATE_RUNNING,
                                    .id = cloud.instances[i].id };

        if (!cloud.instances[i].exists)
            continue;
        if (g->host->cancelled(call))
            return g->host->fail(call, FLT_E_CANCELLED, 0, "cancelled");
        if (sink(arg, &out) != 0)
            return FLT_E_CANCELLED;
    }
    return FLT_OK;
}

static int32_t admit_epoch(flt_group *g, flt_call *call)
{
    int64_t epoch = g->host->epoch(call);

    if (epoch < cloud.epoch)
        return g->host->fail(call, FLT_E_STALE, 0, "a newer epoch holds the group");
    cloud.epoch = epoch;
    return FLT_OK;
}

static struct good_instance *find(const char *id)
{
    for (size_t i = 0; i < INSTANCES_MAX; i++)
        if (cloud.instances[i].exists && strcmp(cloud.instances[i].id, id) == 0)
            return &cloud.instances[i];
    return NULL;
}

static bool make_instance(const char *request)
{
    for (size_t i = 0; i < INSTANCES_MAX; i++) {
        struct good_instance *in = &cloud.instances[i];

        if (in->exists)
            continue;
        *in = (struct good_instance) { .exists = true };
        (void) snprintf(in->id, sizeof(in->id), "good-%u", ++cloud.last);
        (void) snprintf(in->request, sizeof(in->request), "%s", request);
        return true;
    }
    return false;
}

static int32_t good_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    const char *request = g->host->request_id(call);
    int32_t code = admit_epoch(g, call);

    *ret_accepted = 0;
    if (code != FLT_OK)
        return code;
    for (size_t i = 0; i < INSTANCES_MAX; i++)
        *ret_accepted +=
            cloud.instances[i].exists && strcmp(cloud.instances[i].request, request) == 0;
    for (; *ret_accepted < n; ++*ret_accepted)
        if (!make_instance(request))
            return g->host->fail(call, FLT_E_QUOTA, 0, "the cloud is full");
    return FLT_OK;
}

static int32_t good_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                             flt_id_sink accepted, void *arg)
{
    int32_t code = admit_epoch(g, call);

    for (uint32_t i = 0; code == FLT_OK && i < n; i++) {
        struct good_instance *in = find(ids[i]);

        if (in)
            in->exists = false;
        if (accepted(arg, ids[i]) != 0)
            code = FLT_E_CANCELLED;
    }
    return code;
}

static int32_t good_connect_info(flt_group *g, flt_call *call, const char *id,
                                 flt_connect_sink sink, void *arg)
{
    static const struct flt_host_key keys[] = {
        { .struct_size = sizeof(keys[0]), .type = "ssh-ed25519", .key = "AAAA" },
        { .struct_size = sizeof(keys[0]), .type = "ssh-rsa", .key = "BBBB" },
    };
    struct flt_connect_info info = { .struct_size = sizeof(info),
                                     .protocol = "ssh",
                                     .address = "192.0.2.1",
                                     .username = "ci",
                                     .password = "good",
                                     .host_keys = keys,
                                     .n_host_keys = 2 };
    struct good_instance *in = find(id);

    if (!in)
        return g->host->fail(call, FLT_E_NOT_FOUND, 0, "there is no such instance");
    if (!in->was_asked) {
        in->was_asked = true;
        return g->host->fail(call, FLT_E_NOT_READY, 20, "it is booting");
    }
    return sink(arg, &info) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t good_heartbeat(flt_group *g, flt_call *call, const char *id)
{
    return find(id) ? FLT_OK : g->host->fail(call, FLT_E_UNHEALTHY, 0, "there is no such instance");
}

/* Its first instance is retired some day, and there are no more of its kind. */
static int32_t good_signals(flt_group *g, flt_call *call, flt_signal_sink sink, void *arg)
{
    struct flt_signal signals[] = {
        { .struct_size = sizeof(signals[0]), .code = FLT_E_QUOTA, .text = "there are no more" },
        { .struct_size = sizeof(signals[0]),
          .code = FLT_E_UNHEALTHY,
          .text = "it is retired",
          .at_ms = INT64_C(4000000000000) },
    };

    if (g->host->cancelled(call))
        return g->host->fail(call, FLT_E_CANCELLED, 0, "cancelled");
    if (sink(arg, &signals[0]) != 0)
        return FLT_E_CANCELLED;
    for (size_t i = 0; i < INSTANCES_MAX; i++) {
        signals[1].instance = cloud.instances[i].id;
        if (cloud.instances[i].exists)
            return sink(arg, &signals[1]) == 0 ? FLT_OK : FLT_E_CANCELLED;
    }
    return FLT_OK;
}

static const struct flt_provider good = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .name = "good",
    .version = "1",
    .capabilities = FLT_CAP_HEARTBEAT | FLT_CAP_SIGNALS | FLT_CAP_CONFIG_KEYS,
    .open = good_open,
    .close = good_close,
    .list = good_list,
    .increase = good_increase,
    .decrease = good_decrease,
    .connect_info = good_connect_info,
    .heartbeat = good_heartbeat,
    .signals = good_signals,
    .config_keys = good_config_keys,
};

GOOD_STATIC const struct flt_provider *GOOD_ENTRY(void)
{
    return &good;
}
