/* sdk/lib/v4.c - Amazon's Signature Version 4 and Google's V4, in a query or in headers: the same request in
 * canonical form, the same string to sign, other names and keys. */
#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/signing.h"

#define HASH_SIZE 32
#define SECRET_MAX 256

/* A request with its lists in the order in which they are signed. */
struct canonical {
    const struct flt_v4 *v4;
    const struct flt_v4_request *request;
    struct flt_utc when;
    const char **headers; /* by name, Host among them */
    size_t n_headers;
    char *host_header;
    char *names; /* "host;x-amz-date" */
    char *query;
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

/* The key of a day, region and service signs, not the secret itself. */
int flt_v4_sign_hmac(const void *secret, const struct flt_v4 *v4, const char *date,
                     const char *text, struct flt_text *ret)
{
    const char *const parts[] = { date, v4->region, v4->service, v4->terminator, text };
    unsigned char hash[HASH_SIZE];
    char key[SECRET_MAX];
    int len = snprintf(key, sizeof(key), "AWS4%s", (const char *) secret), r = -EINVAL;

    if (len < (int) sizeof(key))
        r = flt_hmac_sha256(key, (size_t) len, parts[0], hash);
    for (size_t i = 1; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
        r = flt_hmac_sha256(hash, sizeof(hash), parts[i], hash);
    if (r == 0)
        flt_text_add_hex(ret, hash, sizeof(hash));
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(hash, sizeof(hash));
    return r;
}

/* By name alone: "a-b" comes behind "a", as the colon would have it otherwise. */
static int compare_headers(const char *left, const char *right)
{
    size_t left_len = strcspn(left, ":"), right_len = strcspn(right, ":");
    int order = strncasecmp(left, right, left_len < right_len ? left_len : right_len);

    return order != 0 ? order : (left_len > right_len) - (left_len < right_len);
}

/* As their bytes are, names before values: '=' counts less than a longer name. */
static int compare_pairs(const char *left, const char *right)
{
    size_t left_len = strcspn(left, "=&"), right_len = strcspn(right, "=&");
    int order = strncmp(left, right, left_len < right_len ? left_len : right_len);

    if (order != 0 || left_len != right_len)
        return order != 0 ? order : left_len < right_len ? -1 : 1;
    left += left_len + (left[left_len] == '=');
    right += right_len + (right[right_len] == '=');
    left_len = strcspn(left, "&");
    right_len = strcspn(right, "&");
    order = strncmp(left, right, left_len < right_len ? left_len : right_len);
    return order != 0 ? order : (left_len > right_len) - (left_len < right_len);
}

/* Keeps the order of what is equal, as the values of a header need it. */
static void insert_sorted(const char **list, size_t n, const char *item,
                          int (*compare)(const char *, const char *))
{
    for (; n > 0 && compare(list[n - 1], item) > 0; n--)
        list[n] = list[n - 1];
    list[n] = item;
}

static void add_name(struct flt_text *text, const char *header)
{
    for (; *header && *header != ':'; header++)
        flt_text_add(text, "%c", tolower((unsigned char) *header));
}

/* Without white space around it, and with one space for each within. */
static void add_value(struct flt_text *text, const char *header)
{
    static const char space[] = " \t\r\n\v\f";
    const char *value = header + strcspn(header, ":");
    int is_first = 1;

    value += *value == ':';
    for (value += strspn(value, space); *value; value += strspn(value, space)) {
        size_t len = strcspn(value, space);

        flt_text_add(text, "%s%.*s", is_first ? "" : " ", (int) len, value);
        value += len;
        is_first = 0;
    }
}

static int is_same_name(const struct canonical *canonical, size_t i)
{
    return i > 0 && compare_headers(canonical->headers[i - 1], canonical->headers[i]) == 0;
}

static int take_headers(struct canonical *canonical)
{
    const struct flt_v4_request *request = canonical->request;
    struct flt_text text;

    flt_text_open(&text);
    flt_text_add(&text, "host: %s", request->host);
    canonical->host_header = flt_text_take(&text);
    canonical->headers = calloc(request->n_headers + 1, sizeof(canonical->headers[0]));
    if (!canonical->host_header || !canonical->headers)
        return -ENOMEM;
    canonical->headers[canonical->n_headers++] = canonical->host_header;
    for (size_t i = 0; i < request->n_headers; i++)
        insert_sorted(canonical->headers, canonical->n_headers++, request->headers[i],
                      compare_headers);
    flt_text_open(&text);
    for (size_t i = 0; i < canonical->n_headers; i++) {
        if (is_same_name(canonical, i))
            continue;
        flt_text_add(&text, "%s", i > 0 ? ";" : "");
        add_name(&text, canonical->headers[i]);
    }
    canonical->names = flt_text_take(&text);
    return canonical->names ? 0 : -ENOMEM;
}

static size_t count_pairs(const char *query)
{
    size_t n = 1;

    for (; *query; query++)
        n += *query == '&';
    return n;
}

static char *sort_query(const char *query)
{
    const char **pairs = calloc(count_pairs(query), sizeof(pairs[0]));
    struct flt_text text;
    size_t n = 0;

    if (!pairs)
        return NULL;
    for (const char *pair = query; *pair; pair += strspn(pair, "&")) {
        size_t len = strcspn(pair, "&");

        if (len > 0)
            insert_sorted(pairs, n++, pair, compare_pairs);
        pair += len;
    }
    flt_text_open(&text);
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(pairs[i], "&");

        flt_text_add(&text, "%s%.*s%s", i > 0 ? "&" : "", (int) len, pairs[i],
                     memchr(pairs[i], '=', len) ? "" : "=");
    }
    free(pairs);
    return flt_text_take(&text);
}

static int canonical_open(struct canonical *ret, const struct flt_v4 *v4,
                          const struct flt_v4_request *request)
{
    *ret = (struct canonical) { .v4 = v4, .request = request, .when = flt_utc(request->now_s) };
    return take_headers(ret);
}

static void canonical_done(struct canonical *canonical)
{
    free(canonical->headers);
    free(canonical->host_header);
    free(canonical->names);
    if (canonical->query)
        OPENSSL_cleanse(canonical->query, strlen(canonical->query));
    free(canonical->query);
}

static char *make_text(const struct canonical *canonical)
{
    const struct flt_v4_request *request = canonical->request;
    struct flt_text text;

    flt_text_open(&text);
    flt_text_add(&text, "%s\n%s\n%s", request->method, request->path, canonical->query);
    for (size_t i = 0; i < canonical->n_headers; i++) {
        if (is_same_name(canonical, i)) {
            flt_text_add(&text, ",");
        } else {
            flt_text_add(&text, "\n");
            add_name(&text, canonical->headers[i]);
            flt_text_add(&text, ":");
        }
        add_value(&text, canonical->headers[i]);
    }
    flt_text_add(&text, "\n\n%s\n%s", canonical->names, request->payload);
    return flt_text_take(&text);
}

static void add_scope(struct flt_text *text, const struct canonical *canonical)
{
    const struct flt_v4 *v4 = canonical->v4;

    flt_text_add(text, "%s/%s/%s/%s", canonical->when.date, v4->region, v4->service,
                 v4->terminator);
}

static char *make_string_to_sign(const struct canonical *canonical, const char *whole)
{
    unsigned char hash[HASH_SIZE];
    struct flt_text text;

    if (!EVP_Digest(whole, strlen(whole), hash, NULL, EVP_sha256(), NULL))
        return NULL;
    flt_text_open(&text);
    flt_text_add(&text, "%s\n%s\n", canonical->v4->algorithm, canonical->when.basic);
    add_scope(&text, canonical);
    flt_text_add(&text, "\n");
    flt_text_add_hex(&text, hash, sizeof(hash));
    return flt_text_take(&text);
}

static int sign(const struct canonical *canonical, struct flt_text *ret)
{
    const struct flt_v4 *v4 = canonical->v4;
    char *whole = make_text(canonical), *string = NULL;
    int r = -ENOMEM;

    if (whole) {
        string = make_string_to_sign(canonical, whole);
        OPENSSL_cleanse(whole, strlen(whole)); /* it has the token */
    }
    if (string)
        r = v4->sign(v4->key, v4, canonical->when.date, string, ret);
    free(whole);
    free(string);
    return r;
}

/* What was asked for, and who asks for how long. */
static char *make_query(const struct canonical *canonical, int64_t lifetime_s)
{
    const struct flt_v4 *v4 = canonical->v4;
    const char *asked = canonical->request->query;
    struct flt_text credential, query;
    char *scope, *ret = NULL, *unsorted;

    flt_text_open(&credential);
    flt_text_add(&credential, "%s/", v4->identity);
    add_scope(&credential, canonical);
    scope = flt_text_take(&credential);
    flt_text_open(&query);
    flt_text_add(&query, "%s%s%sAlgorithm=%s&%sCredential=", asked ? asked : "", asked ? "&" : "",
                 v4->prefix, v4->algorithm, v4->prefix);
    flt_text_add_encoded(&query, scope ? scope : "", 0);
    flt_text_add(&query, "&%sDate=%s&%sExpires=%lld", v4->prefix, canonical->when.basic, v4->prefix,
                 (long long) flt_lifetime(lifetime_s));
    if (v4->token) {
        flt_text_add(&query, "&%sSecurity-Token=", v4->prefix);
        flt_text_add_encoded(&query, v4->token, 0);
    }
    flt_text_add(&query, "&%sSignedHeaders=", v4->prefix);
    flt_text_add_encoded(&query, canonical->names, 0);
    unsorted = flt_text_take(&query);
    if (scope && unsorted)
        ret = sort_query(unsorted);
    if (unsorted)
        OPENSSL_cleanse(unsorted, strlen(unsorted));
    free(unsorted);
    free(scope);
    return ret;
}

/* Takes the text when all went well; else what is in it goes. */
static int take_signed(int r, struct flt_text *text, char **ret)
{
    char *all = flt_text_take(text);

    if (r == 0 && all) {
        *ret = all;
        return 0;
    }
    free(all);
    return r < 0 ? r : -ENOMEM;
}

int flt_v4_sign_query(const struct flt_v4 *v4, const struct flt_v4_request *request,
                      int64_t lifetime_s, char **ret)
{
    struct canonical canonical;
    struct flt_text text;
    int r = canonical_open(&canonical, v4, request);

    if (r == 0 && !(canonical.query = make_query(&canonical, lifetime_s)))
        r = -ENOMEM;
    flt_text_open(&text);
    if (r == 0) {
        flt_text_add(&text, "%s&%sSignature=", canonical.query, v4->prefix);
        r = sign(&canonical, &text);
    }
    r = take_signed(r, &text, ret);
    canonical_done(&canonical);
    return r;
}

int flt_v4_sign_header(const struct flt_v4 *v4, const struct flt_v4_request *request, char **ret)
{
    struct canonical canonical;
    struct flt_text text;
    int r = canonical_open(&canonical, v4, request);

    if (r == 0 && !(canonical.query = sort_query(request->query ? request->query : "")))
        r = -ENOMEM;
    flt_text_open(&text);
    if (r == 0) {
        flt_text_add(&text, "%s Credential=%s/", v4->algorithm, v4->identity);
        add_scope(&text, &canonical);
        flt_text_add(&text, ", SignedHeaders=%s, Signature=", canonical.names);
        r = sign(&canonical, &text);
    }
    r = take_signed(r, &text, ret);
    canonical_done(&canonical);
    return r;
}

int flt_v4_sign_object(const struct flt_v4 *v4, const struct flt_object *object, const char *scheme,
                       const char *host, const char *path, struct flt_signed_url *ret)
{
    const struct flt_v4_request request = { .method = object->method,
                                            .host = host,
                                            .path = path,
                                            .headers = (const char *const *) ret->headers,
                                            .n_headers = ret->n_headers,
                                            .payload = "UNSIGNED-PAYLOAD",
                                            .now_s = object->now_s };
    struct flt_text url;
    char *query = NULL;
    int r = flt_v4_sign_query(v4, &request, object->lifetime_s, &query);

    if (r < 0)
        return r;
    flt_text_open(&url);
    flt_text_add(&url, "%s://%s%s?%s", scheme, host, path, query);
    ret->url = flt_text_take(&url);
    OPENSSL_cleanse(query, strlen(query));
    free(query);
    return ret->url ? 0 : -ENOMEM;
}
