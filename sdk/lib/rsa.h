/* sdk/lib/rsa.h - signatures by the key of a service account of Google Cloud. Used by gcs.c and google_jwt.c.
 */
#ifndef FLOTILLA_LIB_RSA_H
#define FLOTILLA_LIB_RSA_H

#include <stddef.h>

#define FLT_RSA_SIGNATURE_MAX 1024 /* of a key of 8192 bits */

/* RS256 of the text by a key in PEM or PKCS#8, without a passphrase. 0, or -EINVAL when it is no RSA key. `ret` takes
 * FLT_RSA_SIGNATURE_MAX bytes. */
int flt_rsa_sign(const char *pem, const char *text, unsigned char *ret, size_t *ret_len);

#endif
