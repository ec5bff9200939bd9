/* options.c - plugin_config of the static provider: the machines, with the keys that GitLab's own
 * static plugin knows, and the table that describes the keys. */

#include "static.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NAME_MAX_LEN 63
#define ID_MAX_LEN 255
#define LETTERS_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const struct flt_config_key keys[] = {
    { .struct_size = sizeof(struct flt_config_key),
      .name = "name",
      .type = "string",
      .default_value = "static",
      .help = "name of the group: letters, digits, '.', '_' and '-'" },
    { .struct_size = sizeof(struct flt_config_key),
      .name = "instances",
      .type = "table",
      .required = 1,
      .help = "the machines: a table for each, under its name, with internal_addr or external_addr "
              "(host or host:port), username, password, key, key_path, host_keys, protocol, "
              "protocol_port, os and arch" },
};

/* The settings of one machine. */
enum machine_kind { KIND_TEXT, KIND_ADDRESS, KIND_PORT, KIND_HOST_KEYS, KIND_IGNORED };

static const struct machine_key {
    const char *name;
    enum machine_kind kind;
    size_t offset; /* of a text */
} machine_keys[] = {
    { "internal_addr", KIND_ADDRESS, 0 },
    { "external_addr", KIND_ADDRESS, 0 },
    { "username", KIND_TEXT, offsetof(struct static_machine, username) },
    { "password", KIND_TEXT, offsetof(struct static_machine, password) },
    { "key", KIND_TEXT, offsetof(struct static_machine, key) },
    { "key_path", KIND_TEXT, offsetof(struct static_machine, key_path) },
    { "protocol", KIND_TEXT, offsetof(struct static_machine, protocol) },
    { "protocol_port", KIND_PORT, 0 },
    { "os", KIND_TEXT, offsetof(struct static_machine, os) },
    { "arch", KIND_TEXT, offsetof(struct static_machine, arch) },
    { "host_keys", KIND_HOST_KEYS, 0 },
    { "timeout", KIND_IGNORED, 0 },
    { "keepalive", KIND_IGNORED, 0 },
    { "use_static_credentials", KIND_IGNORED, 0 },
};

/* What the readers below need to name the setting they stumble over. */
struct reader {
    struct flt_group *g;
    flt_call *call;
    struct static_machine *machine;
    uint32_t ports[2]; /* of the internal and the external address */
    uint32_t protocol_port;
};

int32_t options_describe(flt_key_sink sink, void *arg)
{
    for (size_t i = 0; i < COUNT(keys); i++)
        if (sink(arg, &keys[i]) != 0)
            return FLT_E_CANCELLED;
    return FLT_OK;
}

const struct static_machine *find_machine(const struct flt_group *g, const char *id)
{
    for (uint32_t i = 0; i < g->n_machines; i++)
        if (strcmp(g->machines[i].id, id) == 0)
            return &g->machines[i];
    return NULL;
}

static int32_t wrong(const struct reader *r, const char *key, const char *want)
{
    return flt_failf(r->g->host, r->call, FLT_E_INVALID, 0,
                     "plugin_config.instances.%.64s.%s must be %s", r->machine->id, key, want);
}

/* NULL when it is no text, or has a NUL byte in it. */
static const char *text_of(struct json_object *value)
{
    const char *text =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

    return text && strlen(text) == (size_t) json_object_get_string_len(value) ? text : NULL;
}

/* A port, 1 to 65535; 0 when it is none. */
static uint32_t parse_port(const char *text)
{
    size_t len = strspn(text, "0123456789");
    uint32_t port = 0;

    if (len == 0 || len > 5 || text[len])
        return 0;
    for (; *text; text++)
        port = port * 10 + (uint32_t) (*text - '0');
    return port <= 65535 ? port : 0;
}

/* A copy that lives as long as the group; NULL = out of memory. */
static const char *keep(struct flt_group *g, const char *text, size_t len)
{
    struct json_object *copy = json_object_new_string_len(text, (int) len);

    if (!copy || json_object_array_add(g->kept, copy) < 0) {
        json_object_put(copy);
        return NULL;
    }
    return json_object_get_string(copy);
}

