/* sdk/lib/gcs.c - signed URLs (V4) of Google Cloud Storage, by the key of a service account. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/rsa.h"
#include "sdk/lib/signing.h"

static int sign_rsa(const void *pem, const struct flt_v4 *v4, const char *date, const char *text,
                    struct flt_text *ret)
{
    unsigned char signature[FLT_RSA_SIGNATURE_MAX];
    size_t len = 0;
    int r = flt_rsa_sign(pem, text, signature, &len);

    (void) v4;
    (void) date;
    if (r == 0)
        flt_text_add_hex(ret, signature, len);
    return r;
}

static int add_headers(const struct flt_gcs *store, const struct flt_object *object,
                       struct flt_signed_url *ret)
{
    char range[32];
    int r;

    if (strcmp(object->method, "PUT") != 0)
        return 0;
    r = flt_add_header(ret, "Content-Type", "application/octet-stream");
    if (r == 0)
        r = flt_add_label(ret, "x-goog-meta-cachekey", object);
    if (r < 0 || store->max_bytes <= 0)
        return r;
    (void) snprintf(range, sizeof(range), "0,%lld", (long long) store->max_bytes);
    return flt_add_header(ret, "X-Goog-Content-Length-Range", range);
}

static char *make_host(const struct flt_gcs *store)
{
    struct flt_text host;

    flt_text_open(&host);
    flt_text_add(&host, "storage.%s",
                 store->universe && *store->universe ? store->universe : "googleapis.com");
    return flt_text_take(&host);
}

static char *make_path(const struct flt_gcs *store, const char *name)
{
    struct flt_text path;

    flt_text_open(&path);
    flt_text_add(&path, "/%s/", store->bucket);
    flt_text_add_encoded(&path, name, 1);
    return flt_text_take(&path);
}

int flt_gcs_sign(const struct flt_gcs *store, const struct flt_object *object,
                 struct flt_signed_url *ret)
{
    const struct flt_v4 v4 = { .algorithm = "GOOG4-RSA-SHA256",
                               .prefix = "X-Goog-",
                               .service = "storage",
                               .region = "auto",
                               .terminator = "goog4_request",
                               .identity = store->account,
                               .sign = sign_rsa,
                               .key = store->private_key };
    char *host = make_host(store), *path = make_path(store, object->name);
    int r = host && path ? 0 : -ENOMEM;

    *ret = (struct flt_signed_url) { 0 };
    if (r == 0)
        r = add_headers(store, object, ret);
    if (r == 0)
        r = flt_v4_sign_object(&v4, object, "https", host, path, ret);
    if (r < 0)
        flt_signed_url_done(ret);
    free(host);
    free(path);
    return r;
}
