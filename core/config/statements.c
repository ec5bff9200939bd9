/* core/config/statements.c - see statements.h. */
#include "core/config/statements.h"

#include <string.h>

size_t line_end(const char *text, size_t len, size_t at)
{
    const char *newline = at < len ? memchr(text + at, '\n', len - at) : NULL;

    return newline ? (size_t) (newline - text) + 1 : len;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static size_t skip_spaces(const char *text, size_t len, size_t at)
{
    while (at < len && is_space(text[at]))
        at++;
    return at;
}

bool line_is_blank(const char *text, size_t len, size_t at)
{
    at = skip_spaces(text, len, at);
    return at >= len || text[at] == '\n';
}

bool line_is_comment(const char *text, size_t len, size_t at)
{
    at = skip_spaces(text, len, at);
    return at < len && text[at] == '#';
}

/* At a quote; returns what is behind the string. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
    char quote = text[at];
    size_t n = 1;

    if (at + 2 < len && text[at + 1] == quote && text[at + 2] == quote)
        n = 3;
    for (at += n; at < len; at++) {
        if (text[at] == '\\' && quote == '"') {
            at++;
        } else if (text[at] == quote &&
                   (n == 1 || (at + 2 < len && text[at + 1] == quote && text[at + 2] == quote))) {
            at += n;
            while (n == 3 && at < len && text[at] == quote) /* up to two may end the value itself */
                at++;
            return at;
        }
    }
    return len;
}

/* Up to one of these characters outside of strings and, for a value, of brackets. */
static size_t skip_until(const char *text, size_t len, size_t at, const char *ends, bool brackets)
{
    unsigned depth = 0;

    while (at < len && (depth > 0 || text[at] == '\0' || !strchr(ends, text[at]))) {
        char c = text[at];

        if (c == '"' || c == '\'') {
            at = skip_string(text, len, at);
            continue;
        }
        if (brackets && c == '#') { /* within an array: at the newline it goes on */
            at = line_end(text, len, at);
            continue;
        }
        if (brackets && (c == '[' || c == '{'))
            depth++;
        else if (brackets && depth > 0 && (c == ']' || c == '}'))
            depth--;
        at++;
    }
    return at;
}

static size_t trim_end(const char *text, size_t start, size_t end)
{
    while (end > start && is_space(text[end - 1]))
        end--;
    return end;
}

static void read_header(const char *text, size_t len, size_t at, struct statement *ret)
{
    size_t end;

    ret->is_header = true;
    ret->is_array = at + 1 < len && text[at + 1] == '[';
    at += ret->is_array ? 2 : 1;
    end = skip_until(text, len, at, "]", false);
    ret->key = (struct span) { skip_spaces(text, len, at), trim_end(text, at, end) };
    ret->lines.end = line_end(text, len, end);
}

static void read_key(const char *text, size_t len, size_t at, struct statement *ret)
{
    size_t equals = skip_until(text, len, at, "=\n", false), value, end;

    ret->key = (struct span) { at, trim_end(text, at, equals) };
    value = skip_spaces(text, len, equals < len ? equals + 1 : len);
    end = skip_until(text, len, value, "#\n", true);
    ret->value = (struct span) { value, trim_end(text, value, end) };
    ret->lines.end = line_end(text, len, end);
}

bool statement_next(const char *text, size_t len, size_t *at, struct statement *ret)
{
    size_t start;

    if (*at == 0 && len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        *at = 3; /* a byte order mark */
    while (*at < len && (line_is_blank(text, len, *at) || line_is_comment(text, len, *at)))
        *at = line_end(text, len, *at);
    if (*at >= len)
        return false;
    start = skip_spaces(text, len, *at);
    *ret = (struct statement) { .lines.start = *at };
    if (text[start] == '[')
        read_header(text, len, start, ret);
    else
        read_key(text, len, start, ret);
    *at = ret->lines.end;
    return true;
}

size_t key_parts(const char *text, struct span key)
{
    size_t n = 1;

    for (size_t at = key.start; (at = skip_until(text, key.end, at, ".", false)) < key.end; at++)
        n++;
    return n;
}

bool key_begins(const char *text, struct span key, const char *name)
{
    size_t end = skip_until(text, key.end, key.start, ".", false);
    size_t start = key.start, len = strlen(name);

    end = trim_end(text, start, end);
    if (end >= start + 2 && (text[start] == '"' || text[start] == '\'')) {
        start++;
        end--;
    }
    return end - start == len && memcmp(text + start, name, len) == 0;
}
