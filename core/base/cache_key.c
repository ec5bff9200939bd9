/* core/base/cache_key.c - cache keys in their one canonical form; cache_key.h says what that is.
 *
 * Only the last part's end is trimmed, as the peer does it; where that makes a `..` of it (`a/.. `), it
 * is resolved, so that a second round finds nothing to do. */
#include "core/base/cache_key.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "core/base/str.h"

struct path {
    char *text; /* parts with one `/` between them; not terminated */
    size_t len;
};

static size_t last_part(const struct path *path)
{
    size_t at = path->len;

    while (at > 0 && path->text[at - 1] != '/')
        at--;
    return at;
}

static void drop_part(struct path *path)
{
    size_t at = last_part(path);

    path->len = at > 0 ? at - 1 : 0;
}

static bool is_part(const char *part, size_t len, const char *want)
{
    return len == strlen(want) && memcmp(part, want, len) == 0;
}

/* `part` may lie in `path`, further on. */
static void add_part(struct path *path, const char *part, size_t len)
{
    if (is_part(part, len, "..")) {
        drop_part(path);
    } else if (len > 0 && !is_part(part, len, ".")) {
        if (path->len > 0)
            path->text[path->len++] = '/';
        memmove(path->text + path->len, part, len);
        path->len += len;
    }
}

/* Decodes in place; nothing that is decoded can become part of another code. */
static size_t decode(char *text)
{
    size_t len = 0;

    for (const char *from = text; *from; from++) {
        if (strncasecmp(from, "%2f", 3) == 0 || strncasecmp(from, "%2e", 3) == 0) {
            text[len++] = from[2] == 'f' || from[2] == 'F' ? '/' : '.';
            from += 2;
        } else {
            text[len++] = *from == '\\' ? '/' : *from;
        }
    }
    return len;
}

/* How many bytes of white space, as Unicode has it, end the text; 0 = none. */
static size_t space_at_end(const char *text, size_t len)
{
    static const char *const spaces[] = {
        " ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\u00a0",   "\u1680", "\u2000",
        "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007",   "\u2008", "\u2009",
        "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\xc2\x85",
    };

    for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
        size_t size = strlen(spaces[i]);

        if (size <= len && memcmp(text + len - size, spaces[i], size) == 0)
            return size;
    }
    return 0;
}

/* Returns whether anything was trimmed. */
static bool trim_end(struct path *path)
{
    size_t before = path->len, space;

    while ((space = space_at_end(path->text, path->len)) > 0)
        path->len -= space;
    return path->len != before;
}

/* The last part as it is without its trailing white space, which may be nothing, `.` or `..`. */
static void settle_end(struct path *path)
{
    while (trim_end(path)) {
        size_t at = last_part(path), len = path->len - at;

        drop_part(path);
        add_part(path, path->text + at, len);
    }
}

int cache_key_canonical(const char *key, char **ret)
{
    autofree char *text = mem_strdup(key);
    struct path path = { .text = text };
    size_t len;

    if (!text)
        return -ENOMEM;
    len = decode(text);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '/', len - at);
        size_t size = end ? (size_t) (end - text) - at : len - at;

        add_part(&path, text + at, size);
        at += size + 1;
    }
    settle_end(&path);
    if (path.len == 0)
        return -EINVAL;
    text[path.len] = '\0';
    *ret = take_ptr(text);
    return 0;
}
