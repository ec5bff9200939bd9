/* sdk/lib/google_jwt.h - a statement that is signed by the key of a service account (RFC 7519, RS256). Used by
 * google_service_account.c and google_token.c.
 */
#ifndef FLOTILLA_LIB_GOOGLE_JWT_H
#define FLOTILLA_LIB_GOOGLE_JWT_H

#include <json-c/json.h>
#include <stdint.h>

struct flt_google_jwt {
    const char *key;      /* PEM */
    const char *key_id;   /* NULL = none */
    const char *issuer;   /* whose key it is */
    const char *subject;  /* NULL = none */
    const char *audience; /* NULL = none */
    const char *scope;
    int64_t now_s, life_s;
};
/* 0 and the token, to be wiped; -EINVAL when the key is none, -ENOMEM. */
int flt_google_jwt_sign(const struct flt_google_jwt *jwt, char **ret);

/* What somebody's signed text says, unverified: json_object_put() it. NULL when it says nothing. */
struct json_object *flt_google_jwt_claims(const char *text);

#endif
