/* sdk/lib/password.c - see password.h. Pure. */
#include "sdk/lib/password.h"

#include "sdk/lib/base64.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_MAX 1024

static int is_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) text[i] < ' ' || (unsigned char) text[i] > '~')
            return 0;
    return len > 0;
}

static int decrypt(EVP_PKEY *key, int padding, const char *data, size_t len, char *ret,
                   size_t *ret_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    int ok =
        ctx && EVP_PKEY_decrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1 &&
        EVP_PKEY_decrypt(ctx, (unsigned char *) ret, ret_len, (const unsigned char *) data, len) ==
            1;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

char *flt_password_decrypt(EVP_PKEY *key, int padding, const char *data)
{
    size_t data_len = 0, len = KEY_BYTES_MAX;
    char *bytes = flt_base64_read(data, &data_len), *text = calloc(1, KEY_BYTES_MAX + 1);
    int ok = bytes && text && EVP_PKEY_get_id(key) == EVP_PKEY_RSA &&
             EVP_PKEY_get_size(key) <= KEY_BYTES_MAX &&
             decrypt(key, padding, bytes, data_len, text, &len) && is_text(text, len);

    free(bytes);
    if (ok) {
        text[len] = '\0';
        return text;
    }
    if (text)
        explicit_bzero(text, KEY_BYTES_MAX);
    free(text);
    return NULL;
}
