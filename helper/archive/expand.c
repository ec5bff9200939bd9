/* helper/archive/expand.c - parameters and arithmetic, copied into one buffer from left to right.
 */
#include "helper/archive/expand.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/arithmetic.h"

#define DEPTH_MAX 50 /* of ${A:-${B:-…}} */

struct expansion {
    const char *at;
    const struct expand_source *source;
    struct error *err;
    int depth;
};

static int expand_part(struct expansion *x, const char *stops, struct buf *out);

static const char *lookup_environment(void *ctx, const char *name)
{
    (void) ctx;
    return getenv(name);
}

const struct expand_source expand_environment = { .lookup = lookup_environment };

static bool begins_name(char c)
{
    return isalpha((unsigned char) c) || c == '_';
}

static size_t name_length(const char *text)
{
    size_t len = 0;

    if (begins_name(*text))
        while (isalnum((unsigned char) text[len]) || text[len] == '_')
            len++;
    return len;
}

/* "" when unset. The caller frees; NULL without memory. */
static char *value_of(const struct expansion *x, const char *name, size_t len)
{
    autofree char *copy = mem_strndup(name, len);
    const char *value = copy ? x->source->lookup(x->source->ctx, copy) : NULL;

    return copy ? mem_strdup(value ? value : "") : NULL;
}

/* What stands behind an operator of ${…}, up to the brace. */
static int word(struct expansion *x, struct buf *out)
{
    int r = expand_part(x, "}", out);

    if (r == 0 && *x->at != '}')
        r = error_set(x->err, -EINVAL, "\"${\" without \"}\"");
    return r < 0 ? r : buf_error(out);
}

/* ${V%p} ${V%%p}: the shortest or longest end that the pattern stands for is left out. */
static int cut_end(struct expansion *x, const char *value, struct buf *out)
{
    bool longest = x->at[1] == '%';
    size_t len = strlen(value), keep = len;
    autobuf struct buf pattern = BUF_INIT;
    int r;

    x->at += 1 + longest;
    r = word(x, &pattern);
    for (size_t i = 0; r == 0 && i <= len; i++) {
        size_t from = longest ? i : len - i;

        if (fnmatch(buf_str(&pattern), value + from, 0) == 0) {
            keep = from;
            break;
        }
    }
    buf_add(out, value, keep);
    return r;
}

/* ${V#p} ${V##p}: the same with the beginning. `value` is cut in between. */
static int cut_beginning(struct expansion *x, char *value, struct buf *out)
{
    bool longest = x->at[1] == '#';
    size_t len = strlen(value), from = 0;
    autobuf struct buf pattern = BUF_INIT;
    int r;

    x->at += 1 + longest;
    r = word(x, &pattern);
    for (size_t i = 0; r == 0 && i <= len && from == 0; i++) {
        size_t end = longest ? len - i : i;
        char kept = value[end];

        value[end] = '\0';
        if (fnmatch(buf_str(&pattern), value, 0) == 0)
            from = end;
        value[end] = kept;
    }
    buf_add_str(out, value + from);
    return r;
}

/* The number that is written in `text`; an offset or a length of ${V:o:l}. */
static int evaluate(struct expansion *x, const char *stops, int64_t *ret)
{
    autobuf struct buf text = BUF_INIT;
    int r = expand_part(x, stops, &text);

    if (r == 0)
        r = buf_error(&text);
    return r < 0 ? r : arithmetic_value(buf_str(&text), x->source, ret, x->err);
}

/* ${V:o} ${V:o:l}: in bytes; what is negative counts from the end. */
static int slice(struct expansion *x, const char *value, struct buf *out)
{
    int64_t len = (int64_t) strlen(value), from = 0, end = len;
    int r = evaluate(x, ":}", &from);

    if (r == 0 && *x->at == ':') {
        int64_t count = 0;

        x->at++;
        r = evaluate(x, "}", &count);
        from = from < 0 ? MAX(len + from, 0) : MIN(from, len);
        if (r == 0)
            end = count < 0 ? len + MAX(count, -len) : from + MIN(count, len - from);
    }
    if (r == 0 && *x->at != '}')
        r = error_set(x->err, -EINVAL, "\"${\" without \"}\"");
    from = from < 0 ? MAX(len + from, 0) : MIN(from, len);
    if (r == 0 && end > from)
        buf_add(out, value + from, (size_t) (end - from));
    return r;
}

/* ${V:-d} ${V:=d} ${V:+d} ${V:?d}, each without the colon, too: an empty value is an unset one. */
static int default_word(struct expansion *x, char op, const char *name, size_t name_len,
                        const char *value, struct buf *out)
{
    autobuf struct buf text = BUF_INIT;
    bool unset = *value == '\0';
    int r;

    x->at++;
    r = word(x, &text);
    if (r < 0)
        return r;
    if (op == '?' && unset)
        return error_set(x->err, -EINVAL, "%.*s: %s", (int) name_len, name,
                         text.len > 0 ? buf_str(&text) : "not set");
    if (op == '+')
        buf_add_str(out, unset ? "" : buf_str(&text));
    else
        buf_add_str(out, unset ? buf_str(&text) : value);
    return 0;
}

