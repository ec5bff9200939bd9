/* core/exec/ci_expression.c - recursive descent: or, and, comparison, value.
 *
 * Both sides of && and || are always read, so that a mistake is found whatever the values are. A
 * value alone is true when it is there and not empty. */
#include "core/exec/ci_expression.h"

#include <errno.h>
#include <string.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_regex.h"

#define NESTING_MAX 50
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

struct expression {
    const char *text, *at;
    ci_lookup *lookup;
    void *arg;
    int depth;
    struct error *err;
};

/* What a side of a comparison comes to. */
struct value {
    char *owned;      /* of a string, a pattern or a name */
    const char *text; /* NULL: null, or a variable that is not there */
    bool pattern;     /* it was written as one */
    bool truth;       /* of a comparison or of what is in parentheses */
    bool decided;     /* only `truth` counts */
};

static void value_done(struct value *value)
{
    free(value->owned);
}
#define auto_value __attribute__((cleanup(value_done)))

static int wrong(const struct expression *expression, const char *what)
{
    return error_set(expression->err, -EINVAL, "%s at '%.40s' of '%.200s'", what,
                     *expression->at ? expression->at : "the end", expression->text);
}

static void skip_space(struct expression *expression)
{
    expression->at += strspn(expression->at, " \t\r\n");
}

static bool follows(struct expression *expression, const char *word)
{
    skip_space(expression);
    if (!str_starts(expression->at, word))
        return false;
    expression->at += strlen(word);
    return true;
}

static bool is_true(const struct value *value)
{
    return value->decided ? value->truth : !str_empty(value->text);
}

static int read_or(struct expression *expression, struct value *ret);

static int take(struct value *ret, const char *from, size_t len)
{
    ret->owned = mem_strndup(from, len);
    ret->text = ret->owned;
    return ret->owned ? 0 : -ENOMEM;
}

static int read_string(struct expression *expression, char quote, struct value *ret)
{
    const char *end = strchr(expression->at + 1, quote);
    const char *begin = expression->at + 1;

    if (!end)
        return wrong(expression, "a string has no end");
    expression->at = end + 1;
    return take(ret, begin, (size_t) (end - begin));
}

/* Up to the first slash that no backslash hides, and the flags behind it. */
static int read_pattern(struct expression *expression, struct value *ret)
{
    const char *begin = expression->at, *end = begin + 1;

    while (*end && *end != '/')
        end += *end == '\\' && end[1] ? 2 : 1;
    if (!*end)
        return wrong(expression, "a pattern has no end");
    end++;
    end += strspn(end, NAME_CHARACTERS);
    expression->at = end;
    ret->pattern = true;
    return take(ret, begin, (size_t) (end - begin));
}

static int read_variable(struct expression *expression, struct value *ret)
{
    bool braces = expression->at[1] == '{';
    const char *begin = expression->at + (braces ? 2 : 1);
    size_t len = strspn(begin, NAME_CHARACTERS);
    int r;

    if (len == 0 || (braces && begin[len] != '}'))
        return wrong(expression, "a variable has no name");
    expression->at = begin + len + braces;
    r = take(ret, begin, len);
    if (r == 0)
        ret->text = expression->lookup(expression->arg, ret->owned);
    return r;
}

static int read_parentheses(struct expression *expression, struct value *ret)
{
    int r;

    if (++expression->depth > NESTING_MAX)
        return wrong(expression, "parentheses are nested too deep");
    expression->at++;
    r = read_or(expression, ret);
    expression->depth--;
    if (r == 0 && !follows(expression, ")"))
        return wrong(expression, "a ')' is missing");
    return r;
}

static int read_value(struct expression *expression, struct value *ret)
{
    skip_space(expression);
    switch (*expression->at) {
    case '"':
    case '\'':
        return read_string(expression, *expression->at, ret);
    case '/':
        return read_pattern(expression, ret);
    case '$':
        return read_variable(expression, ret);
    case '(':
        return read_parentheses(expression, ret);
    default:
        break;
    }
    if (str_starts(expression->at, "null") &&
        strspn(expression->at, NAME_CHARACTERS) == strlen("null")) {
        expression->at += strlen("null");
        return 0;
    }
    return wrong(expression, "a value is missing: a $VARIABLE, a \"string\", a /pattern/ or null");
}

static bool equal(const struct value *left, const struct value *right)
{
    if (left->decided || right->decided)
        return is_true(left) == is_true(right);
    return left->text && right->text ? str_eq(left->text, right->text) : left->text == right->text;
}

/* Without a pattern nothing matches; without a text the empty one is looked at. */
static int matches(struct expression *expression, const struct value *left,
                   const struct value *right, bool *ret)
{
    int r;

    *ret = false;
    if (left->decided || right->decided)
        return wrong(expression, "'=~' and '!~' compare a value with a pattern, before this");
    if (!right->text)
        return 0;
    r = ci_regex_match(right->text, left->text ? left->text : "", expression->err);
    *ret = r > 0;
    return r < 0 ? r : 0;
}

static int read_comparison(struct expression *expression, struct value *ret)
{
    static const char *const operators[] = { "==", "!=", "=~", "!~" };
    auto_value struct value left = { 0 }, right = { 0 };
    size_t op = 0;
    bool truth = false;
    int r = read_value(expression, &left);

    if (r < 0)
        return r;
    while (op < ARRAY_LEN(operators) && !follows(expression, operators[op]))
        op++;
    if (op == ARRAY_LEN(operators)) {
        if (left.pattern)
            return wrong(expression, "a pattern stands alone, before this");
        *ret = (struct value) { .truth = is_true(&left), .decided = true };
        return 0;
    }
    r = read_value(expression, &right);
    if (r < 0)
        return r;
    if (op < 2)
        truth = equal(&left, &right);
    else
        r = matches(expression, &left, &right, &truth);
    *ret = (struct value) { .truth = truth == (op % 2 == 0), .decided = true };
    return r;
}

static int read_and(struct expression *expression, struct value *ret)
{
    int r = read_comparison(expression, ret);

    while (r == 0 && follows(expression, "&&")) {
        struct value right = { 0 };

        r = read_comparison(expression, &right);
        ret->truth = ret->truth && right.truth;
    }
    return r;
}

static int read_or(struct expression *expression, struct value *ret)
{
    int r = read_and(expression, ret);

    while (r == 0 && follows(expression, "||")) {
        struct value right = { 0 };

        r = read_and(expression, &right);
        ret->truth = ret->truth || right.truth;
    }
    return r;
}

int ci_expression_evaluate(const char *text, ci_lookup *lookup, void *arg, struct error *err)
{
    struct error why = { 0 };
    struct expression expression = {
        .text = text, .at = text, .lookup = lookup, .arg = arg, .err = &why
    };
    struct value value = { 0 };
    int r = read_or(&expression, &value);

    skip_space(&expression);
    if (r == 0 && *expression.at)
        r = wrong(&expression, "an operator is missing");
    if (r == -ENOMEM)
        return error_set(err, r, "out of memory");
    return r < 0 ? error_set(err, r, "%s", why.message) : value.truth;
}
