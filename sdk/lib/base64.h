/* sdk/lib/base64.h - base64 as clouds write it. Used by ssh_key.c, google_jwt.c and plugins.
 */
#ifndef FLOTILLA_LIB_BASE64_H
#define FLOTILLA_LIB_BASE64_H

#include <stddef.h>

/* Of base64 with white space in it; NUL behind it. NULL when it is none. The caller frees. */
char *flt_base64_read(const char *text, size_t *ret_len);
/* One line, NULL without memory; the caller frees. */
char *flt_base64_write(const void *data, size_t len);
/* The same in the alphabet of URLs, without the padding: as JWTs have it. */
char *flt_base64url_write(const void *data, size_t len);
/* As flt_base64_read(), of the first `len` letters. */
char *flt_base64url_read(const char *text, size_t len, size_t *ret_len);

#endif
