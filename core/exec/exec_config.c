/* core/exec/exec_config.c - the built-in configuration is a text like any other, so that it is
 * checked like any other. */
#include "core/exec/exec_config.h"

#include <errno.h>
#include <stdlib.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

/* Of TOML, in its basic form. */
static void add_text(struct buf *out, const char *key, const char *before, const char *text)
{
    buf_addf(out, "%s = \"%s", key, before);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_addf(out, "\\%c", *c);
        else if ((unsigned char) *c < ' ' || *c == 0x7f)
            buf_addf(out, "\\u%04x", (unsigned) *c);
        else
            buf_add_char(out, *c);
    }
    buf_add_str(out, "\"\n");
}

static void add_vms(struct buf *out, const struct exec_vms *vms)
{
    autobuf struct buf socket = BUF_INIT;

    for (const char *c = vms->socket; *c; c++) /* the host's address is read as a URL */
        buf_add(&socket, *c == '%' ? "%25" : c, *c == '%' ? 3 : 1);
    buf_add_str(out, "[runners.autoscaler.vm_isolation]\n"
                     "enabled = true\n");
    add_text(out, "image", "", vms->image->name);
    add_text(out, "nesting_host", "unix://", buf_str(&socket));
    buf_add_str(out, "[runners.autoscaler.vm_isolation.connector_config]\n");
    add_text(out, "username", "", vms->image->user);
    add_text(out, "key_path", "", vms->image->key);
    buf_inherit_error(out, &socket);
}

/* Every job gets a fresh instance, which goes as soon as it is free, or a fresh VM on one that stays to the end: what one
 * job leaves behind, no other one finds. A helper in a VM does not reach us by our URL: files go over the connection. */
static void built_in(struct buf *out, const struct exec_vms *vms)
{
    unsigned cores = uv_available_parallelism();

    buf_addf(out,
             "concurrent = %u\n"
             "check_interval = 1\n"
             "[[runners]]\n"
             "  name = \"exec\"\n"
             "  url = \"http://127.0.0.1\"\n"
             "  token = \"glrt-exec\"\n"
             "  executor = \"instance\"\n"
             "%s"
             "  [runners.autoscaler]\n"
             "    plugin = \"local\"\n"
             "    capacity_per_instance = %u\n"
             "    max_use_count = %u\n"
             "    max_instances = %u\n"
             "    update_interval = \"1s\"\n"
             "    update_interval_when_expecting = \"100ms\"\n"
             "    delete_instances_on_shutdown = true\n"
             "    [runners.autoscaler.plugin_config]\n"
             "      name = \"exec\"\n"
             "      max_size = %u\n"
             "    [[runners.autoscaler.policy]]\n"
             "      idle_count = 0\n"
             "      idle_time = \"%s\"\n",
             cores + 1, vms ? "  helper = \"stream\"\n" : "", vms ? cores : 1, vms ? 0 : 1,
             vms ? 1 : cores, vms ? 1 : cores, vms ? "24h" : "0s");
    if (vms)
        add_vms(out, vms);
}

static int lead(struct config_runner *runner, const char *url, const char *token,
                const char *cache_dir)
{
    char *own_url = mem_strdup(url);
    struct secret *own_token = secret_from_str(token);
    char *own_cache_dir = mem_strdup(cache_dir), *no_hold = mem_strdup("never");

    if (!own_url || !own_token || !no_hold || (cache_dir && !own_cache_dir)) {
        free(own_url);
        free(own_cache_dir);
        free(no_hold);
        secret_free(own_token);
        return -ENOMEM;
    }
    free(runner->url);
    runner->url = own_url;
    secret_free(runner->token);
    runner->token = own_token;
    /* All goes at the end, and who would look at an instance is here. */
    free(runner->hold.on_failure);
    runner->hold.on_failure = no_hold;
    /* The snapshot is where the payload says. */
    free(runner->clone_url);
    runner->clone_url = NULL;
    if (own_cache_dir) {
        free(runner->cache_dir);
        runner->cache_dir = own_cache_dir;
    }
    return 0;
}

int exec_config_load(const char *file, const struct exec_vms *vms, struct config **ret,
                     struct config_findings *findings, struct error *err)
{
    auto_ptr(config_free) struct config *config = NULL;
    autobuf struct buf text = BUF_INIT;
    int r;

    if (!file)
        built_in(&text, vms);
    r = config_load(file ? file : "built-in configuration", file ? NULL : buf_str(&text), &config,
                    findings, err);
    if (r < 0)
        return r;
    if (config->n_runners == 0)
        return error_set(err, -EINVAL, "%s has no [[runners]]", file);
    *ret = take_ptr(config);
    return 0;
}

int exec_config_lead(struct config *config, const char *url, const char *token,
                     const char *cache_dir, struct error *err)
{
    for (size_t i = 0; i < config->n_runners; i++)
        if (lead(&config->runners[i], url, token, cache_dir) < 0)
            return error_set(err, -ENOMEM, "configuration: out of memory");
    return 0;
}
