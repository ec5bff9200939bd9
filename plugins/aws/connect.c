/* connect.c - how an instance is reached: its addresses, its system, and who to log in as with what. */

#include "aws.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/host_keys.h"
#include "sdk/lib/ssh_key.h"
#include "sdk/lib/wipe.h"
#include "sdk/lib/xml.h"

#define BOOT_AGAIN_MS INT64_C(2000)
#define BOOT_AGAIN_MAX_MS INT64_C(15000)
#define PASSWORD_AGAIN_MS INT64_C(5000) /* it takes minutes */
#define PUSHED_KEY_MS 60000             /* so long a pushed key lets in */
#define GROUP_TAG "aws:autoscaling:groupName"

/* What is on its way to the host; the secrets are wiped. */
struct way {
    const char *id;
    struct aws_machine *machine;
    xmlNodePtr instance;
    struct flt_connect_info info;
    struct flt_host_keys host_keys;
    char *key, *password;
};

static bool is_of_group(const struct flt_group *g, const struct way *way)
{
    xmlNodePtr tags = flt_xml_find(way->instance, "tagSet");

    for (xmlNodePtr at = NULL; (at = flt_xml_next(tags, "item", at));)
        if (strcmp(text_at(at, "key"), GROUP_TAG) == 0)
            return strcmp(text_at(at, "value"), g->options.name) == 0;
    return find_member(g->members, g->n_members, way->id) != NULL;
}

/* The group may know an instance some seconds before EC2 does. */
static int32_t unknown(struct flt_group *g, const char *id)
{
    const struct aws_member *member = find_member(g->members, g->n_members, id);

    if (member && member->state != FLT_STATE_DELETING)
        return aws_fail(g, FLT_E_NOT_READY, BOOT_AGAIN_MS, "EC2 does not know instance %s yet", id);
    return aws_fail(g, FLT_E_NOT_FOUND, 0, "there is no instance '%.64s' in group '%.64s'", id,
                    g->options.name);
}

/* Since its launch. */
static int64_t age_of(const struct flt_group *g, const struct way *way)
{
    int64_t launched_ms = time_here(g, text_at(way->instance, "launchTime"));

    return launched_ms != 0 ? flt_wall_ms() - launched_ms : 0;
}

/* Whoever boots for long is asked about more seldom. */
static int64_t boot_pause(const struct flt_group *g, const struct way *way)
{
    int64_t pause_ms = age_of(g, way) / 8;

    return pause_ms < BOOT_AGAIN_MS       ? BOOT_AGAIN_MS
           : pause_ms > BOOT_AGAIN_MAX_MS ? BOOT_AGAIN_MAX_MS
                                          : pause_ms;
}

static int32_t check_state(struct flt_group *g, const struct way *way)
{
    const char *state = text_at(way->instance, "instanceState/name");

    if (!way->instance)
        return unknown(g, way->id);
    if (!is_of_group(g, way))
        return aws_fail(g, FLT_E_NOT_FOUND, 0, "instance %s is not of group '%.64s'", way->id,
                        g->options.name);
    if (strcmp(state, "pending") == 0)
        return aws_fail(g, FLT_E_NOT_READY, boot_pause(g, way), "instance %s is starting", way->id);
    if (strcmp(state, "running") != 0)
        return aws_fail(g, FLT_E_NOT_FOUND, 0, "instance %s is %s", way->id,
                        *state ? state : "in no state");
    return FLT_OK;
}

static void read_system(const struct flt_group *g, struct way *way)
{
    static const char *const names[][2] = { { "i386", "386" },
                                            { "x86_64", "amd64" },
                                            { "x86_64_mac", "amd64" },
                                            { "arm64", "arm64" },
                                            { "arm64_mac", "arm64" } };
    const char *arch = text_at(way->instance, "architecture");
    const struct aws_options *o = &g->options;
    bool windows = strcasecmp(text_at(way->instance, "platform"), "windows") == 0;

    way->info.os = o->connector.os        ? o->connector.os
                   : strstr(arch, "_mac") ? "darwin"
                   : windows              ? "windows"
                                          : "linux";
    way->info.arch = o->connector.arch;
    for (size_t i = 0; !way->info.arch && i < COUNT(names); i++)
        if (strcmp(arch, names[i][0]) == 0)
            way->info.arch = names[i][1];
    windows = strcmp(way->info.os, "windows") == 0;
    way->info.protocol = o->connector.protocol ? o->connector.protocol : windows ? "winrm" : "ssh";
    way->info.username = o->connector.username ? o->connector.username
                         : windows             ? "Administrator"
                                               : "ec2-user";
}

