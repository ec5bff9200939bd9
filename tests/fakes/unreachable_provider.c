/* tests/fakes/unreachable_provider.c - instances that run at once and can't be reached: for the time
 * between a job's slot and its worker. connect_info says "not ready, ask again in ten minutes", or
 * fails for good with {"mode": "refuses"} in the plugin_config. */
#include <flotilla/provider.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INSTANCES 16
#define ASK_AGAIN_MS (10 * 60 * 1000)

struct flt_group {
    const struct flt_host *host;
    bool refuses;
    unsigned made;
    bool present[MAX_INSTANCES];
};

static int32_t on_open(const struct flt_host *host, flt_call *call, const char *plugin_config,
                       const char *connector_config, flt_group **ret_group)
{
    struct flt_group_info info = { .struct_size = sizeof(info),
                                   .max_size = MAX_INSTANCES,
                                   .identity = "unreachable" };
    flt_group *g = calloc(1, sizeof(*g));

    (void) connector_config;
    if (!g)
        return FLT_E_INTERNAL;
    g->host = host;
    g->refuses = strstr(plugin_config, "\"refuses\"") != NULL;
    host->describe_group(call, &info);
    *ret_group = g;
    return FLT_OK;
}

static void on_close(flt_group *g)
{
    free(g);
}

static void name_of(unsigned n, char name[32])
{
    (void) snprintf(name, 32, "far-%u", n);
}

static int32_t on_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    char name[32];

    (void) call;
    for (unsigned i = 0; i < g->made; i++) {
        struct flt_instance instance = { .struct_size = sizeof(instance),
                                         .id = name,
                                         .state = FLT_STATE_RUNNING };

        name_of(i, name);
        if (g->present[i] && sink(arg, &instance) != 0)
            return FLT_E_CANCELLED;
    }
    return FLT_OK;
}

static int32_t on_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *accepted)
{
    (void) call;
    for (*accepted = 0; *accepted < n && g->made < MAX_INSTANCES; (*accepted)++)
        g->present[g->made++] = true;
    return FLT_OK;
}

static int32_t on_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                           flt_id_sink accepted, void *arg)
{
    char name[32];

    (void) call;
    for (uint32_t i = 0; i < n; i++) {
        for (unsigned k = 0; k < g->made; k++) {
            name_of(k, name);
            if (strcmp(name, ids[i]) == 0)
                g->present[k] = false;
        }
        if (accepted(arg, ids[i]) != 0)
            return FLT_E_CANCELLED;
    }
    return FLT_OK;
}

static int32_t on_connect_info(flt_group *g, flt_call *call, const char *id, flt_connect_sink sink,
                               void *arg)
{
    (void) id;
    (void) sink;
    (void) arg;
    return g->refuses ? g->host->fail(call, FLT_E_NOT_FOUND, 0, "a sentence of the provider")
                      : g->host->fail(call, FLT_E_NOT_READY, ASK_AGAIN_MS, "it is still booting");
}

static const struct flt_provider unreachable = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .name = "unreachable",
    .version = "1",
    .open = on_open,
    .close = on_close,
    .list = on_list,
    .increase = on_increase,
    .decrease = on_decrease,
    .connect_info = on_connect_info,
};

const struct flt_provider *flotilla_provider_v1(void)
{
    return &unreachable;
}
