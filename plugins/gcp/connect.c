/* connect.c - how an instance is reached: its addresses, its system, and who to log in as with what. */

#include "reach.h"

#include <stdio.h>
#include <string.h>

#define FRESH_MS 60000 /* so long what was learnt of an instance holds */
#define BOOT_AGAIN_MS 2000
#define USER "runner"

/* The instance. */

static int32_t check_state(struct flt_group *g, const struct way *way)
{
    static const char *const coming[] = { "PENDING",   "PROVISIONING", "STAGING",
                                          "REPAIRING", "SUSPENDED",    NULL };
    const char *status = gcp_text(way->instance, "status"), *number = gcp_text(way->instance, "id");
    const char *slash = strrchr(way->id, '/');

    if (!slash || strcmp(number, slash + 1) != 0)
        return gcp_fail(g, FLT_E_NOT_FOUND, 0, "instance %s is gone: another one has its name",
                        way->id);
    if (gcp_is_one_of(status, coming))
        return gcp_fail(g, FLT_E_NOT_READY, BOOT_AGAIN_MS, "instance %s is not up yet (%s)",
                        way->id, status);
    if (strcmp(status, "RUNNING") != 0)
        return gcp_fail(g, FLT_E_NOT_FOUND, 0, "instance %s is no longer up (%.40s)", way->id,
                        status);
    return FLT_OK;
}

static int32_t ask_instance(struct flt_group *g, struct way *way)
{
    char shown[GCP_NAME_MAX + 32];
    struct gcp_ask ask = { .path = way->path, .shown = shown };
    struct flt_google_error error;
    int32_t code;

    json_object_put(way->instance);
    (void) snprintf(shown, sizeof(shown), "instances.get of %s", way->name);
    code = gcp_ask(g, &ask, &way->instance, &error);
    if (code == FLT_E_NOT_FOUND)
        return gcp_fail(g, code, 0, "instance %s is gone", way->id);
    return code == FLT_OK ? FLT_OK : gcp_refused(g, code, &error);
}

/* One without any IPv4 address has nothing else. An IPv6 address does not come later: its subnet gives it or does not. */
static int32_t take_addresses(struct flt_group *g, struct way *way,
                              const struct instance_facts *facts)
{
    bool v6 = g->options.addresses == GCP_ADDRESSES_IPV6 || (!facts->ipv4 && !facts->external_ipv4);
    const char *own = v6 ? facts->ipv6 : facts->ipv4;
    const char *external = v6 ? facts->external_ipv6 : facts->external_ipv4;

    (void) snprintf(way->reach->address, ADDRESS_SIZE, "%s", own ? own : "");
    (void) snprintf(way->reach->external_address, ADDRESS_SIZE, "%s", external ? external : "");
    if (own || external)
        return FLT_OK;
    if (facts->ipv4 || facts->external_ipv4)
        return gcp_fail(g, FLT_E_INVALID, 0,
                        "instance %s has no IPv6 address: set plugin_config.addresses to \"ipv4\", "
                        "or give the instance template a subnet and a stack type with IPv6",
                        way->id);
    return gcp_fail(g, FLT_E_NOT_READY, BOOT_AGAIN_MS, "instance %s has no address yet", way->id);
}

int32_t way_look(struct flt_group *g, struct way *way)
{
    struct reach *reach = way->reach;
    struct instance_facts facts;
    int32_t code;

    reach->asked_at_ms = 0;
    if ((code = ask_instance(g, way)) != FLT_OK || (code = check_state(g, way)) != FLT_OK)
        return code;
    facts = instance_read(way->instance);
    if ((code = take_addresses(g, way, &facts)) != FLT_OK)
        return code;
    reach->arch = facts.arch;
    reach->windows = facts.windows;
    reach->made_ms = facts.made_ms;
    memcpy(reach->switches, facts.switches, sizeof(reach->switches));
    reach->asked_at_ms = flt_monotonic_ms();
    return FLT_OK;
}

static bool is_fresh(const struct reach *reach)
{
    return reach->asked_at_ms != 0 && flt_monotonic_ms() - reach->asked_at_ms < FRESH_MS;
}

/* The login. */

static void read_system(const struct flt_group *g, struct way *way)
{
    const struct flt_connector *c = &g->options.connector;
    const struct reach *reach = way->reach;
    bool windows;

    way->info.os = c->os ? c->os : reach->windows ? "windows" : "linux";
    way->info.arch = c->arch ? c->arch : reach->arch;
    windows = strcmp(way->info.os, "windows") == 0;
    way->info.protocol = c->protocol ? c->protocol : windows ? "winrm" : "ssh";
    way->info.username = c->username ? c->username : USER;
    way->info.address = *reach->address ? reach->address : NULL;
    way->info.external_address = *reach->external_address ? reach->external_address : NULL;
}

static int32_t find_windows_login(struct flt_group *g, struct way *way)
{
    bool ssh = strcmp(way->info.protocol, "ssh") == 0, key = g->options.connector.key != NULL;
    enum metadata_flag by_metadata = METADATA_OFF;
    int32_t code = FLT_OK;

    if (ssh && g->options.push_keys)
        code = project_switch(g, way->reach, WINDOWS_SSH, &by_metadata);
    if (code != FLT_OK)
        return code;
    if (by_metadata == METADATA_ON)
        return metadata_key_login(g, way);
    if (ssh && key)
        return FLT_OK;
    if (g->options.push_keys)
        return windows_password_login(g, way);
    return gcp_fail(g, FLT_E_INVALID, 0,
                    "instance %s runs Windows, and push_keys is false: set "
                    "connector_config.password%s",
                    way->id, ssh ? " or key_path" : "");
}

static int32_t find_linux_login(struct flt_group *g, struct way *way)
{
    enum metadata_flag os_login;
    int32_t code;

    if (!g->options.push_keys)
        return FLT_OK;
    code = project_switch(g, way->reach, OS_LOGIN, &os_login);
    if (code != FLT_OK)
        return code;
    return os_login == METADATA_ON ? oslogin_login(g, way) : metadata_key_login(g, way);
}

/* The host adds what its configuration says. */
static int32_t find_login(struct flt_group *g, struct way *way)
{
    const struct flt_connector *c = &g->options.connector;

    if (c->use_static_credentials || c->has_password)
        return FLT_OK;
    return strcmp(way->info.os, "windows") == 0 ? find_windows_login(g, way)
                                                : find_linux_login(g, way);
}

static int32_t prepare(struct flt_group *g, struct way *way)
{
    int32_t code = is_fresh(way->reach) ? FLT_OK : way_look(g, way);

    if (code != FLT_OK)
        return code;
    read_system(g, way);
    code = find_login(g, way);
    return code == FLT_OK ? host_keys_find(g, way) : code;
}

static int32_t find_way(struct flt_group *g, const char *id, struct way *way)
{
    const struct gcp_member *member;
    int32_t code = group_find(g, id, &member);

    if (code != FLT_OK)
        return code;
    way->reach = reaches_get(g, id);
    if (!way->reach)
        return gcp_fail(g, FLT_E_INTERNAL, 0, "out of memory");
    member_path(g, member, way->path);
    (void) snprintf(way->name, sizeof(way->name), "%s", member->name);
    return prepare(g, way);
}

int32_t connect_emit(struct flt_group *g, const char *id, flt_connect_sink sink, void *arg)
{
    struct way way = { .id = id, .info = { .struct_size = sizeof(way.info) } };
    int32_t code = find_way(g, id, &way);

    if (code == FLT_OK && sink(arg, &way.info) != 0)
        code = FLT_E_CANCELLED;
    json_object_put(way.instance);
    return code;
}
