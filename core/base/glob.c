/* core/base/glob.c - matching by trying. Every try is counted, so that a hostile pattern ends as
 * one that does not match. */
#include "core/base/glob.h"

#include <stddef.h>
#include <string.h>

#include "core/base/str.h"

#define TRIES_MAX 200000
#define ALTERNATIVE_MAX 512 /* bytes of a pattern with {…} */

struct matching {
    unsigned tries;
    enum glob_stars stars;
    const char *path; /* all of it */
};

static bool match(struct matching *matching, const char *pattern, const char *path);

/* [abc], [a-z], [^x], [!x]; *ret_next is behind the set, NULL when it has no end. */
static bool set_has(const char *set, char c, const char **ret_next)
{
    const char *at = set + 1;
    bool negated = *at == '^' || *at == '!', found = false;
    const char *first = at + negated;

    for (at = first; *at && (*at != ']' || at == first); at++) {
        if (at[1] == '-' && at[2] && at[2] != ']') {
            found = found || ((unsigned char) c >= (unsigned char) at[0] &&
                              (unsigned char) c <= (unsigned char) at[2]);
            at += 2;
        } else {
            found = found || *at == c;
        }
    }
    *ret_next = *at ? at + 1 : NULL;
    return found != negated;
}

/* The ',' or '}' that ends the alternative at `at`; NULL when there is none. */
static const char *alternative_end(const char *at)
{
    int depth = 0;

    for (; *at; at++) {
        if (depth == 0 && (*at == ',' || *at == '}'))
            return at;
        depth += (*at == '{') - (*at == '}');
    }
    return NULL;
}

/* Each alternative is tried with the rest of the pattern behind it. */
static bool match_alternatives(struct matching *matching, const char *pattern, const char *path)
{
    const char *rest = pattern + 1, *stop;
    char joined[ALTERNATIVE_MAX];

    do {
        rest = alternative_end(rest);
        if (!rest)
            return false;
    } while (*rest++ == ',');
    for (const char *at = pattern + 1; at < rest; at = stop + 1) {
        size_t len;

        stop = alternative_end(at);
        len = (size_t) (stop - at);
        if (len + strlen(rest) >= sizeof(joined))
            return false;
        memcpy(joined, at, len);
        memcpy(joined + len, rest, strlen(rest) + 1);
        if (match(matching, joined, path))
            return true;
    }
    return false;
}

/* Two stars that are a whole part of the path: no folder, one, or several. */
static bool match_folders(struct matching *matching, const char *rest, const char *path)
{
    for (; path; path = strchr(path, '/'), path = path ? path + 1 : NULL)
        if (match(matching, rest, path))
            return true;
    return false;
}

static bool match_stars(struct matching *matching, const char *pattern, const char *path)
{
    size_t stars = strspn(pattern, "*");
    bool part = path == matching->path || path[-1] == '/';
    bool across = stars > 1 && matching->stars == GLOB_ANYTHING;

    if (stars == 2 && matching->stars == GLOB_FOLDERS && part && pattern[2] == '/')
        return match_folders(matching, pattern + 3, path);
    for (;; path++) {
        if (match(matching, pattern + stars, path))
            return true;
        if (!*path || (*path == '/' && !across))
            return false;
    }
}

static bool match(struct matching *matching, const char *pattern, const char *path)
{
    for (;; path++) {
        const char *next = pattern + 1;

        if (++matching->tries > TRIES_MAX)
            return false;
        if (*pattern == '{')
            return match_alternatives(matching, pattern, path);
        if (*pattern == '*')
            return match_stars(matching, pattern, path);
        if (!*pattern || !*path)
            return *pattern == *path;
        if (*pattern == '[' && (*path == '/' || !set_has(pattern, *path, &next)))
            return false;
        if (*pattern == '\\' && pattern[1])
            next = ++pattern + 1;
        else if (*pattern == '?' || *pattern == '[')
            pattern = *path != '/' ? path : "";
        if (!next || *pattern != *path)
            return false;
        pattern = next;
    }
}

bool glob_match(const char *pattern, const char *path, enum glob_stars stars)
{
    struct matching matching = { .stars = stars, .path = path };

    return match(&matching, pattern, path);
}

bool glob_is_pattern(const char *text)
{
    return strpbrk(text, "*?[{") != NULL;
}
