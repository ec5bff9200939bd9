/* sdk/lib/aws_sign.c - see aws_sign.h. */
#include "sdk/lib/aws_sign.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/signing.h"

#define HASH_SIZE 32
#define HEADERS_MAX 16

struct parts {
    char *base;  /* of the URL, without its query */
    char *host;  /* without the port that its scheme has anyway */
    char *path;  /* as it is signed */
    char *query; /* NULL = none */
    char *payload;
};

static void parts_done(struct parts *parts)
{
    free(parts->base);
    free(parts->host);
    free(parts->path);
    free(parts->query);
    free(parts->payload);
}

static int ends_with(const char *text, size_t len, const char *end)
{
    size_t end_len = strlen(end);

    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

/* Empty segments and "." go, ".." takes the one before it along. `path` begins with a slash or is empty. */
static char *normalize(const char *path, size_t len)
{
    char *ret = malloc(len + 2), *end = ret;

    if (!ret)
        return NULL;
    *end++ = '/';
    for (size_t at = 0; at < len;) {
        size_t segment = 0;

        while (at < len && path[at] == '/')
            at++;
        while (at + segment < len && path[at + segment] != '/')
            segment++;
        if (segment == 2 && memcmp(path + at, "..", 2) == 0) {
            if (end > ret + 1)
                end--;
            while (end > ret + 1 && end[-1] != '/')
                end--;
        } else if (segment > 0 && !(segment == 1 && path[at] == '.')) {
            memcpy(end, path + at, segment);
            end += segment;
            *end++ = '/';
        }
        at += segment;
    }
    if (end > ret + 1 && path[len - 1] != '/')
        end--;
    *end = '\0';
    return ret;
}

static char *encode(const char *path)
{
    struct flt_text text;

    flt_text_open(&text);
    flt_text_add_encoded(&text, path, 1);
    return flt_text_take(&text);
}

static char *hash_hex(const char *data, size_t len)
{
    unsigned char hash[HASH_SIZE];
    struct flt_text text;

    if (!EVP_Digest(data ? data : "", data ? len : 0, hash, NULL, EVP_sha256(), NULL))
        return NULL;
    flt_text_open(&text);
    flt_text_add_hex(&text, hash, sizeof(hash));
    return flt_text_take(&text);
}

static int take_parts(const struct flt_aws_request *request, struct parts *ret)
{
    const char *url = request->url, *host = strstr(url, "://"), *path, *query;
    const char *port = strncmp(url, "https:", 6) == 0 ? ":443" : ":80";
    size_t host_len, path_len;
    char *plain;

    if (!host || strpbrk(url, " \t\r\n#"))
        return -EINVAL;
    host += 3;
    host_len = strcspn(host, "/?");
    path = host + host_len;
    path_len = strcspn(path, "?");
    query = path + path_len;
    ret->base = strndup(url, (size_t) (query - url));
    if (ends_with(host, host_len, port))
        host_len -= strlen(port);
    ret->host = strndup(host, host_len);
    plain = normalize(path, path_len);
    ret->path = plain ? encode(plain) : NULL;
    free(plain);
    ret->payload = hash_hex(request->body, request->body_len);
    if (*query && query[1])
        ret->query = strdup(query + 1);
    if (host_len == 0)
        return -EINVAL;
    return ret->base && ret->host && ret->path && ret->payload &&
                   (ret->query || !*query || !query[1])
               ? 0
               : -ENOMEM;
}

static struct flt_v4 v4_of(const struct flt_aws_signer *signer)
{
    return (struct flt_v4) { .algorithm = "AWS4-HMAC-SHA256",
                             .prefix = "X-Amz-",
                             .service = signer->service,
                             .region = signer->region,
                             .terminator = "aws4_request",
                             .identity = signer->access_key,
                             .token = signer->session_token && *signer->session_token
                                          ? signer->session_token
                                          : NULL,
                             .sign = flt_v4_sign_hmac,
                             .key = signer->secret_key };
}

static int add_authorization(const struct flt_v4 *v4, const struct flt_aws_request *request,
                             const struct parts *parts, int64_t now_s, struct flt_signed_url *ret)
{
    const char *headers[HEADERS_MAX];
    struct flt_v4_request signed_request = { .method = request->method,
                                             .host = parts->host,
                                             .path = parts->path,
                                             .query = parts->query,
                                             .headers = headers,
                                             .payload = parts->payload,
                                             .now_s = now_s };
    char *value = NULL;
    int r;

    if (request->n_headers + ret->n_headers > HEADERS_MAX)
        return -ENOBUFS;
    for (size_t i = 0; i < request->n_headers; i++)
        headers[signed_request.n_headers++] = request->headers[i];
    for (size_t i = 0; i < ret->n_headers; i++)
        headers[signed_request.n_headers++] = ret->headers[i];
    r = flt_v4_sign_header(v4, &signed_request, &value);
    if (r == 0)
        r = flt_add_header(ret, "Authorization", value);
    free(value);
    return r;
}

int flt_aws_sign(const struct flt_aws_signer *signer, const struct flt_aws_request *request,
                 struct flt_signed_url *ret)
{
    const struct flt_v4 v4 = v4_of(signer);
    struct parts parts = { 0 };
    int r = take_parts(request, &parts);

    *ret = (struct flt_signed_url) { 0 };
    if (r == 0 && !(ret->url = strdup(request->url)))
        r = -ENOMEM;
    if (r == 0)
        r = flt_add_header(ret, "X-Amz-Date", flt_utc(signer->now_s).basic);
    if (r == 0 && v4.token)
        r = flt_add_header(ret, "X-Amz-Security-Token", v4.token);
    if (r == 0)
        r = add_authorization(&v4, request, &parts, signer->now_s, ret);
    if (r < 0)
        flt_signed_url_done(ret);
    parts_done(&parts);
    return r;
}

int flt_aws_presign(const struct flt_aws_signer *signer, const struct flt_aws_request *request,
                    int64_t lifetime_s, struct flt_signed_url *ret)
{
    const struct flt_v4 v4 = v4_of(signer);
    struct parts parts = { 0 };
    struct flt_text url;
    char *query = NULL;
    int r = take_parts(request, &parts);

    *ret = (struct flt_signed_url) { 0 };
    if (r == 0) {
        const struct flt_v4_request signed_request = { .method = request->method,
                                                       .host = parts.host,
                                                       .path = parts.path,
                                                       .query = parts.query,
                                                       .headers = request->headers,
                                                       .n_headers = request->n_headers,
                                                       .payload = parts.payload,
                                                       .now_s = signer->now_s };

        r = flt_v4_sign_query(&v4, &signed_request, lifetime_s, &query);
    }
    if (r == 0) {
        flt_text_open(&url);
        flt_text_add(&url, "%s?%s", parts.base, query);
        ret->url = flt_text_take(&url);
        r = ret->url ? 0 : -ENOMEM;
    }
    free(query);
    parts_done(&parts);
    return r;
}
