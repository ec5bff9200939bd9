/* core/base/token.c - see token.h. */
#include "core/base/token.h"

#include <string.h>

#include "core/base/str.h"

#define TOKEN_MAX 512

bool token_is_sound(const char *token)
{
    size_t len = strlen(token);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char) token[i] <= ' ' || (unsigned char) token[i] >= 0x7f)
            return false;
    return len > 0 && len <= TOKEN_MAX;
}

/* Length of the prefix that tells the kind of a token and nothing about it. */
static size_t prefix_len(const char *token)
{
    static const char *const prefixes[] = { "glrt-t1_", "glrt-t2_", "glrt-t3_", "glrt-", "t1_",
                                            "t2_",      "t3_",      "glrtr-",   "glcbt-" };

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(token, prefixes[i]))
            return strlen(prefixes[i]);
    if (str_starts(token, "GR") && strspn(token + 2, "0123456789abcdefABCDEF") >= 7)
        return 9;
    return 0;
}

void token_shorten(const char *token, char dst[10])
{
    const char *rest = token + prefix_len(token);
    size_t len = strnlen(rest, 9);

    memcpy(dst, rest, len);
    dst[len] = '\0';
}
