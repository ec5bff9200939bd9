/* number.c - numbers in text: rubbish is refused and never taken for 0 (hardening V2). */

#include "local.h"

#include <string.h>

static unsigned digit_value(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (unsigned) (at - digits) % 16 : 16;
}

bool number_take(const char **at, unsigned base, uint64_t max, uint64_t *ret)
{
    uint64_t number = 0;
    const char *p = *at;

    for (unsigned digit; (digit = digit_value(*p)) < base; p++) {
        if (digit > max || number > (max - digit) / base)
            return false;
        number = number * base + digit;
    }
    if (p == *at)
        return false;
    *at = p;
    *ret = number;
    return true;
}

bool number_parse(const char *text, int64_t max, int64_t *ret)
{
    uint64_t number;

    if (!number_take(&text, 10, (uint64_t) max, &number))
        return false;
    if (*text == '\n')
        text++;
    if (*text)
        return false;
    *ret = (int64_t) number;
    return true;
}
