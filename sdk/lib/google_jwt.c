/* sdk/lib/google_jwt.c - see google_jwt.h. */
#include "sdk/lib/google_jwt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sdk/lib/base64.h"
#include "sdk/lib/json.h"
#include "sdk/lib/rsa.h"
#include "sdk/lib/wipe.h"

static void add(struct json_object *object, const char *name, const char *value)
{
    if (value)
        (void) json_object_object_add(object, name, json_object_new_string(value));
}

/* Takes the object. NULL without memory. */
static char *encode(struct json_object *object)
{
    const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE);
    char *ret = text ? flt_base64url_write(text, strlen(text)) : NULL;

    json_object_put(object);
    return ret;
}

static char *make_head(const struct flt_google_jwt *jwt)
{
    struct json_object *head = json_object_new_object();

    add(head, "alg", "RS256");
    add(head, "typ", "JWT");
    add(head, "kid", jwt->key_id);
    return encode(head);
}

static char *make_claims(const struct flt_google_jwt *jwt)
{
    struct json_object *claims = json_object_new_object();

    add(claims, "iss", jwt->issuer);
    add(claims, "sub", jwt->subject);
    add(claims, "aud", jwt->audience);
    add(claims, "scope", jwt->scope);
    (void) json_object_object_add(claims, "iat", json_object_new_int64(jwt->now_s));
    (void) json_object_object_add(claims, "exp", json_object_new_int64(jwt->now_s + jwt->life_s));
    return encode(claims);
}

static int sign(const char *key, const char *text, char **ret)
{
    unsigned char signature[FLT_RSA_SIGNATURE_MAX];
    FLT_WIPED char *coded = NULL;
    size_t len;
    int r = flt_rsa_sign(key, text, signature, &len);

    if (r < 0)
        return r;
    coded = flt_base64url_write(signature, len);
    if (coded && asprintf(ret, "%s.%s", text, coded) >= 0)
        return 0;
    *ret = NULL;
    return -ENOMEM;
}

int flt_google_jwt_sign(const struct flt_google_jwt *jwt, char **ret)
{
    char *head = make_head(jwt), *claims = make_claims(jwt), *text = NULL;
    int r = -ENOMEM;

    if (head && claims && asprintf(&text, "%s.%s", head, claims) >= 0)
        r = sign(jwt->key, text, ret);
    free(head);
    free(claims);
    free(text);
    return r;
}

struct json_object *flt_google_jwt_claims(const char *text)
{
    const char *claims = strchr(text, '.');
    struct json_object *ret = NULL;
    char ignored[FLT_ERROR_MAX];
    size_t len = 0;
    char *plain;

    if (!claims)
        return NULL;
    plain = flt_base64url_read(claims + 1, strcspn(claims + 1, "."), &len);
    if (plain)
        (void) flt_json_parse(plain, len, &ret, ignored);
    free(plain);
    return ret;
}
