/* helper/archive/wild.c - matching with one point to go back to: behind the last star. What an
 * earlier one took never has to change, so the cost is the product of the two lengths at most.
 */
#include "helper/archive/wild.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/str.h"

/* The character at *at, which moves behind it. */
static uint32_t next_char(const char **at)
{
    const unsigned char *text = (const unsigned char *) *at;
    size_t len = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    uint32_t value = text[0];

    if (len > 1 && strnlen(*at, len) == len && utf8_valid(*at, len)) {
        value &= 0xffu >> (len + 1);
        for (size_t i = 1; i < len; i++)
            value = value << 6 | (text[i] & 0x3f);
        *at += len;
        return value;
    }
    *at += 1;
    /* A stray byte is no character that text can name. */
    return text[0] < 0x80 ? value : value | 0x80000000u;
}

static uint32_t next_in_pattern(const char **at)
{
    if (**at == '\\' && (*at)[1])
        (*at)++;
    return next_char(at);
}

/* Behind "[": does the set have `c`? *at moves behind its "]". */
static bool set_has(const char **at, uint32_t c)
{
    bool negated = **at == '^' || **at == '!', found = false, first = true;

    *at += negated;
    while (**at && (**at != ']' || first)) {
        uint32_t low = next_in_pattern(at), high = low;

        if (**at == '-' && (*at)[1] && (*at)[1] != ']') {
            (*at)++;
            high = next_in_pattern(at);
        }
        found = found || (low <= c && c <= high);
        first = false;
    }
    *at += **at == ']';
    return found != negated;
}

/* One character of the name against one place of the pattern; both move on. */
static bool match_one(const char **pattern, const char **name)
{
    uint32_t c = next_char(name);

    if (**pattern == '?') {
        (*pattern)++;
        return true;
    }
    if (**pattern == '[') {
        (*pattern)++;
        return set_has(pattern, c);
    }
    return **pattern && next_in_pattern(pattern) == c;
}

bool wild_match(const char *pattern, const char *name)
{
    const char *back_pattern = NULL, *back_name = NULL;

    while (*name || *pattern == '*') {
        if (*pattern == '*') {
            back_pattern = ++pattern;
            back_name = name;
            continue;
        }
        if (match_one(&pattern, &name))
            continue;
        if (!back_pattern)
            return false;
        (void) next_char(&back_name);
        pattern = back_pattern;
        name = back_name;
    }
    return *pattern == '\0';
}

bool wild_is_wild(const char *pattern)
{
    return strpbrk(pattern, "*?[\\") != NULL;
}

bool wild_is_whole(const char *pattern)
{
    while (*pattern) {
        if (*pattern == '\\' && !pattern[1])
            return false;
        if (*pattern == '[') {
            pattern++;
            (void) set_has(&pattern, 0);
            if (pattern[-1] != ']')
                return false;
        } else {
            (void) next_in_pattern(&pattern);
        }
    }
    return true;
}
