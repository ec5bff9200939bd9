/* options.c - plugin_config of the AWS provider, with the keys of GitLab's own plugin and more; and what it needs of
 * connector_config. One table describes the keys and reads them. */

#include "aws.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/aws_endpoint.h"
#include "sdk/lib/duration.h"
#include "sdk/lib/ssh_key.h"

#define TEXT_MAX 1024
#define DIGITS "0123456789"

enum kind {
    KIND_NAME,
    KIND_TEXT,
    KIND_REGION,
    KIND_URL,
    KIND_BOOL,
    KIND_TIME,
    KIND_PRICE,
    KIND_ADDRESSES
};

static const struct option {
    struct flt_config_key key;
    enum kind kind;
    size_t offset;
} options[] = {
#define OPTION(n, t, d, k, field, ...)                                                             \
    {                                                                                              \
        .key = { .struct_size = sizeof(struct flt_config_key),                                     \
                 .name = n,                                                                        \
                 .type = t,                                                                        \
                 .default_value = d,                                                               \
                 __VA_ARGS__ },                                                                    \
        .kind = k, .offset = offsetof(struct aws_options, field)                                   \
    }
    OPTION("name", "string", NULL, KIND_NAME, name, .required = 1,
           .help = "name of the Auto Scaling group"),
    OPTION("profile", "string", NULL, KIND_TEXT, profile,
           .help = "profile of the shared files; default AWS_PROFILE, then \"default\""),
    OPTION("config_file", "string", NULL, KIND_TEXT, config_file,
           .help = "shared config file; default AWS_CONFIG_FILE, then ~/.aws/config"),
    OPTION("credentials_file", "string", NULL, KIND_TEXT, credentials_file,
           .help = "shared credentials file; default AWS_SHARED_CREDENTIALS_FILE, then "
                   "~/.aws/credentials"),
    OPTION("region", "string", NULL, KIND_REGION, region,
           .help = "region of the group; default AWS_REGION, AWS_DEFAULT_REGION, the profile's, "
                   "that of the machine"),
    OPTION("endpoint", "string", NULL, KIND_URL, endpoint,
           .help = "URL that answers for all services, for simulators and private endpoints"),
    OPTION("sts_endpoint", "string", NULL, KIND_URL, sts_endpoint,
           .help = "URL of STS, for roles; default endpoint, then AWS's own"),
    OPTION("dual_stack", "boolean", "false", KIND_BOOL, dual_stack,
           .help = "use AWS's endpoints with IPv4 and IPv6"),
    OPTION("fips", "boolean", "false", KIND_BOOL, fips, .help = "use AWS's FIPS endpoints"),
    OPTION("imds_endpoint", "string", NULL, KIND_URL, imds_endpoint,
           .help = "URL of the metadata service; default http://169.254.169.254"),
    OPTION("imds_v1", "boolean", "false", KIND_BOOL, imds_v1,
           .help = "ask the metadata service by version 1, too, which any request from the "
                   "machine can be made to do"),
    OPTION("addresses", "string", "ipv4", KIND_ADDRESSES, addresses,
           .help = "which addresses of an instance are used: \"ipv4\" (private and public), "
                   "\"ipv6\" or \"dns\""),
    OPTION("instance_connect", "boolean", "true", KIND_BOOL, instance_connect,
           .help = "bring a public key to an instance by EC2 Instance Connect: a new one each "
                   "time, or that of connector_config.key_path"),
    OPTION("host_keys", "boolean", "true", KIND_BOOL, host_keys,
           .help = "read an instance's host keys from its console output"),
    OPTION("price_per_hour", "string", NULL, KIND_PRICE, price_micros_hour,
           .help = "what an instance costs an hour, as \"0.0416\""),
    OPTION("minimum_billed", "duration", NULL, KIND_TIME, minimum_billed_ms,
           .help = "instances are charged for in pieces of this, a started one in full; default "
                   "none: by the second"),
    OPTION("minimum_life", "duration", NULL, KIND_TIME, minimum_life_ms,
           .help = "what an instance is charged for at least; default 60s, of a Mac 24h"),
    OPTION("recycle_time", "duration", NULL, KIND_TIME, recycle_ms,
           .help = "how long the place of an instance that was deleted stays taken; default 0s, "
                   "of a Mac 3h20m"),
    OPTION("take_over", "boolean", "false", KIND_BOOL, take_over,
           .help =
               "take the group from whichever manager the tag names, for managers whose machines "
               "are replaced: the instances of one that still runs are removed"),
#undef OPTION
};

