/* sdk/lib/base64.c - base64 of more than one line. */
#include "sdk/lib/base64.h"

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
