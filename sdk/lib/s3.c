/* sdk/lib/s3.c - presigned URLs of Amazon S3 and of what speaks like it: which host, which path, which key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/signing.h"

static int ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static int is_empty(const char *text)
{
    return !text || !*text;
}

static const char *region_of(const struct flt_s3 *store)
{
    return is_empty(store->region) ? "us-east-1" : store->region;
}

static int is_amazons(const struct flt_s3 *store)
{
    return is_empty(store->server) || ends_with(store->server, ".amazonaws.com") ||
           ends_with(store->server, ".amazonaws.com.cn");
}

static int is_part_of_a_host(const char *bucket)
{
    size_t len = strlen(bucket);

    return len >= 3 && len <= 63 &&
           strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && bucket[0] != '-' &&
           bucket[len - 1] != '-';
}

static int in_path(const struct flt_s3 *store)
{
    if (store->accelerate && is_amazons(store))
        return 0;
    if (store->path_style >= 0)
        return store->path_style;
    if (!is_part_of_a_host(store->bucket)) /* a certificate for *.host would not match */
        return 1;
    return !is_amazons(store) && !ends_with(store->server, ".googleapis.com");
}

static void add_server(struct flt_text *host, const struct flt_s3 *store)
{
    const char *region = region_of(store), *port = store->insecure ? ":80" : ":443";
    const char *end = strncmp(region, "cn-", 3) == 0 ? ".cn" : "";
    size_t len = is_empty(store->server) ? 0 : strlen(store->server);

    if (store->accelerate && is_amazons(store))
        flt_text_add(host, "s3-accelerate%s.amazonaws.com", store->dual_stack ? ".dualstack" : "");
    else if (len == 0 || strcmp(store->server, "s3.amazonaws.com") == 0)
        flt_text_add(host, "s3%s.%s.amazonaws.com%s", store->dual_stack ? ".dualstack" : "", region,
                     end);
    else /* clients leave a default port out of the Host that is signed */
        flt_text_add(host, "%.*s",
                     (int) (len - (ends_with(store->server, port) ? strlen(port) : 0)),
                     store->server);
}

static char *make_host(const struct flt_s3 *store)
{
    struct flt_text host;

    flt_text_open(&host);
    if (!in_path(store))
        flt_text_add(&host, "%s.", store->bucket);
    add_server(&host, store);
    return flt_text_take(&host);
}

static char *make_path(const struct flt_s3 *store, const char *name)
{
    struct flt_text path;

    flt_text_open(&path);
    if (in_path(store)) {
        flt_text_add(&path, "/");
        flt_text_add_encoded(&path, store->bucket, 0);
    }
    flt_text_add(&path, "/");
    flt_text_add_encoded(&path, name, 1);
    return flt_text_take(&path);
}

static int add_headers(const struct flt_s3 *store, const struct flt_object *object,
                       struct flt_signed_url *ret)
{
    int r = flt_add_label(ret, "x-amz-meta-cachekey", object);

    if (r < 0 || strcmp(object->method, "PUT") != 0 || is_empty(store->encryption))
        return r;
    r = flt_add_header(ret, "x-amz-server-side-encryption", store->encryption);
    if (r == 0 && !is_empty(store->encryption_key))
        r = flt_add_header(ret, "x-amz-server-side-encryption-aws-kms-key-id",
                           store->encryption_key);
    return r;
}

int flt_s3_sign(const struct flt_s3 *store, const struct flt_object *object,
                struct flt_signed_url *ret)
{
    const struct flt_v4 v4 = { .algorithm = "AWS4-HMAC-SHA256",
                               .prefix = "X-Amz-",
                               .service = "s3",
                               .region = region_of(store),
                               .terminator = "aws4_request",
                               .identity = store->access_key,
                               .token =
                                   is_empty(store->session_token) ? NULL : store->session_token,
                               .sign = flt_v4_sign_hmac,
                               .key = store->secret_key };
    char *host = make_host(store), *path = make_path(store, object->name);
    int r = host && path ? 0 : -ENOMEM;

    *ret = (struct flt_signed_url) { 0 };
    if (r == 0)
        r = add_headers(store, object, ret);
    if (r == 0)
        r = flt_v4_sign_object(&v4, object, store->insecure ? "http" : "https", host, path, ret);
    if (r < 0)
        flt_signed_url_done(ret);
    free(host);
    free(path);
    return r;
}
