/* sdk/lib/signing.h - between the signers of this folder: their headers, and what Amazon and Google sign alike
 * ("version 4").
 */
#ifndef FLOTILLA_LIB_SIGNING_H
#define FLOTILLA_LIB_SIGNING_H

#include "sdk/lib/signed_url.h"
#include "sdk/lib/text.h"

int64_t flt_lifetime(int64_t lifetime_s); /* as the stores allow it */
int flt_add_header(struct flt_signed_url *url, const char *name, const char *value);
/* The object's label, where there is one and it is PUT. */
int flt_add_label(struct flt_signed_url *url, const char *name, const struct flt_object *object);

struct flt_v4 {
    const char *algorithm;        /* "AWS4-HMAC-SHA256" */
    const char *prefix;           /* of the query's names: "X-Amz-" */
    const char *service, *region; /* of the scope, */
    const char *terminator;       /* and its last word */
    const char *identity;         /* whose key signs */
    const char *token;            /* NULL = none */
    /* Writes the signature of `text` in hex. */
    int (*sign)(const void *key, const struct flt_v4 *v4, const char *date, const char *text,
                struct flt_text *ret);
    const void *key;
};
/* That of Amazon, by the secret key. */
int flt_v4_sign_hmac(const void *secret, const struct flt_v4 *v4, const char *date,
                     const char *text, struct flt_text *ret);

struct flt_v4_request {
    const char *method, *host;
    const char *path;           /* in the form in which it is signed */
    const char *query;          /* encoded; NULL = none */
    const char *const *headers; /* "Name: value"; Host is signed beside them */
    size_t n_headers;
    const char *payload; /* its SHA-256 in hex, or "UNSIGNED-PAYLOAD" */
    int64_t now_s;
};
/* The query, with all that makes it a bearer's; the caller frees. */
int flt_v4_sign_query(const struct flt_v4 *v4, const struct flt_v4_request *request,
                      int64_t lifetime_s, char **ret);
/* The value of the header Authorization. `headers` have the date and the token already. */
int flt_v4_sign_header(const struct flt_v4 *v4, const struct flt_v4_request *request, char **ret);
/* Sets ret->url. ret->headers are signed as they stand; `path` is encoded and begins with a slash. */
int flt_v4_sign_object(const struct flt_v4 *v4, const struct flt_object *object, const char *scheme,
                       const char *host, const char *path, struct flt_signed_url *ret);

/* `hash` takes 32 bytes. */
int flt_hmac_sha256(const void *key, size_t key_len, const char *text, unsigned char *hash);

#endif
