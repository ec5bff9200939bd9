/* core/job/connect/target.c - see the header. */
#include "core/job/connect/target.h"

#include <errno.h>

#include "core/base/str.h"

#define CONNECT_MS (10 * 60 * 1000)
#define ARRIVAL_MS 60000

static const struct {
    const char *name;
    uint16_t port;
} protocols[] = { { "ssh", 22 }, { "winrm", 5985 }, { "winrm+https", 5986 } };

uint16_t target_port(json_t *connect)
{
    const char *protocol = "ssh";
    int64_t port = 0;

    (void) json_opt_str(connect, "protocol", &protocol, NULL);
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        if (str_eq(protocol, protocols[i].name))
            port = protocols[i].port;
    (void) json_opt_i64(connect, "port", 1, 65535, &port, NULL);
    return (uint16_t) port;
}

int target_options(json_t *connect, struct remote_options *ret, struct error *err)
{
    struct remote_options options = { .timeout_ms = CONNECT_MS, .keepalive_ms = 30000 };
    int64_t expires_ms = 0;

    options.protocol = "ssh";
    (void) json_opt_str(connect, "protocol", &options.protocol, NULL);
    (void) json_opt_str(connect, "tls_ca_file", &options.ca_file, NULL);
    (void) json_opt_bool(connect, "accept_self_signed", &options.own_certificate, NULL);
    (void) json_opt_str(connect, "address", &options.address, NULL);
    (void) json_opt_str(connect, "username", &options.username, NULL);
    (void) json_opt_str(connect, "password", &options.password, NULL);
    (void) json_opt_str(connect, "key", &options.private_key, NULL);
    (void) json_opt_i64(connect, "timeout_ms", 1, INT64_MAX, &options.timeout_ms, NULL);
    (void) json_opt_i64(connect, "keepalive_ms", 0, INT64_MAX, &options.keepalive_ms, NULL);
    /* What ends was made by the provider, who has just told the instance. */
    (void) json_opt_i64(connect, "expires_ms", 0, INT64_MAX, &expires_ms, NULL);
    if (expires_ms != 0)
        options.arrival_ms = ARRIVAL_MS;
    options.port = target_port(connect);
    if (options.port == 0)
        return error_set(err, -EPROTONOSUPPORT, "protocol '%s' is not known", options.protocol);
    if (str_empty(options.address) || str_empty(options.username))
        return error_set(err, -EINVAL, "the provider gave no address or no user name");
    *ret = options;
    return 0;
}

static bool is_text(json_t *item, const char *key, const char *want)
{
    const char *text = "";

    (void) json_opt_str(item, key, &text, NULL);
    return str_eq(text, want);
}

bool target_vouched_for(json_t *connect, const char *type, const char *key_base64)
{
    json_t *keys = NULL;

    (void) json_opt_array(connect, "host_keys", &keys, NULL);
    for (size_t i = 0; keys && i < json_object_array_length(keys); i++) {
        json_t *item = json_object_array_get_idx(keys, i);

        if (is_text(item, "type", type) && is_text(item, "key", key_base64))
            return true;
    }
    return false;
}
