/* sdk/lib/signed_url.h - URLs by which their bearer does one thing with one object of a store for a while:
 * Amazon S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.
 *
 * Pure: no network, no clock, no state. Needs OpenSSL's libcrypto alone. Functions return 0 or a negative
 * errno: -EINVAL when a key cannot be used.
 */
#ifndef FLOTILLA_LIB_SIGNED_URL_H
#define FLOTILLA_LIB_SIGNED_URL_H

#include <stddef.h>
#include <stdint.h>

#define FLT_SIGNED_HEADERS_MAX 4

struct flt_signed_url {
    char *url;
    char *headers[FLT_SIGNED_HEADERS_MAX]; /* "Name: value", to be sent with it as they are */
    size_t n_headers;
};
void flt_signed_url_done(
    struct flt_signed_url *url); /* wiped; the struct is empty and usable again */

struct flt_object {
    const char *method; /* "GET", "HEAD", "PUT" */
    const char *name;   /* any bytes */
    const char *label;  /* kept with the object that is PUT, as metadata "cachekey"; NULL = none */
    int64_t now_s, lifetime_s; /* since 1970; at most a week is given */
};

struct flt_s3 {
    const char *server; /* "host" or "host:port"; NULL = Amazon's own */
    const char *bucket;
    const char *region;                                  /* NULL = us-east-1 */
    const char *access_key, *secret_key, *session_token; /* the last may be NULL */
    int insecure;                                        /* http */
    int dual_stack, accelerate;                          /* which of Amazon's hosts */
    int path_style;                                      /* 1, 0, or -1 = as the server needs it */
    const char *encryption; /* "AES256", "aws:kms", "aws:kms:dsse"; NULL = the bucket's own */
    const char *encryption_key;
};
int flt_s3_sign(const struct flt_s3 *store, const struct flt_object *object,
                struct flt_signed_url *ret);

struct flt_gcs {
    const char *bucket;
    const char *universe;    /* NULL = googleapis.com */
    const char *account;     /* of the service account: its address, */
    const char *private_key; /* and key in PEM form */
    int64_t max_bytes;       /* of a PUT; 0 = any */
};
int flt_gcs_sign(const struct flt_gcs *store, const struct flt_object *object,
                 struct flt_signed_url *ret);

struct flt_azure {
    const char *account, *key; /* the key in base64 */
    const char *container;
    const char *domain; /* NULL = blob.core.windows.net */
};
/* A service SAS of one blob, for https alone, from an hour ago. */
int flt_azure_sign(const struct flt_azure *store, const struct flt_object *object,
                   struct flt_signed_url *ret);

#endif
