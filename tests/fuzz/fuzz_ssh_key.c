/* tests/fuzz/fuzz_ssh_key.c - private keys that operators name: whatever the file holds, it is a key or there is a
 * sentence why not, and nothing is read beyond its end. */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/ssh_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1);
    const char *why = NULL;
    EVP_PKEY *key;

    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    key = flt_key_read(text, &why);
    if (!key && !why)
        abort();
    EVP_PKEY_free(key);
    free(flt_key_public_line(text));
    free(text);
    return 0;
}
