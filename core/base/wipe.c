/* core/base/wipe.c - memory that held a secret (secret.h). Apart from secret.c, for flotilla-nesting has this alone of it and
 * is built on macOS, too.
 */
#ifdef __APPLE__
#define __STDC_WANT_LIB_EXT1__ 1
#endif
#include <string.h>

#include "core/base/secret.h"

void secret_wipe(void *data, size_t len)
{
    if (!data || !len)
        return;
#ifdef __APPLE__
    (void) memset_s(data, len, 0, len);
#else
    explicit_bzero(data, len);
#endif
}

void secret_wipe_str(char *text)
{
    if (text)
        secret_wipe(text, strlen(text));
}
