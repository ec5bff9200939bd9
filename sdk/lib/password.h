/* sdk/lib/password.h - passwords that a cloud hands out encrypted with an RSA key. Used by plugins/aws and plugins/gcp.
 */
#ifndef FLOTILLA_LIB_PASSWORD_H
#define FLOTILLA_LIB_PASSWORD_H

#include <openssl/types.h>

/* The printable text that `data`, base64, holds; `padding` is OpenSSL's RSA_*_PADDING, OAEP with SHA-1. NULL when it is
 * none for this key; to be wiped (flt_wipe). */
char *flt_password_decrypt(EVP_PKEY *key, int padding, const char *data);

#endif
