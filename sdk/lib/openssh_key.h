/* sdk/lib/openssh_key.h - a private key in OpenSSH's own form, which ssh-keygen writes by default. Used by ssh_key.c.
 */
#ifndef FLOTILLA_LIB_OPENSSH_KEY_H
#define FLOTILLA_LIB_OPENSSH_KEY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#define FLT_OPENSSH_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define FLT_OPENSSH_END "-----END OPENSSH PRIVATE KEY-----"
#define FLT_OPENSSH_MAGIC "openssh-key-v1" /* with its NUL */

/* The parts of one, which lie in `data`. */
struct flt_openssh_key {
    char *data;
    size_t len;
    const unsigned char *public, *private;
    size_t public_len, private_len;
    bool locked; /* by a passphrase: the private part is encrypted */
};

/* 0, or -1 when the text is none. flt_openssh_done() in any case, which wipes it. */
int flt_openssh_open(const char *text, struct flt_openssh_key *ret);
void flt_openssh_done(struct flt_openssh_key *key);
/* NULL when it is locked, broken, or neither RSA nor Ed25519; EVP_PKEY_free() it. */
EVP_PKEY *flt_openssh_private(const struct flt_openssh_key *key);

#endif