int32_t options_describe(flt_key_sink sink, void *arg)
{
    for (size_t i = 0; i < COUNT(options); i++)
        if (sink(arg, &options[i].key) != 0)
            return FLT_E_CANCELLED;
    return FLT_OK;
}

static int32_t wrong(struct flt_group *g, const char *table, const char *key, const char *want)
{
    return aws_fail(g, FLT_E_INVALID, 0, "%s.%s must be %s", table, key, want);
}

/* NULL when it is no string, or has a control character in it. */
static const char *plain_text(struct json_object *value)
{
    const char *text =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

    if (!text || strlen(text) != (size_t) json_object_get_string_len(value))
        return NULL;
    for (const char *p = text; *p; p++)
        if ((unsigned char) *p < ' ' || *p == 127)
            return NULL;
    return strlen(text) <= TEXT_MAX ? text : NULL;
}

static bool is_url(const char *text)
{
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : "";

    return *host && *host != '/' && *host != ':' && !strpbrk(host, " @?#\\");
}

/* "0.0416" in millionths: 41600; -1 when it is no price. */
static int64_t price_parse(const char *text)
{
    size_t whole = strspn(text, DIGITS);
    size_t part = text[whole] == '.' ? strspn(text + whole + 1, DIGITS) : 0;
    int64_t micros = 0, unit = 1000000;

    if (whole < 1 || whole > 6 || part > 6 || text[part > 0 ? whole + 1 + part : whole])
        return -1;
    for (size_t i = 0; i < whole; i++)
        micros = micros * 10 + (text[i] - '0') * unit;
    for (size_t i = whole + 1; part > 0 && i <= whole + part; i++)
        micros += (text[i] - '0') * (unit /= 10);
    return micros;
}

static const char *read_text(enum kind kind, const char *text, const char **ret)
{
    if (!text)
        return "a text without control characters, at most 1024 bytes long";
    if (kind == KIND_NAME && (!*text || strlen(text) > AWS_NAME_MAX))
        return "the name of an Auto Scaling group, 1 to 255 bytes";
    if (kind == KIND_REGION && *text && !flt_aws_is_region(text))
        return "a region such as \"eu-central-1\"";
    if (kind == KIND_URL && *text && !is_url(text))
        return "a URL such as \"https://host:port\", without a query";
    *ret = *text ? text : NULL;
    return NULL;
}

static const char *read_addresses(const char *text, enum aws_addresses *ret)
{
    static const char *const names[] = {
        [AWS_ADDRESSES_IPV4] = "ipv4", [AWS_ADDRESSES_IPV6] = "ipv6", [AWS_ADDRESSES_DNS] = "dns"
    };

    for (size_t i = 0; text && i < COUNT(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum aws_addresses) i;
            return NULL;
        }
    return "\"ipv4\", \"ipv6\" or \"dns\"";
}

static const char *read_price(const char *text, int64_t *ret)
{
    *ret = text ? price_parse(text) : -1;
    return *ret < 0 ? "a price such as \"0.0416\"" : NULL;
}

