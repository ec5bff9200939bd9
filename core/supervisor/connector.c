/* core/supervisor/connector.c - see the header. */
#include "core/supervisor/connector.h"

#include <errno.h>
#include <fcntl.h>

#include "core/base/fault.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/base/str.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define KEY_FILE_MAX (64 * 1024)
/* Windows takes up to 15 minutes for its password. */
#define PATIENCE_MS (20 * 60 * 1000)

/* The key file is the operator's; others must not be able to write it (hardening.md P2). */
int connector_read_key(const struct config_connector *connector, struct secret **ret,
                       struct error *err)
{
    const char *path = connector->key_path;
    autobuf struct buf text = BUF_SECRET;
    bool readable = false;
    int r;

    *ret = NULL;
    if (str_empty(path))
        return 0;
    r = fs_check_private_file(path, &readable, err);
    if (r == 0)
        r = fs_read_file(AT_FDCWD, path, KEY_FILE_MAX, &text, err);
    if (r < 0)
        return error_wrap(err, r, "reading instance group connector key");
    if (readable)
        log_warning("key file %s can be read by others; chmod 600 it", path);
    *ret = secret_new(buf_str(&text), text.len);
    return *ret ? 0 : error_set(err, -ENOMEM, "connector key: out of memory");
}

int connector_text(const struct config_autoscaler *settings, const struct secret *key,
                   struct buf *out)
{
    autojson json_t *copy = NULL;

    if (json_object_deep_copy(settings->connector_config, &copy, NULL) < 0)
        return -ENOMEM;
    if (key)
        (void) json_add_str(copy, "key", secret_reveal(key));
    if (settings->connector.password) /* which may come from a file */
        (void) json_add_str(copy, "password", secret_reveal(settings->connector.password));
    buf_add_str(out, json_text(copy));
    return buf_error(out);
}

/* What the job's log may tell of where it runs. */
static void add_log_address(const struct config_autoscaler *settings, json_t *connect,
                            const char *internal, const char *external)
{
    autobuf struct buf text = BUF_INIT;

    if (settings->log_internal_ip && !str_empty(internal))
        buf_add_str(&text, internal);
    if (settings->log_external_ip && !str_empty(external))
        buf_addf(&text, "%s%s", text.len > 0 ? ", " : "", external);
    if (text.len > 0)
        (void) json_add_str(connect, "log_address", buf_str(&text));
}

/* The configuration's and no others: a provider that gives some nevertheless is not listened to. */
static void drop_credentials(json_t *connect)
{
    json_object_object_del(connect, "username");
    json_object_object_del(connect, "password");
    json_object_object_del(connect, "key");
}

/* The configuration's word counts, then the provider's. */
static void add_kind(json_t *settings, json_t *connect)
{
    static const char *const keys[] = { "os", "arch", "protocol" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *text = "";

        (void) json_opt_str(settings, keys[i], &text, NULL);
        if (!str_empty(text))
            (void) json_add_str(connect, keys[i], text);
    }
}

/* Where nobody says it, what the system is known for. */
static void add_protocol(json_t *connect)
{
    const char *protocol = "", *os = "";

    (void) json_opt_str(connect, "protocol", &protocol, NULL);
    (void) json_opt_str(connect, "os", &os, NULL);
    if (str_empty(protocol))
        (void) json_add_str(connect, "protocol", str_eq(os, "windows") ? "winrm" : "ssh");
}

json_t *connector_connect(const struct config_autoscaler *settings, const struct secret *key,
                          json_t *reply)
{
    const struct config_connector *connector = &settings->connector;
    json_t *given = NULL, *connect = NULL, *keys = NULL;
    const char *username = NULL, *login = NULL, *password = NULL, *internal = NULL;
    const char *external = NULL, *policy = connector->host_key_policy, *address;

    (void) json_opt_object(reply, "connect", &given, NULL);
    if (!given || json_object_deep_copy(given, &connect, NULL) < 0)
        return NULL;
    if (connector->use_static_credentials) {
        drop_credentials(connect);
    } else {
        (void) json_opt_str(given, "username", &username, NULL);
        (void) json_opt_str(given, "key", &login, NULL);
        (void) json_opt_str(given, "password", &password, NULL);
    }
    (void) json_opt_str(given, "address", &internal, NULL);
    (void) json_opt_str(given, "external_address", &external, NULL);
    (void) json_opt_array(given, "host_keys", &keys, NULL);
    address = (connector->use_external_addr && !str_empty(external)) || str_empty(internal)
                  ? external
                  : internal;
    (void) json_add_str(connect, "address", address);
    add_kind(settings->connector_config, connect);
    add_protocol(connect);
    if (str_empty(username))
        (void) json_add_str(connect, "username", connector->username);
    if (str_empty(login) && key)
        (void) json_add_str(connect, "key", secret_reveal(key));
    if (str_empty(password) && connector->password)
        password = secret_reveal(connector->password);
    (void) json_add_str(connect, "password", password);
    if (connector->protocol_port > 0)
        (void) json_add_i64(connect, "port", connector->protocol_port);
    (void) json_add_i64(connect, "timeout_ms", connector->timeout_ms);
    (void) json_add_i64(connect, "keepalive_ms", connector->keepalive_ms);
    if (!policy)
        policy = keys && json_object_array_length(keys) > 0 ? "pin" : "tofu";
    (void) json_add_str(connect, "host_key_policy", policy);
    (void) json_add_str(connect, "tls_ca_file", connector->tls_ca_file);
    (void) json_add_bool(connect, "accept_self_signed", connector->accept_self_signed);
    add_log_address(settings, connect, internal, external);
    return connect;
}

int64_t connector_patience_ms(const struct config_connector *connector)
{
    return fault_limit_ms("not_ready", MAX(connector->timeout_ms, (int64_t) PATIENCE_MS));
}
