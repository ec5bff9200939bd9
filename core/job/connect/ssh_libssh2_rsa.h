/* core/job/connect/ssh_libssh2_rsa.h - RSA user keys for libssh2 before 1.11, which signs with SHA-1 alone: signed
 * through OpenSSL as rsa-sha2-512 (hardening.md N4).
 *
 * The library calls the algorithm what the key's first string says, so that string must be the algorithm's name, too.
 * OpenSSH takes that; others refuse it.
 */
#pragma once

#include <libssh2.h>
#include <openssl/evp.h>

#include "core/base/buf.h"

struct ssh_rsa {
    EVP_PKEY *key;   /* NULL = the key is of another type, which the library can use */
    struct buf blob; /* its public part */
};

/* 0; -EINVAL with a sentence when the key cannot be read, -ENOMEM. */
int ssh_rsa_load(struct ssh_rsa *rsa, const char *text, struct error *err);
void ssh_rsa_done(struct ssh_rsa *rsa);
/* The library's sign callback; *abstract is the EVP_PKEY. */
LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC(ssh_rsa_sign);