static const char *address_at(const struct way *way, const char *path)
{
    const char *text = flt_xml_text(way->instance, path);

    return text && *text ? text : NULL;
}

static const char *ipv6_of(const struct way *way)
{
    const char *own = address_at(way, "ipv6Address");

    return own ? own
               : address_at(way, "networkInterfaceSet/item/ipv6AddressesSet/item/ipv6Address");
}

/* One of a subnet without IPv4 has nothing else. */
static int32_t read_addresses(struct flt_group *g, struct way *way)
{
    switch (g->options.addresses) {
    case AWS_ADDRESSES_IPV4:
        way->info.address = address_at(way, "privateIpAddress");
        way->info.external_address = address_at(way, "ipAddress");
        break;
    case AWS_ADDRESSES_DNS:
        way->info.address = address_at(way, "privateDnsName");
        way->info.external_address = address_at(way, "dnsName");
        break;
    case AWS_ADDRESSES_IPV6:
        break;
    }
    if (!way->info.address && !way->info.external_address)
        way->info.address = way->info.external_address = ipv6_of(way);
    if (!way->info.address && !way->info.external_address)
        return aws_fail(g, FLT_E_NOT_READY, boot_pause(g, way), "instance %s has no address yet",
                        way->id);
    return FLT_OK;
}

static int32_t push(struct flt_group *g, struct way *way, const char *public_line,
                    struct flt_aws_error *error)
{
    return instance_connect_push(g, way->id, text_at(way->instance, "placement/availabilityZone"),
                                 way->info.username, public_line, error);
}

/* An instance that was launched with a key pair may know the key already, so what fails here is no failure. */
static void push_given_key(struct flt_group *g, struct way *way)
{
    char *public_line;
    struct flt_aws_error error;
    int32_t code;

    if (!g->options.instance_connect || g->denied[AWS_RIGHT_CONNECT])
        return;
    public_line = flt_key_public_line(g->options.connector.key);
    if (!public_line)
        return; /* of a kind that AWS does not take */
    code = push(g, way, public_line, &error);
    free(public_line);
    if (aws_is_denied(code, &error))
        aws_note_denied(g, AWS_RIGHT_CONNECT, &error);
    else if (code != FLT_OK)
        aws_log(g, FLT_LOG_DEBUG, "the key is not brought to instance %s: %s", way->id, error.text);
    else if (!address_at(way, "keyName"))
        way->info.expires_ms = flt_wall_ms() + PUSHED_KEY_MS;
}

static int32_t push_new_key(struct flt_group *g, struct way *way)
{
    struct flt_aws_error error;
    char *public_line;
    int32_t code;

    if (flt_key_generate(&way->key, &public_line))
        return aws_fail(g, FLT_E_INTERNAL, 0, "no key could be made");
    code = push(g, way, public_line, &error);
    free(public_line);
    if (code == FLT_E_NOT_READY)
        return aws_fail(g, code, boot_pause(g, way), "instance %s takes no key yet: %s", way->id,
                        error.text);
    if (aws_is_denied(code, &error))
        return aws_fail(g, code, 0,
                        "missing permission ec2-instance-connect:SendSSHPublicKey (%s); give it "
                        "(" FLOTILLA_DOCS
                        "/aws-policy.json), or set connector_config.key_path to a key that the "
                        "instances know",
                        error.text);
    if (code != FLT_OK)
        return aws_refused(g, code, &error);
    way->info.key = way->key;
    way->info.expires_ms = flt_wall_ms() + PUSHED_KEY_MS;
    return FLT_OK;
}

