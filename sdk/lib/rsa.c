/* sdk/lib/rsa.c - see rsa.h. */
#include "sdk/lib/rsa.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "sdk/lib/ssh_key.h"

static int sign_with(EVP_PKEY *key, const char *text, unsigned char *ret, size_t *ret_len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int ok = context && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
             EVP_PKEY_get_size(key) <= FLT_RSA_SIGNATURE_MAX &&
             EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) > 0;

    *ret_len = FLT_RSA_SIGNATURE_MAX;
    ok =
        ok && EVP_DigestSign(context, ret, ret_len, (const unsigned char *) text, strlen(text)) > 0;
    EVP_MD_CTX_free(context);
    return ok ? 0 : -EINVAL;
}

int flt_rsa_sign(const char *pem, const char *text, unsigned char *ret, size_t *ret_len)
{
    EVP_PKEY *key = flt_key_read_pem(pem);
    int r = key ? sign_with(key, text, ret, ret_len) : -EINVAL;

    EVP_PKEY_free(key);
    return r;
}
