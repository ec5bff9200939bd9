/* sdk/lib/azure.c - service SAS of one blob of Azure Storage, by the account's key. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/signing.h"

#define HASH_SIZE 32
#define KEY_MAX 256
#define START_BEFORE_S 3600  /* clocks differ */
#define VERSION "2021-12-02" /* of the string to sign */

struct permit {
    const char *permissions;
    struct flt_utc start, end;
};

/* Its length, or -EINVAL. EVP_DecodeBlock() counts the padding, too. */
static int decode_key(const char *base64, unsigned char *key)
{
    size_t len = strlen(base64);
    int n;

    if (len == 0 || len % 4 != 0 || len / 4 * 3 > KEY_MAX)
        return -EINVAL;
    n = EVP_DecodeBlock(key, (const unsigned char *) base64, (int) len);
    if (n < 0)
        return -EINVAL;
    return n - (base64[len - 1] == '=') - (base64[len - 2] == '=');
}

static int sign(const char *base64_key, const char *text, char signature[64])
{
    unsigned char key[KEY_MAX], hash[HASH_SIZE];
    int len = decode_key(base64_key, key), r = len;

    if (len > 0)
        r = flt_hmac_sha256(key, (size_t) len, text, hash);
    if (r == 0)
        (void) EVP_EncodeBlock((unsigned char *) signature, hash, sizeof(hash));
    OPENSSL_cleanse(key, sizeof(key));
    return r < 0 ? r : 0;
}

/* Empty lines are what is not asked for: an identifier, addresses, a snapshot, an encryption scope, headers of
 * the answer. */
static char *make_string_to_sign(const struct flt_azure *store, const struct flt_object *object,
                                 const struct permit *permit)
{
    struct flt_text text;

    flt_text_open(&text);
    flt_text_add(&text, "%s\n%s\n%s\n/blob/%s/%s/%s\n\n\nhttps\n" VERSION "\nb\n\n\n\n\n\n\n",
                 permit->permissions, permit->start.extended, permit->end.extended, store->account,
                 store->container, object->name);
    return flt_text_take(&text);
}

static char *make_url(const struct flt_azure *store, const struct flt_object *object,
                      const struct permit *permit, const char *signature)
{
    const char *domain = store->domain && *store->domain ? store->domain : "blob.core.windows.net";
    struct flt_text url;

    flt_text_open(&url);
    flt_text_add(&url, "https://%s.%s/%s/", store->account, domain, store->container);
    flt_text_add_encoded(&url, object->name, 1);
    flt_text_add(&url, "?sv=" VERSION "&sr=b&spr=https&sp=%s&st=", permit->permissions);
    flt_text_add_encoded(&url, permit->start.extended, 0);
    flt_text_add(&url, "&se=");
    flt_text_add_encoded(&url, permit->end.extended, 0);
    flt_text_add(&url, "&sig=");
    flt_text_add_encoded(&url, signature, 0);
    return flt_text_take(&url);
}

static int sign_url(const struct flt_azure *store, const struct flt_object *object,
                    struct flt_signed_url *ret)
{
    const struct permit permit = { .permissions = strcmp(object->method, "PUT") == 0 ? "w" : "r",
                                   .start = flt_utc(object->now_s - START_BEFORE_S),
                                   .end =
                                       flt_utc(object->now_s + flt_lifetime(object->lifetime_s)) };
    char signature[64], *string;
    int r;

    string = make_string_to_sign(store, object, &permit);
    r = string ? sign(store->key, string, signature) : -ENOMEM;
    free(string);
    if (r < 0)
        return r;
    ret->url = make_url(store, object, &permit, signature);
    return ret->url ? 0 : -ENOMEM;
}

int flt_azure_sign(const struct flt_azure *store, const struct flt_object *object,
                   struct flt_signed_url *ret)
{
    int r = 0;

    *ret = (struct flt_signed_url) { 0 };
    if (strcmp(object->method, "PUT") == 0)
        r = flt_add_header(ret, "x-ms-blob-type", "BlockBlob");
    if (r == 0)
        r = flt_add_label(ret, "x-ms-meta-cachekey", object);
    if (r == 0)
        r = sign_url(store, object, ret);
    if (r < 0)
        flt_signed_url_done(ret);
    return r;
}