static int32_t decrypt_password(struct flt_group *g, struct way *way)
{
    const char *pair = address_at(way, "keyName");
    int64_t pause_ms = boot_pause(g, way);
    int32_t code;

    if (!pair)
        return aws_fail(g, FLT_E_INVALID, 0,
                        "instance %s runs Windows and was launched without a key pair, so AWS has "
                        "no password for it: add KeyName to the launch template, and key_path = "
                        "\"FILE\" to connector_config, with FILE that key pair's private key; or "
                        "set connector_config.password to the one that the image has",
                        way->id);
    if (!g->options.connector.key)
        return aws_fail(
            g, FLT_E_INVALID, 0,
            "instance %s runs Windows, and AWS has its password encrypted for the key "
            "pair '%s': add key_path = \"FILE\" to connector_config, with FILE that key "
            "pair's private key; or set connector_config.password to the one that the "
            "image has",
            way->id, pair);
    if (pause_ms < PASSWORD_AGAIN_MS)
        pause_ms = PASSWORD_AGAIN_MS;
    code = password_ask(g, way->id, pause_ms, &way->password);
    way->info.password = way->password;
    return code;
}

/* The host adds what its configuration says. */
static int32_t find_login(struct flt_group *g, struct way *way)
{
    const struct aws_options *o = &g->options;
    bool windows = strcmp(way->info.os, "windows") == 0;
    bool ssh = strcmp(way->info.protocol, "ssh") == 0;

    if (o->connector.use_static_credentials || o->connector.has_password)
        return FLT_OK;
    if (windows)
        return ssh && o->connector.key ? FLT_OK : decrypt_password(g, way);
    if (!o->connector.key)
        return push_new_key(g, way);
    push_given_key(g, way);
    return FLT_OK;
}

static int32_t need_host_keys(struct flt_group *g, const struct way *way, bool come)
{
    const char *policy = g->options.connector.host_key_policy;
    bool asked = g->options.host_keys && !g->denied[AWS_RIGHT_CONSOLE];

    if (way->info.n_host_keys > 0 || !policy || strcmp(policy, "pin") != 0)
        return FLT_OK;
    if (!asked)
        return aws_fail(g, FLT_E_INVALID, 0,
                        "host_key_policy is \"pin\", and host keys are not read from consoles: %s",
                        g->options.host_keys ? "the right ec2:GetConsoleOutput is missing"
                                             : "plugin_config.host_keys is false");
    if (come)
        return aws_fail(g, FLT_E_NOT_READY, boot_pause(g, way),
                        "the console output of instance %s shows no host keys yet, and "
                        "host_key_policy is \"pin\"",
                        way->id);
    return aws_fail(g, FLT_E_INVALID, 0,
                    "the console output of instance %s shows no host keys, as cloud-init prints "
                    "them: with this image connector_config.host_key_policy must be \"tofu\"",
                    way->id);
}

static int32_t find_host_keys(struct flt_group *g, struct way *way)
{
    struct json_object *keys = NULL;
    int32_t code;

    if (strcmp(way->info.protocol, "ssh") != 0)
        return FLT_OK;
    code = host_keys_ask(g, way->machine, age_of(g, way), &keys);
    flt_host_keys_show(keys, &way->host_keys, &way->info);
    return code == FLT_OK ? need_host_keys(g, way, keys == NULL) : code;
}

/* The key comes last: its 60 seconds run. */
static int32_t prepare(struct flt_group *g, struct way *way)
{
    int32_t code;

    if ((code = check_state(g, way)) != FLT_OK)
        return code;
    read_system(g, way);
    if ((code = read_addresses(g, way)) != FLT_OK || (code = find_host_keys(g, way)) != FLT_OK)
        return code;
    return find_login(g, way);
}

int32_t connect_emit(struct flt_group *g, const char *id, flt_connect_sink sink, void *arg)
{
    struct way way = { .id = id, .info = { .struct_size = sizeof(way.info) } };
    int32_t code = machines_ask(g, id, &way.machine);

    if (code == FLT_OK) {
        way.instance = way.machine->doc ? flt_xml_root(way.machine->doc) : NULL;
        code = prepare(g, &way);
    }
    if (code == FLT_OK && sink(arg, &way.info) != 0)
        code = FLT_E_CANCELLED;
    if (code == FLT_OK)
        way.machine->reached = true;
    flt_wipe(way.key);
    flt_wipe(way.password);
    return code;
}
