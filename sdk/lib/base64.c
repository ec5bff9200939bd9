/* sdk/lib/base64.c - see base64.h. */
#include "sdk/lib/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

char *flt_base64_read(const char *text, size_t *ret_len)
{
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    char *data = malloc(strlen(text) + 1);
    int len = -1, rest = 0;
    int ok = ctx && data;

    if (ok) {
        EVP_DecodeInit(ctx);
        ok = EVP_DecodeUpdate(ctx, (unsigned char *) data, &len, (const unsigned char *) text,
                              (int) strlen(text)) >= 0 &&
             EVP_DecodeFinal(ctx, (unsigned char *) data + len, &rest) >= 0;
    }
    EVP_ENCODE_CTX_free(ctx);
    if (!ok) {
        if (data)
            explicit_bzero(data, strlen(text) + 1);
        free(data);
        return NULL;
    }
    *ret_len = (size_t) len + (size_t) rest;
    data[*ret_len] = '\0';
    return data;
}

char *flt_base64_write(const void *data, size_t len)
{
    char *text = len < INT_MAX / 2 ? malloc(4 * (len / 3 + 1) + 1) : NULL;

    if (text)
        (void) EVP_EncodeBlock((unsigned char *) text, data, (int) len);
    return text;
}

char *flt_base64url_write(const void *data, size_t len)
{
    char *text = flt_base64_write(data, len);

    for (char *at = text; at && *at; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at == '=' ? '\0' : *at;
    return text;
}

char *flt_base64url_read(const char *text, size_t len, size_t *ret_len)
{
    size_t padded = (len + 3) / 4 * 4;
    char *plain = malloc(padded + 1), *ret;

    if (!plain)
        return NULL;
    for (size_t i = 0; i < padded; i++)
        plain[i] = i >= len ? '=' : text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    plain[padded] = '\0';
    ret = flt_base64_read(plain, ret_len);
    explicit_bzero(plain, padded);
    free(plain);
    return ret;
}
