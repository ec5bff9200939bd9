/* provider.c - the static provider: machines that exist already. This file holds the slots of the
 * provider ABI and nothing else; see static.h for the parts. */

#include "static.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_MAX (64 * 1024)

static void static_close(flt_group *g)
{
    if (!g)
        return;
    claims_close(g);
    options_done(g);
    free(g);
}

static int32_t static_open(const struct flt_host *host, flt_call *call,
                           const char *plugin_config_json, const char *connector_config_json,
                           flt_group **ret_group)
{
    struct flt_group *g = calloc(1, sizeof(*g));
    char identity[128];
    struct flt_group_info info = { .struct_size = sizeof(info), .identity = identity };
    int32_t code;

    if (!g)
        return host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
    g->host = host;
    g->dir_fd = -1;
    code = options_parse(g, call, plugin_config_json, connector_config_json);
    if (code == FLT_OK)
        code = claims_open(g, call);
    if (code != FLT_OK) {
        static_close(g);
        return code;
    }
    (void) snprintf(identity, sizeof(identity), "static group %s", g->name);
    info.max_size = g->n_machines;
    host->describe_group(call, &info);
    *ret_group = g;
    return FLT_OK;
}

/* A claim on a machine that left the configuration shows as an instance that is gone. */
static int32_t static_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    struct json_object *claims = NULL;
    int32_t code = flt_call_ended(g->host, call);

    if (code == FLT_OK)
        code = claims_read(g, call, &claims);
    for (uint32_t i = 0; code == FLT_OK && i < g->n_machines; i++) {
        struct flt_instance out = { .struct_size = sizeof(out),
                                    .state = FLT_STATE_RUNNING,
                                    .id = g->machines[i].id };

        if (json_object_object_get_ex(claims, out.id, NULL) && sink(arg, &out) != 0)
            code = FLT_E_CANCELLED;
    }
    json_object_put(claims);
    return code;
}

struct growth {
    const char *request_id;
    uint32_t n, accepted;
};

static int32_t claim(struct flt_group *g, flt_call *call, struct json_object *claims, void *arg)
{
    struct growth *growth = arg;

    (void) call;
    /* What an earlier try of this request has claimed is part of it. */
    json_object_object_foreach(claims, id, request)
    {
        (void) id;
        growth->accepted += *growth->request_id && growth->accepted < growth->n &&
                            strcmp(json_object_get_string(request), growth->request_id) == 0;
    }
    for (uint32_t i = 0; i < g->n_machines && growth->accepted < growth->n; i++) {
        if (json_object_object_get_ex(claims, g->machines[i].id, NULL))
            continue;
        if (json_object_object_add(claims, g->machines[i].id,
                                   json_object_new_string(growth->request_id)) < 0)
            return g->host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
        growth->accepted++;
    }
    return FLT_OK;
}

static int32_t static_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    const char *request_id = g->host->request_id(call);
    struct growth growth = { .request_id = request_id ? request_id : "", .n = n };
    int32_t code = claims_change(g, call, claim, &growth);

    *ret_accepted = code == FLT_OK ? growth.accepted : 0;
    if (code == FLT_OK && growth.accepted < n)
        return flt_failf(g->host, call, FLT_E_QUOTA, 0,
                         "all %u machines of group '%s' are in use or on order", g->n_machines,
                         g->name);
    return code;
}

struct removal {
    const char *const *ids;
    uint32_t n;
};

static int32_t give_back(struct flt_group *g, flt_call *call, struct json_object *claims, void *arg)
{
    const struct removal *removal = arg;

    (void) g;
    (void) call;
    for (uint32_t i = 0; i < removal->n; i++)
        json_object_object_del(claims, removal->ids[i]);
    return FLT_OK;
}

static int32_t static_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                               flt_id_sink accepted, void *arg)
{
    struct removal removal = { ids, n };
    int32_t code = claims_change(g, call, give_back, &removal);

    for (uint32_t i = 0; code == FLT_OK && i < n; i++)
        if (accepted(arg, ids[i]) != 0)
            code = FLT_E_CANCELLED;
    return code;
}

/* The key file's text; the caller wipes it. */
static int32_t read_key(struct flt_group *g, flt_call *call, const struct static_machine *machine,
                        char text[KEY_MAX])
{
    int fd = open(machine->key_path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, KEY_MAX);
    int32_t code = FLT_OK;

    if (len <= 0 || len == KEY_MAX)
        code =
            flt_failf(g->host, call, FLT_E_UNHEALTHY, 0,
                      "plugin_config.instances.%s.key_path: %s: %s", machine->id, machine->key_path,
                      len < 0    ? strerror(errno)
                      : len == 0 ? "the file is empty"
                                 : "the file is too long to be a key");
    else
        text[len] = '\0';
    if (fd >= 0)
        (void) close(fd);
    return code;
}

static int32_t static_connect_info(flt_group *g, flt_call *call, const char *id,
                                   flt_connect_sink sink, void *arg)
{
    const struct static_machine *machine = find_machine(g, id);
    struct json_object *claims = NULL;
    char key[KEY_MAX];
    int32_t code = flt_call_ended(g->host, call);

    if (code == FLT_OK)
        code = claims_read(g, call, &claims);
    if (code == FLT_OK && (!machine || !json_object_object_get_ex(claims, id, NULL)))
        code = flt_failf(g->host, call, FLT_E_NOT_FOUND, 0, "there is no instance '%.64s'", id);
    json_object_put(claims);
    if (code != FLT_OK || !machine)
        return code;
    if (machine->key_path)
        code = read_key(g, call, machine, key);
    if (code == FLT_OK) {
        struct flt_connect_info info = { .struct_size = sizeof(info),
                                         .port = machine->port,
                                         .protocol = machine->protocol,
                                         .os = machine->os,
                                         .arch = machine->arch,
                                         .address = machine->internal,
                                         .external_address = machine->external,
                                         .username = machine->username,
                                         .password = machine->password,
                                         .key = machine->key_path ? key : machine->key,
                                         .host_keys = machine->host_keys,
                                         .n_host_keys = machine->n_host_keys };

        if (sink(arg, &info) != 0)
            code = FLT_E_CANCELLED;
    }
    explicit_bzero(key, sizeof(key));
    return code;
}

static const struct flt_provider static_provider = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .abi_minor_needed = 0,
    .name = "static",
    .version = FLOTILLA_VERSION,
    .capabilities = FLT_CAP_CONFIG_KEYS | FLT_CAP_THIS_MACHINE | FLT_CAP_IDS_RETURN,
    .open = static_open,
    .close = static_close,
    .list = static_list,
    .increase = static_increase,
    .decrease = static_decrease,
    .connect_info = static_connect_info,
    .config_keys = options_describe,
};

const struct flt_provider *flotilla_provider_v1(void)
{
    return &static_provider;
}
