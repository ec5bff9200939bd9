/* sdk/lib/ssh_key.h - keys by which instances are reached: the public half of one that is given, and new ones.
 * Used by plugins/aws, plugins/gcp and gcs.c.
 */
#ifndef FLOTILLA_LIB_SSH_KEY_H
#define FLOTILLA_LIB_SSH_KEY_H

#include <openssl/types.h>

/* "ssh-ed25519 AAAA..." of a private key in PEM, PKCS#8 or OpenSSH form; NULL when it cannot be read. The caller
 * frees. */
char *flt_key_public_line(const char *key);
/* A new Ed25519 key: the private half in OpenSSH's form, to be wiped (flt_wipe), and the public line. 0, or -1 with both NULL. */
int flt_key_generate(char **ret_private, char **ret_public);
/* Without a passphrase: nobody is asked for one. NULL when it is none; EVP_PKEY_free() it. The first takes PEM and
 * PKCS#8; the second RSA and Ed25519 in OpenSSH form as well, and says why in a constant sentence without an end. */
EVP_PKEY *flt_key_read_pem(const char *text);
EVP_PKEY *flt_key_read(const char *text, const char **ret_why);

#endif