/* "host", "host:port", "[v6]", "[v6]:port" or a bare IPv6 address. */
static int32_t read_address(struct reader *r, const struct machine_key *key, const char *text)
{
    bool bracketed = *text == '[', external = strcmp(key->name, "external_addr") == 0;
    const char *start = text + bracketed;
    const char *end = strchr(start, bracketed ? ']' : ':');
    const char *port = end && bracketed ? end + 1 : end;
    const char *host;

    if (!bracketed && end && strchr(end + 1, ':'))
        end = port = NULL; /* the colons of an address */
    if (bracketed && !end)
        return wrong(r, key->name, "host, host:port or [IPv6 address]:port");
    if (port && *port) {
        r->ports[external] = *port == ':' ? parse_port(port + 1) : 0;
        if (r->ports[external] == 0)
            return wrong(r, key->name, "host or host:port, with a port from 1 to 65535");
    }
    host = keep(r->g, start, end ? (size_t) (end - start) : strlen(start));
    if (!host)
        return r->g->host->fail(r->call, FLT_E_INTERNAL, 0, "out of memory");
    *(external ? &r->machine->external : &r->machine->internal) = host;
    return *host ? FLT_OK : wrong(r, key->name, "an address");
}

static int32_t read_port(struct reader *r, const struct machine_key *key, struct json_object *value)
{
    int64_t port = json_object_get_int64(value);

    if (!json_object_is_type(value, json_type_int) || port < 0 || port > 65535)
        return wrong(r, key->name, "an integer from 0 to 65535");
    r->protocol_port = (uint32_t) port;
    return FLT_OK;
}

/* A line of known_hosts without its names: "type base64", and a comment that nobody needs. */
static bool read_host_key(struct flt_group *g, const char *line, struct flt_host_key *ret)
{
    size_t type_len = strcspn(line, " ");
    const char *key = line + type_len + (line[type_len] == ' ');
    size_t key_len = strcspn(key, " ");

    if (type_len == 0 || key_len == 0)
        return false;
    *ret = (struct flt_host_key) { .struct_size = sizeof(*ret),
                                   .type = keep(g, line, type_len),
                                   .key = keep(g, key, key_len) };
    return ret->type && ret->key;
}

static int32_t read_host_keys(struct reader *r, const struct machine_key *key,
                              struct json_object *value)
{
    static const char want[] = "a list of at most 8 texts such as \"ssh-ed25519 AAAA...\"";

    if (!json_object_is_type(value, json_type_array) ||
        json_object_array_length(value) > STATIC_HOST_KEYS_MAX)
        return wrong(r, key->name, want);
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        const char *text = text_of(json_object_array_get_idx(value, i));

        if (!text || !read_host_key(r->g, text, &r->machine->host_keys[i]))
            return wrong(r, key->name, want);
        r->machine->n_host_keys++;
    }
    return FLT_OK;
}

static int32_t read_setting(struct reader *r, const struct machine_key *key,
                            struct json_object *value)
{
    const char *text = text_of(value);

    switch (key->kind) {
    case KIND_TEXT:
        if (!text)
            return wrong(r, key->name, "a string");
        *(const char **) (void *) ((char *) r->machine + key->offset) = *text ? text : NULL;
        return FLT_OK;
    case KIND_ADDRESS:
        if (!text)
            return wrong(r, key->name, "a string");
        return *text ? read_address(r, key, text) : FLT_OK;
    case KIND_PORT:
        return read_port(r, key, value);
    case KIND_HOST_KEYS:
        return read_host_keys(r, key, value);
    case KIND_IGNORED:
        flt_logf(r->g->host, r->call, FLT_LOG_NOTICE,
                 "plugin_config.instances.%.64s.%s is not used: that of connector_config holds for "
                 "all machines",
                 r->machine->id, key->name);
        return FLT_OK;
    }
    return FLT_OK;
}

static int32_t check_machine(struct reader *r)
{
    const struct static_machine *m = r->machine;
    bool external = m->external && (r->g->use_external || !m->internal);

    if (!m->internal && !m->external)
        return flt_failf(r->g->host, r->call, FLT_E_INVALID, 0,
                         "plugin_config.instances.%.64s needs internal_addr or external_addr",
                         m->id);
    if (m->protocol && strcmp(m->protocol, "ssh") != 0 && strcmp(m->protocol, "winrm") != 0 &&
        strcmp(m->protocol, "winrm+https") != 0)
        return wrong(r, "protocol", "\"ssh\", \"winrm\" or \"winrm+https\"");
    r->machine->port = r->ports[external] ? r->ports[external] : r->protocol_port;
    return FLT_OK;
}

