/* sdk/lib/openssh_key.c - reads OpenSSH's own form of private keys (PROTOCOL.key of OpenSSH), which libcrypto does not:
 * the public half in clear, then the private one, as texts of SSH's wire format. Pure. */
#include "sdk/lib/openssh_key.h"

#include "sdk/lib/base64.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#define ED25519_HALF 32
#define NUMBER_MAX 2049 /* of 16384 bits, the most that libcrypto takes, and a sign */

struct text {
    const unsigned char *data;
    size_t len;
};

/* What is left to read. */
struct rest {
    const unsigned char *at, *end;
};

static bool take_number(struct rest *rest, size_t *ret)
{
    const unsigned char *p = rest->at;

    if (rest->end - p < 4)
        return false;
    *ret = (size_t) p[0] << 24 | (size_t) p[1] << 16 | (size_t) p[2] << 8 | p[3];
    rest->at += 4;
    return true;
}

/* False when it reaches over the end. */
static bool take_text(struct rest *rest, struct text *ret)
{
    size_t len;

    if (!take_number(rest, &len) || len > (size_t) (rest->end - rest->at))
        return false;
    *ret = (struct text) { rest->at, len };
    rest->at += len;
    return true;
}

static bool is(const struct text *text, const char *word)
{
    return text->len == strlen(word) && memcmp(text->data, word, text->len) == 0;
}

static char *read_armour(const char *text, size_t *ret_len)
{
    const char *start = strstr(text, FLT_OPENSSH_BEGIN);
    const char *stop = start ? strstr(start, FLT_OPENSSH_END) : NULL;
    char *inner, *data;

    if (!stop)
        return NULL;
    start += strlen(FLT_OPENSSH_BEGIN);
    inner = strndup(start, (size_t) (stop - start));
    data = inner ? flt_base64_read(inner, ret_len) : NULL;
    if (inner)
        explicit_bzero(inner, strlen(inner));
    free(inner);
    return data;
}

/* Cipher, how its key is made of the passphrase and with which options, the number of keys, the halves. */
int flt_openssh_open(const char *text, struct flt_openssh_key *ret)
{
    struct text cipher, kdf, options, public, private;
    struct rest rest;
    size_t n;

    *ret = (struct flt_openssh_key) { .data = NULL };
    ret->data = read_armour(text, &ret->len);
    if (!ret->data || ret->len <= sizeof(FLT_OPENSSH_MAGIC) ||
        memcmp(ret->data, FLT_OPENSSH_MAGIC, sizeof(FLT_OPENSSH_MAGIC)) != 0)
        return -1;
    rest.at = (const unsigned char *) ret->data + sizeof(FLT_OPENSSH_MAGIC);
    rest.end = (const unsigned char *) ret->data + ret->len;
    if (!take_text(&rest, &cipher) || !take_text(&rest, &kdf) || !take_text(&rest, &options) ||
        !take_number(&rest, &n) || n != 1 || !take_text(&rest, &public) ||
        !take_text(&rest, &private))
        return -1;
    ret->locked = !is(&cipher, "none");
    ret->public = public.data;
    ret->public_len = public.len;
    ret->private = private.data;
    ret->private_len = private.len;
    return 0;
}

void flt_openssh_done(struct flt_openssh_key *key)
{
    if (key->data)
        explicit_bzero(key->data, key->len);
    free(key->data);
    *key = (struct flt_openssh_key) { .data = NULL };
}

/* The factors would only make it faster. */
static EVP_PKEY *make_rsa(const BIGNUM *n, const BIGNUM *e, const BIGNUM *d)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    if (ctx && builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, d) == 1 &&
        (params = OSSL_PARAM_BLD_to_param(builder)) && EVP_PKEY_fromdata_init(ctx) == 1)
        (void) EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static BIGNUM *number_of(const struct text *text)
{
    return text->len > 0 && text->len <= NUMBER_MAX ? BN_bin2bn(text->data, (int) text->len, NULL)
                                                    : NULL;
}

static EVP_PKEY *read_rsa(struct rest *rest)
{
    struct text n, e, d;
    EVP_PKEY *key = NULL;
    BIGNUM *numbers[3];

    if (!take_text(rest, &n) || !take_text(rest, &e) || !take_text(rest, &d))
        return NULL;
    numbers[0] = number_of(&n);
    numbers[1] = number_of(&e);
    numbers[2] = number_of(&d);
    if (numbers[0] && numbers[1] && numbers[2])
        key = make_rsa(numbers[0], numbers[1], numbers[2]);
    for (int i = 0; i < 3; i++)
        BN_clear_free(numbers[i]);
    return key;
}

/* The public half, then both. */
static EVP_PKEY *read_ed25519(struct rest *rest)
{
    struct text public, both;

    if (!take_text(rest, &public) || !take_text(rest, &both) ||
        both.len != (size_t) 2 * ED25519_HALF)
        return NULL;
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, both.data, ED25519_HALF);
}

EVP_PKEY *flt_openssh_private(const struct flt_openssh_key *key)
{
    struct rest rest = { key->private, key->private + key->private_len };
    size_t check, again;
    struct text type;

    if (key->locked || !take_number(&rest, &check) || !take_number(&rest, &again) ||
        check != again || !take_text(&rest, &type))
        return NULL;
    return is(&type, "ssh-rsa")       ? read_rsa(&rest)
           : is(&type, "ssh-ed25519") ? read_ed25519(&rest)
                                      : NULL;
}
