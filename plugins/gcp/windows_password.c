/* windows_password.c - the password of a user of Windows, which Google's guest agent makes and answers on serial port 4
 * when the instance's metadata ask for it. That takes minutes while Windows boots.
 *
 * The serial port is read first: what was asked for before, by this process or one before it, is not asked for again.
 */

#include "reach.h"

#include <openssl/rsa.h>
#include <stdio.h>
#include <time.h>

#include "sdk/lib/json.h"
#include "sdk/lib/password.h"

#define ANSWER_MS 5000
#define ANSWER_S (15 * 60) /* an agent that boots for longer is asked once more */
#define PORT "4"

struct password_change {
    const struct windows_key *key;
    int64_t until_s, now_s;
};

static char *with_request(void *arg, const char *value)
{
    const struct password_change *change = arg;

    return windows_keys_with(value, change->key, change->until_s, change->now_s);
}

static int32_t ask_port(struct flt_group *g, const struct way *way, struct json_object **ret)
{
    struct flt_google_param params[] = { { "port", PORT } };
    char path[GCP_PATH_SIZE + 16], shown[GCP_NAME_MAX + 48];
    struct gcp_ask ask = {
        .path = path, .shown = shown, .params = params, .n_params = COUNT(params)
    };
    struct flt_google_error error;
    int32_t code;

    (void) snprintf(path, sizeof(path), "%s/serialPort", way->path);
    (void) snprintf(shown, sizeof(shown), "instances.getSerialPortOutput of %s", way->name);
    code = gcp_ask(g, &ask, ret, &error);
    return code == FLT_OK ? FLT_OK : gcp_refused(g, code, &error);
}

/* FLT_OK and no password: there is no answer yet. */
static int32_t read_answer(struct flt_group *g, struct way *way, const struct windows_key *key,
                           EVP_PKEY *private)
{
    struct json_object *output = NULL, *answer;
    int32_t code = ask_port(g, way, &output);
    const char *data, *why;

    answer = windows_answer(flt_json_text(output, "contents"), key);
    data = flt_json_text(answer, "encryptedPassword");
    why = flt_json_text(answer, "errorMessage");
    if (data)
        way->reach->password = flt_password_decrypt(private, RSA_PKCS1_OAEP_PADDING, data);
    if (code == FLT_OK && data && !way->reach->password)
        code =
            gcp_fail(g, FLT_E_UNHEALTHY, 0, "the password of instance %s cannot be read", way->id);
    else if (code == FLT_OK && answer && !data) /* it would be the same on the next one */
        code = gcp_fail(g, FLT_E_INVALID, 0,
                        "the guest agent of instance %s makes no password for "
                        "connector_config.username '%.64s': %.300s",
                        way->id, key->user, why ? why : "no reason is given");
    json_object_put(answer);
    json_object_put(output);
    return code;
}

static int32_t is_asked(struct flt_group *g, const struct way *way)
{
    return gcp_fail(g, FLT_E_NOT_READY, ANSWER_MS,
                    "instance %s has not given '%.64s' a password yet, which a Windows that boots "
                    "takes minutes for",
                    way->id, way->info.username);
}

static int32_t send_request(struct flt_group *g, struct way *way, const struct windows_key *key)
{
    int64_t now_s = (int64_t) time(NULL);
    struct password_change change = { key, now_s + ANSWER_S, now_s };
    struct flt_google_error error = { 0 };
    int32_t code = metadata_set(g, way, "windows-keys", with_request, &change, &error);

    if (gcp_is_denied(code, &error))
        return gcp_fail(g, code, 0,
                        "instance %s runs Windows: the account needs "
                        "compute.instances.setMetadata to ask for a password "
                        "(" FLOTILLA_DOCS "/gcp-role.yaml), or set connector_config.password: %s",
                        way->id, error.text);
    if (code != FLT_OK)
        return code;
    way->reach->password_until_s = change.until_s;
    return is_asked(g, way);
}

static int32_t request(struct flt_group *g, struct way *way, const struct windows_key *key)
{
    struct reach *reach = way->reach;
    int64_t now_s = (int64_t) time(NULL);
    int32_t code;

    if (reach->password_until_s > now_s)
        return is_asked(g, way);
    if (!way->instance && (code = way_look(g, way)) != FLT_OK)
        return code;
    reach->password_until_s = windows_keys_until(
        metadata_value(flt_json_find(way->instance, "metadata"), "windows-keys"), key);
    return reach->password_until_s > now_s ? is_asked(g, way) : send_request(g, way, key);
}

int32_t windows_password_login(struct flt_group *g, struct way *way)
{
    struct windows_key key = { .user = way->info.username };
    EVP_PKEY *private = way->reach->password ? NULL : password_key(g);
    int32_t code = FLT_OK;

    if (!way->reach->password) {
        if (!private)
            return FLT_E_INTERNAL; /* why was said */
        if (!windows_key_numbers(private, &key))
            return gcp_fail(g, FLT_E_INTERNAL, 0, "the key for passwords of Windows is no RSA key");
        code = read_answer(g, way, &key, private);
        if (code == FLT_OK && !way->reach->password)
            code = request(g, way, &key);
    }
    way->info.password = way->reach->password;
    return code;
}
