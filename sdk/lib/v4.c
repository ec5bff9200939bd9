/* sdk/lib/v4.c - the signed query of Amazon's Signature Version 4 and Google's V4: the same request in
 * canonical form, the same string to sign, other names and keys. */
#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/signing.h"

#define HASH_SIZE 32

struct request {
    const struct flt_v4 *v4;
    const struct flt_object *object;
    const char *host, *path;
    struct flt_utc when;
    const char *names[FLT_SIGNED_HEADERS_MAX + 1]; /* "Name: value", sorted by name */
    size_t n_names;
    char *host_header;
};

int flt_hmac_sha256(const void *key, size_t key_len, const char *text, unsigned char *hash)
{
    unsigned len = 0;

    return HMAC(EVP_sha256(), key, (int) key_len, (const unsigned char *) text, strlen(text), hash,
                &len) &&
                   len == HASH_SIZE
               ? 0
               : -EIO;
}

/* By name alone: "a-b" comes behind "a", as the colon would have it otherwise. */
static int compare_headers(const void *a, const void *b)
{
    const char *left = *(const char *const *) a, *right = *(const char *const *) b;
    size_t left_len = strcspn(left, ":"), right_len = strcspn(right, ":");
    int order = strncasecmp(left, right, left_len < right_len ? left_len : right_len);

    return order != 0 ? order : (left_len > right_len) - (left_len < right_len);
}

static void add_name(struct flt_text *text, const char *header)
{
    for (; *header && *header != ':'; header++)
        flt_text_add(text, "%c", tolower((unsigned char) *header));
}

static void add_names(struct flt_text *text, const struct request *request)
{
    for (size_t i = 0; i < request->n_names; i++) {
        flt_text_add(text, "%s", i > 0 ? ";" : "");
        add_name(text, request->names[i]);
    }
}

/* In the order of their names, as it must be. */
static char *make_query(const struct request *request)
{
    const struct flt_v4 *v4 = request->v4;
    struct flt_text names, credential, query;
    char *signed_names, *scope;

    flt_text_open(&names);
    add_names(&names, request);
    signed_names = flt_text_take(&names);
    flt_text_open(&credential);
    flt_text_add(&credential, "%s/%s/%s/%s/%s", v4->identity, request->when.date, v4->region,
                 v4->service, v4->terminator);
    scope = flt_text_take(&credential);
    flt_text_open(&query);
    flt_text_add(&query, "%sAlgorithm=%s&%sCredential=", v4->prefix, v4->algorithm, v4->prefix);
    flt_text_add_encoded(&query, scope ? scope : "", 0);
    flt_text_add(&query, "&%sDate=%s&%sExpires=%lld", v4->prefix, request->when.basic, v4->prefix,
                 (long long) flt_lifetime(request->object));
    if (v4->token) {
        flt_text_add(&query, "&%sSecurity-Token=", v4->prefix);
        flt_text_add_encoded(&query, v4->token, 0);
    }
    flt_text_add(&query, "&%sSignedHeaders=", v4->prefix);
    flt_text_add_encoded(&query, signed_names ? signed_names : "", 0);
    if (!signed_names || !scope)
        free(flt_text_take(&query));
    free(signed_names);
    free(scope);
    return flt_text_take(&query);
}

static char *make_canonical(const struct request *request, const char *query)
{
    struct flt_text text;

    flt_text_open(&text);
    flt_text_add(&text, "%s\n%s\n%s\n", request->object->method, request->path, query);
    for (size_t i = 0; i < request->n_names; i++) {
        add_name(&text, request->names[i]);
        flt_text_add(&text, ":%s\n", strchr(request->names[i], ':') + 2);
    }
    flt_text_add(&text, "\n");
    add_names(&text, request);
    flt_text_add(&text, "\nUNSIGNED-PAYLOAD");
    return flt_text_take(&text);
}

static char *make_string_to_sign(const struct request *request, const char *canonical)
{
    const struct flt_v4 *v4 = request->v4;
    unsigned char hash[HASH_SIZE];
    struct flt_text text;

    if (!EVP_Digest(canonical, strlen(canonical), hash, NULL, EVP_sha256(), NULL))
        return NULL;
    flt_text_open(&text);
    flt_text_add(&text, "%s\n%s\n%s/%s/%s/%s\n", v4->algorithm, request->when.basic,
                 request->when.date, v4->region, v4->service, v4->terminator);
    flt_text_add_hex(&text, hash, sizeof(hash));
    return flt_text_take(&text);
}

static int sign_query(const struct request *request, const char *query, struct flt_text *ret)
{
    char *canonical = make_canonical(request, query);
    char *string = canonical ? make_string_to_sign(request, canonical) : NULL;
    int r = string
                ? request->v4->sign(request->v4->key, request->v4, request->when.date, string, ret)
                : -ENOMEM;

    free(canonical);
    free(string);
    return r;
}

static int take_headers(struct request *request, const struct flt_signed_url *signed_url)
{
    struct flt_text text;

    flt_text_open(&text);
    flt_text_add(&text, "host: %s", request->host);
    request->host_header = flt_text_take(&text);
    if (!request->host_header)
        return -ENOMEM;
    request->names[request->n_names++] = request->host_header;
    for (size_t i = 0; i < signed_url->n_headers; i++)
        request->names[request->n_names++] = signed_url->headers[i];
    qsort(request->names, request->n_names, sizeof(request->names[0]), compare_headers);
    return 0;
}

int flt_v4_sign(const struct flt_v4 *v4, const struct flt_object *object, const char *scheme,
                const char *host, const char *path, struct flt_signed_url *ret)
{
    struct request request = {
        .v4 = v4, .object = object, .host = host, .path = path, .when = flt_utc(object->now_s)
    };
    struct flt_text url;
    char *query = NULL;
    int r;

    r = take_headers(&request, ret);
    if (r == 0)
        query = make_query(&request);
    flt_text_open(&url);
    flt_text_add(&url, "%s://%s%s?%s&%sSignature=", scheme, host, path, query ? query : "",
                 v4->prefix);
    if (r == 0)
        r = query ? sign_query(&request, query, &url) : -ENOMEM;
    ret->url = flt_text_take(&url);
    free(query);
    free(request.host_header);
    return r < 0 ? r : ret->url ? 0 : -ENOMEM;
}
