/* password_key.c - the RSA key that Windows' passwords are encrypted with on their way to us, one for the group:
 * state_dir/HASH.pem.
 *
 * It outlives this process: an answer that nobody can read any more would have to be asked for anew, and each new
 * password locks out whoever works on the instance with the one before. It opens nothing but what the guest agent
 * writes to a serial port, which takes rights in the project to read.
 */

#include "reach.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "sdk/lib/file.h"
#include "sdk/lib/ssh_key.h"
#include "sdk/lib/wipe.h"

#define BITS ((size_t) 2048)

static int32_t store(const char *path, EVP_PKEY *key, char *error)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    const char *text = NULL;
    int32_t code = FLT_E_INTERNAL;

    (void) snprintf(error, FLT_ERROR_MAX, "out of memory");
    if (bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
        BIO_write(bio, "", 1) == 1 && BIO_get_mem_data(bio, &text) > 0)
        code = flt_file_replace(path, text, error);
    BIO_free(bio);
    return code;
}

static int32_t load(const char *path, EVP_PKEY **ret, char *error)
{
    FLT_WIPED char *text = NULL;
    int32_t code = flt_state_read(path, &text, error);

    if (code == FLT_OK && !(*ret = flt_key_read_pem(text)))
        code = FLT_E_NOT_FOUND; /* a new one does as well */
    return code;
}

static int32_t open_key(struct flt_group *g, EVP_PKEY **ret, char *error)
{
    char path[FLT_STATE_PATH_MAX];
    int32_t code = group_state_path(g, "pem", path, error);

    if (code == FLT_OK)
        code = load(path, ret, error);
    if (code != FLT_E_NOT_FOUND)
        return code;
    (void) snprintf(error, FLT_ERROR_MAX, "no key could be made");
    *ret = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", BITS);
    return *ret ? store(path, *ret, error) : FLT_E_INTERNAL;
}

EVP_PKEY *password_key(struct flt_group *g)
{
    char error[FLT_ERROR_MAX];
    EVP_PKEY *key = NULL;
    int32_t code;

    if (g->reaches->password_key)
        return g->reaches->password_key;
    code = open_key(g, &key, error);
    if (code == FLT_OK)
        return g->reaches->password_key = key;
    EVP_PKEY_free(key);
    (void) gcp_fail(g, code, 0, "the key for passwords of Windows: %s", error);
    return NULL;
}
