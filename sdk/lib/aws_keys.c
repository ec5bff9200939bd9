/* sdk/lib/aws_keys.c - keys for AWS: made, read from JSON (aws_keys.h) and wiped. */
#include "sdk/lib/aws_keys.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

void flt_aws_keys_done(struct flt_aws_keys *keys)
{
    flt_wipe(keys->access_key);
    flt_wipe(keys->secret_key);
    flt_wipe(keys->session_token);
    free(keys->source);
    *keys = (struct flt_aws_keys) { 0 };
}

int32_t flt_aws_keys_set(struct flt_aws_ask *ask, struct flt_aws_keys *ret, const char *access_key,
                         const char *secret_key, const char *token)
{
    if (token && !*token)
        token = NULL;
    if (!*access_key || !*secret_key)
        return flt_because(ask->why, FLT_E_INVALID, "the keys are empty");
    if (!flt_is_printable(access_key) || !flt_is_printable(secret_key) ||
        (token && !flt_is_printable(token)))
        return flt_because(ask->why, FLT_E_INVALID,
                           "the keys hold a control byte or a letter beyond ASCII");
    *ret = (struct flt_aws_keys) { .access_key = strdup(access_key),
                                   .secret_key = strdup(secret_key),
                                   .session_token = token ? strdup(token) : NULL };
    if (ret->access_key && ret->secret_key && (ret->session_token || !token))
        return FLT_OK;
    flt_aws_keys_done(ret);
    return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

int32_t flt_aws_keys_name(struct flt_aws_ask *ask, struct flt_aws_keys *keys, const char *format,
                          ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&keys->source, format, args);
    va_end(args);
    if (len >= 0)
        return FLT_OK;
    keys->source = NULL;
    flt_aws_keys_done(keys);
    return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

/* json-c lends its own memory, and frees it as it is. */
void flt_aws_json_wipe(struct json_object *object, const char *path)
{
    const char *text = flt_json_text(object, path);

    if (text)
        explicit_bzero((void *) (uintptr_t) text, strlen(text));
}

static int read_expiry(struct json_object *root, const char *path, int64_t *ret)
{
    const char *text = flt_json_text(root, path);
    char ignored[FLT_ERROR_MAX];
    int64_t ms = 0;

    if (text)
        return flt_utc_parse(text, ret);
    if (flt_json_opt_i64(root, path, 1, INT64_MAX, &ms, ignored) < 0)
        return -1;
    *ret = ms / 1000;
    return 0;
}

static int32_t take_keys(struct flt_aws_ask *ask, const char *who, struct json_object *root,
                         const struct flt_aws_key_names *names, struct flt_aws_keys *ret)
{
    const char *access_key, *secret_key;
    char error[FLT_ERROR_MAX];
    int64_t expires_s, version = 0;
    int32_t code;

    if (flt_json_need_text(root, names->access_key, &access_key, error) < 0 ||
        flt_json_need_text(root, names->secret_key, &secret_key, error) < 0)
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "the answer of %.300s: %.180s", who, error);
    if (names->version != 0 &&
        (flt_json_opt_i64(root, "Version", 0, INT64_MAX, &version, error) < 0 ||
         version != names->version))
        return flt_because(ask->why, FLT_E_UNAVAILABLE,
                           "the answer of %.300s: its Version is not %" PRId64
                           ", and no other is known",
                           who, names->version);
    if (read_expiry(root, names->expires, &expires_s) < 0)
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "the answer of %.300s: %s is no time", who,
                           names->expires);
    code = flt_aws_keys_set(ask, ret, access_key, secret_key, flt_json_text(root, names->token));
    if (code == FLT_OK)
        ret->expires_s = expires_s;
    return code;
}

int32_t flt_aws_keys_parse(struct flt_aws_ask *ask, const char *who, const char *text, size_t len,
                           const struct flt_aws_key_names *names, struct flt_aws_keys *ret)
{
    struct json_object *root = NULL;
    char error[FLT_ERROR_MAX];
    int32_t code;

    if (flt_json_parse(text, len, &root, error) < 0)
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "the answer of %.300s: %.180s", who, error);
    code = take_keys(ask, who, root, names, ret);
    flt_aws_json_wipe(root, names->secret_key);
    flt_aws_json_wipe(root, names->token);
    json_object_put(root);
    return code;
}