static int by_operator(struct expansion *x, const char *name, size_t name_len, char *value,
                       struct buf *out)
{
    char op = *x->at;

    if (op == '}') {
        buf_add_str(out, value);
        return 0;
    }
    if (op == '%')
        return cut_end(x, value, out);
    if (op == '#')
        return cut_beginning(x, value, out);
    if (op == ':' && (x->at[1] == '\0' || !strchr("-=+?", x->at[1]))) {
        x->at++;
        return slice(x, value, out);
    }
    x->at += op == ':';
    op = *x->at;
    if (op == '\0' || !strchr("-=+?", op))
        return error_set(x->err, -EINVAL, "\"${%.*s\" goes on with \"%s\"", (int) name_len, name,
                         x->at);
    return default_word(x, op, name, name_len, value, out);
}

/* Behind "${". */
static int braced(struct expansion *x, struct buf *out)
{
    bool length = *x->at == '#';
    const char *name = x->at + length;
    size_t name_len = name_length(name);
    autofree char *value = NULL;
    int r = 0;

    if (name_len == 0)
        return error_set(x->err, -EINVAL, "\"${%s\" names no variable", x->at);
    value = value_of(x, name, name_len);
    if (!value)
        return -ENOMEM;
    x->at = name + name_len;
    if (length && *x->at == '}')
        buf_addf(out, "%zu", strlen(value));
    else if (length)
        r = error_set(x->err, -EINVAL, "\"${#%.*s\" without \"}\"", (int) name_len, name);
    else
        r = by_operator(x, name, name_len, value, out);
    x->at += r == 0; /* the brace */
    return r;
}

/* Behind "$((", whose end is the "))" outside of its own parentheses. */
static int arithmetic(struct expansion *x, struct buf *out)
{
    struct expansion inner = *x;
    autobuf struct buf text = BUF_INIT;
    autofree char *formula = NULL;
    int64_t value = 0;
    const char *end;
    int open = 0, r;

    for (end = x->at; *end && !(open == 0 && end[0] == ')' && end[1] == ')'); end++)
        open += (*end == '(') - (*end == ')');
    if (!*end)
        return error_set(x->err, -EINVAL, "\"$((\" without \"))\"");
    formula = mem_strndup(x->at, (size_t) (end - x->at));
    if (!formula)
        return -ENOMEM;
    inner.at = formula;
    r = expand_part(&inner, "", &text);
    if (r == 0)
        r = buf_error(&text);
    if (r == 0)
        r = arithmetic_value(buf_str(&text), x->source, &value, x->err);
    if (r < 0)
        return r;
    buf_addf(out, "%lld", (long long) value);
    x->at = end + 2;
    return 0;
}

static int command_refused(struct expansion *x)
{
    return error_set(x->err, -EINVAL, "commands in paths are not run");
}

/* At "$". */
static int dollar(struct expansion *x, struct buf *out)
{
    size_t len = name_length(++x->at);

    if (len > 0) {
        autofree char *value = value_of(x, x->at, len);

        if (!value)
            return -ENOMEM;
        buf_add_str(out, value);
        x->at += len;
        return 0;
    }
    if (*x->at == '{') {
        x->at++;
        return braced(x, out);
    }
    if (str_starts(x->at, "((")) {
        x->at += 2;
        return arithmetic(x, out);
    }
    if (*x->at == '(')
        return command_refused(x);
    /* The arguments and states of a shell, which are nothing here. */
    if (*x->at && (isdigit((unsigned char) *x->at) || strchr("@*#?$!-", *x->at)))
        x->at++;
    else
        buf_add_char(out, '$');
    return 0;
}

/* Up to the end, or a byte of `stops`, which is left. */
static int expand_part(struct expansion *x, const char *stops, struct buf *out)
{
    int r = 0;

    if (++x->depth > DEPTH_MAX)
        return error_set(x->err, -EINVAL, "\"${\" inside of more than %d others", DEPTH_MAX);
    while (r == 0 && *x->at && !strchr(stops, *x->at)) {
        if (*x->at == '\\' && x->at[1] && (strchr("$`\\", x->at[1]) || strchr(stops, x->at[1]))) {
            buf_add_char(out, x->at[1]);
            x->at += 2;
        } else if (*x->at == '$') {
            r = dollar(x, out);
        } else if (*x->at == '`') {
            r = command_refused(x);
        } else {
            buf_add_char(out, *x->at++);
        }
    }
    x->depth--;
    return r;
}

int expand_text(const char *text, const struct expand_source *source, char **ret, struct error *err)
{
    struct expansion x = { .at = text, .source = source, .err = err };
    autobuf struct buf out = BUF_INIT;
    char *taken;
    int r = expand_part(&x, "", &out);

    if (r == 0)
        r = buf_error(&out);
    if (r == -ENOMEM || r == -EFBIG)
        return error_errno(err, r, "expanding a path");
    if (r < 0)
        return r;
    taken = buf_take(&out);
    if (!taken)
        return error_errno(err, -ENOMEM, "expanding a path");
    *ret = taken;
    return 0;
}