static int32_t read_machine(struct reader *r, struct json_object *table)
{
    int32_t code = FLT_OK;

    json_object_object_foreach(table, name, value)
    {
        const struct machine_key *key = NULL;

        for (size_t i = 0; i < COUNT(machine_keys) && !key; i++)
            if (strcmp(name, machine_keys[i].name) == 0)
                key = &machine_keys[i];
        if (!key)
            flt_logf(r->g->host, r->call, FLT_LOG_WARNING,
                     "plugin_config.instances.%.64s has an unknown key '%.64s', ignoring",
                     r->machine->id, name);
        else if (code == FLT_OK)
            code = read_setting(r, key, value);
    }
    return code == FLT_OK ? check_machine(r) : code;
}

static bool id_is_valid(const char *id)
{
    size_t len = strlen(id);

    return len >= 1 && len <= ID_MAX_LEN && strspn(id, LETTERS_DIGITS "._:/-") == len;
}

static int32_t read_machines(struct flt_group *g, flt_call *call, struct json_object *instances)
{
    if (!json_object_is_type(instances, json_type_object) ||
        json_object_object_length(instances) == 0)
        return g->host->fail(call, FLT_E_INVALID, 0,
                             "plugin_config.instances must be a table with a table for each "
                             "machine, [runners.autoscaler.plugin_config.instances.NAME]");
    g->machines = calloc((size_t) json_object_object_length(instances), sizeof(*g->machines));
    if (!g->machines)
        return g->host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
    json_object_object_foreach(instances, id, table)
    {
        struct reader r = { .g = g, .call = call, .machine = &g->machines[g->n_machines] };
        int32_t code;

        if (!id_is_valid(id))
            return flt_failf(g->host, call, FLT_E_INVALID, 0,
                             "plugin_config.instances: a machine's name is 1 to 255 letters, "
                             "digits and ._:/-, unlike '%.64s'",
                             id);
        r.machine->id = id;
        g->n_machines++;
        if (!json_object_is_type(table, json_type_object))
            return flt_failf(g->host, call, FLT_E_INVALID, 0,
                             "plugin_config.instances.%.64s must be a table", id);
        code = read_machine(&r, table);
        if (code != FLT_OK)
            return code;
    }
    return FLT_OK;
}

static int32_t read_name(struct flt_group *g, flt_call *call)
{
    struct json_object *value = NULL;
    bool given = json_object_object_get_ex(g->config, "name", &value);
    size_t len;

    g->name = given ? text_of(value) : "static";
    len = g->name ? strlen(g->name) : 0;
    if (len < 1 || len > NAME_MAX_LEN || strspn(g->name, LETTERS_DIGITS) == 0 ||
        strspn(g->name, LETTERS_DIGITS "._-") != len)
        return g->host->fail(call, FLT_E_INVALID, 0,
                             "plugin_config.name must be 1 to 63 letters, digits, '.', '_' and "
                             "'-', and begin with a letter or a digit");
    return FLT_OK;
}

static void warn_unknown(const struct flt_group *g, flt_call *call)
{
    json_object_object_foreach(g->config, key, value)
    {
        bool known = false;

        (void) value;
        for (size_t i = 0; i < COUNT(keys) && !known; i++)
            known = strcmp(key, keys[i].name) == 0;
        if (!known)
            flt_logf(g->host, call, FLT_LOG_WARNING,
                     "plugin_config has an unknown key '%.64s', ignoring", key);
    }
}

/* Which address, and so which port, the host takes. */
static bool external_is_used(const char *connector_config_json)
{
    struct json_object *root = json_tokener_parse(connector_config_json), *value = NULL;
    bool used = json_object_object_get_ex(root, "use_external_addr", &value) &&
                json_object_get_boolean(value);

    json_object_put(root);
    return used;
}

int32_t options_parse(struct flt_group *g, flt_call *call, const char *plugin_config_json,
                      const char *connector_config_json)
{
    struct json_object *instances = NULL;
    int32_t code;

    g->config = json_tokener_parse(plugin_config_json);
    if (!json_object_is_type(g->config, json_type_object))
        return g->host->fail(call, FLT_E_INVALID, 0, "plugin_config is not a JSON object");
    g->kept = json_object_new_array();
    if (!g->kept)
        return g->host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
    g->use_external = external_is_used(connector_config_json);
    warn_unknown(g, call);
    (void) json_object_object_get_ex(g->config, "instances", &instances);
    code = read_name(g, call);
    return code == FLT_OK ? read_machines(g, call, instances) : code;
}

void options_done(struct flt_group *g)
{
    json_object_put(g->kept);
    free(g->machines);
    json_object_put(g->config);
}
