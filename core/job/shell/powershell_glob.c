/* core/job/shell/powershell_glob.c - see powershell_glob.h. */
#include "core/job/shell/powershell_glob.h"

#include <string.h>

#include "core/base/str.h"

static void add_literal(struct buf *out, char c)
{
    if (strchr("\\*+?|{}[]()^$.# ", c))
        buf_add_char(out, '\\');
    buf_add_char(out, c);
}

/* Behind its bracket; returns what follows the set, or NULL when nobody closes it. */
static const char *add_set(struct buf *out, const char *at)
{
    const char *end = strchr(at + (*at == ']'), ']');
    bool not = *at == '!' || *at == '^';

    if (!end)
        return NULL;
    buf_add_str(out, not ? "[^" : "[");
    for (at += not ; at < end; at++) {
        if (strchr("\\[]^", *at))
            buf_add_char(out, '\\');
        buf_add_char(out, *at);
    }
    buf_add_char(out, ']');
    return end + 1;
}

/* "**" where it is a whole component, with the slashes that go with it; NULL where it is none. */
static const char *add_any_depth(struct buf *out, const char *pattern, const char *at)
{
    bool first = at == pattern || at[-1] == '/';

    if (*at == '/' && str_starts(at, "/**") && !at[3]) {
        buf_add_str(out, "(?:/.*)?");
        return at + 3;
    }
    if (!first || !str_starts(at, "**"))
        return NULL;
    if (at[2] == '/') {
        buf_add_str(out, "(?:.*/)?");
        return at + 3;
    }
    if (at[2])
        return NULL;
    buf_add_str(out, ".*");
    return at + 2;
}

static void add_pattern(struct buf *out, const char *pattern)
{
    int depth = 0;

    for (const char *at = pattern; *at;) {
        const char *next = add_any_depth(out, pattern, at);

        if (!next && *at == '[')
            next = add_set(out, at + 1);
        if (next) {
            at = next;
            continue;
        }
        if (*at == '*')
            buf_add_str(out, "[^/]*");
        else if (*at == '?')
            buf_add_str(out, "[^/]");
        else if (*at == '{' && strchr(at, '}') && ++depth)
            buf_add_str(out, "(?:");
        else if (*at == '}' && depth > 0 && depth--)
            buf_add_char(out, ')');
        else if (*at == ',' && depth > 0)
            buf_add_char(out, '|');
        else
            add_literal(out, *at == '\\' && at[1] ? *++at : *at);
        at++;
    }
    while (depth-- > 0)
        buf_add_char(out, ')');
}

void powershell_glob(struct buf *out, const char *pattern, bool deep)
{
    autobuf struct buf clean = BUF_INIT;
    size_t len;

    while (str_starts(pattern, "./"))
        pattern += 2;
    for (len = strlen(pattern); len > 0 && pattern[len - 1] == '/'; len--)
        continue;
    buf_add(&clean, pattern, len);
    buf_add_str(out, "\\A(?:");
    if (str_eq(buf_str(&clean), "."))
        buf_add_str(out, ".*");
    else
        add_pattern(out, buf_str(&clean));
    buf_add_str(out, deep ? ")(?:/.*)?\\z" : ")\\z");
    buf_inherit_error(out, &clean);
}