/* NULL, or what the value must be. */
static const char *read_value(const struct option *option, struct json_object *value, char *field)
{
    switch (option->kind) {
    case KIND_NAME:
    case KIND_TEXT:
    case KIND_REGION:
    case KIND_URL:
        return read_text(option->kind, plain_text(value), (const char **) (void *) field);
    case KIND_BOOL:
        if (!json_object_is_type(value, json_type_boolean))
            return "true or false";
        *(bool *) field = json_object_get_boolean(value);
        return NULL;
    case KIND_TIME:
        return flt_duration_of_json(value, (int64_t *) (void *) field) < 0 ? FLT_DURATION_WANTED
                                                                           : NULL;
    case KIND_PRICE:
        return read_price(plain_text(value), (int64_t *) (void *) field);
    case KIND_ADDRESSES:
        return read_addresses(plain_text(value), (enum aws_addresses *) (void *) field);
    }
    return NULL;
}

static const struct option *find_option(const char *name)
{
    for (size_t i = 0; i < COUNT(options); i++)
        if (strcmp(options[i].key.name, name) == 0)
            return &options[i];
    return NULL;
}

static int32_t read_plugin(struct flt_group *g, struct json_object *root)
{
    json_object_object_foreach(root, key, value)
    {
        const struct option *option = find_option(key);
        const char *want;

        if (!option) {
            aws_log(g, FLT_LOG_WARNING, "plugin_config has an unknown key '%.64s', ignoring", key);
            continue;
        }
        want = read_value(option, value, (char *) &g->options + option->offset);
        if (want)
            return wrong(g, "plugin_config", key, want);
    }
    if (!g->options.name)
        return aws_fail(g, FLT_E_INVALID, 0,
                        "plugin_config.name is missing: the name of the Auto Scaling group");
    return FLT_OK;
}

/* Out of the parsed document, where it would stay as it is. */
static bool take_key(struct json_object *root, char **ret)
{
    struct json_object *value = json_object_object_get(root, "key");
    const char *text =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    char *copy = *text ? strdup(text) : NULL;
    bool lost = *text && !copy;

    if (*text)
        explicit_bzero((char *) (uintptr_t) text, strlen(text));
    json_object_object_del(root, "key");
    *ret = copy;
    return !lost;
}

static int32_t read_connector(struct flt_group *g, struct json_object *root)
{
    struct aws_options *o = &g->options;
    const struct {
        const char *name;
        const char **ret;
    } texts[] = { { "os", &o->os },
                  { "arch", &o->arch },
                  { "protocol", &o->protocol },
                  { "username", &o->username },
                  { "host_key_policy", &o->host_key_policy } };
    struct json_object *value;

    for (size_t i = 0; i < COUNT(texts); i++)
        if (json_object_object_get_ex(root, texts[i].name, &value)) {
            const char *want = read_text(KIND_TEXT, plain_text(value), texts[i].ret);

            if (want)
                return wrong(g, "connector_config", texts[i].name, want);
        }
    value = json_object_object_get(root, "use_static_credentials");
    o->use_static_credentials = json_object_get_boolean(value);
    value = json_object_object_get(root, "password");
    o->has_password = json_object_get_string_len(value) > 0;
    return take_key(root, &o->key) ? FLT_OK : aws_fail(g, FLT_E_INTERNAL, 0, "out of memory");
}

int32_t options_parse(struct flt_group *g, const char *plugin_config, const char *connector_config)
{
    struct aws_options *o = &g->options;
    int32_t code;

    *o = (struct aws_options) { .instance_connect = true,
                                .host_keys = true,
                                .minimum_billed_ms = -1,
                                .minimum_life_ms = -1,
                                .recycle_ms = -1 };
    o->plugin = json_tokener_parse(plugin_config);
    o->connector = json_tokener_parse(connector_config);
    if (!json_object_is_type(o->plugin, json_type_object))
        return aws_fail(g, FLT_E_INVALID, 0, "plugin_config is not a JSON object");
    if (!json_object_is_type(o->connector, json_type_object))
        return aws_fail(g, FLT_E_INVALID, 0, "connector_config is not a JSON object");
    code = read_plugin(g, o->plugin);
    return code == FLT_OK ? read_connector(g, o->connector) : code;
}

void options_done(struct aws_options *o)
{
    flt_key_wipe(o->key);
    json_object_put(o->plugin);
    json_object_put(o->connector);
    *o = (struct aws_options) { 0 };
}
