/* helper/archive/arithmetic.c - C's operators by precedence climbing, and ** for powers. Overflow
 * wraps. Nothing is ever assigned, so an operand that a shell would not evaluate is evaluated in
 * vain; only its division by zero is an error all the same.
 */
#include "helper/archive/arithmetic.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>

#include "core/base/str.h"

#define DEPTH_MAX 100
#define NAME_MAX_BYTES 256

struct arithmetic {
    const char *at;
    const struct expand_source *source;
    struct error *err;
    int depth;
};

struct arithmetic_sign {
    char sign[3];
    int rank; /* higher binds closer */
};

/* What begins with another comes before it. */
static const struct arithmetic_sign operators[] = {
    { "||", 1 }, { "&&", 2 },  { "==", 6 }, { "!=", 6 }, { "<<", 8 }, { ">>", 8 }, { "<=", 7 },
    { ">=", 7 }, { "**", 11 }, { "|", 3 },  { "^", 4 },  { "&", 5 },  { "<", 7 },  { ">", 7 },
    { "+", 9 },  { "-", 9 },   { "*", 10 }, { "/", 10 }, { "%", 10 },
};

static int ternary(struct arithmetic *a, int64_t *ret);

static void skip_space(struct arithmetic *a)
{
    while (isspace((unsigned char) *a->at))
        a->at++;
}

static int unreadable(struct arithmetic *a)
{
    return error_set(a->err, -EINVAL, "$((…)): cannot be read at \"%s\"", a->at);
}

static int digit_of(char c)
{
    if (isdigit((unsigned char) c))
        return c - '0';
    return isxdigit((unsigned char) c) ? tolower((unsigned char) c) - 'a' + 10 : 99;
}

/* 12, 014, 0xc */
static int64_t number(const char **at)
{
    uint64_t value = 0;
    int base = 10;

    if (**at == '0') {
        base = ((*at)[1] | 0x20) == 'x' ? 16 : 8;
        *at += base == 16 ? 2 : 1;
    }
    for (; digit_of(**at) < base; (*at)++)
        value = value * (uint64_t) base + (uint64_t) digit_of(**at);
    return (int64_t) value;
}

static int64_t value_of_name(struct arithmetic *a)
{
    char name[NAME_MAX_BYTES];
    const char *value = NULL;
    size_t len = 0;
    bool negative;

    for (; isalnum((unsigned char) *a->at) || *a->at == '_'; a->at++)
        if (len < sizeof(name) - 1)
            name[len++] = *a->at;
    name[len] = '\0';
    value = a->source->lookup(a->source->ctx, name);
    if (str_empty(value))
        return 0;
    negative = *value == '-';
    value += negative;
    return negative ? (int64_t) (0 - (uint64_t) number(&value)) : number(&value);
}

static int parenthesis(struct arithmetic *a, int64_t *ret)
{
    int r;

    a->at++;
    r = ternary(a, ret);
    if (r < 0)
        return r;
    skip_space(a);
    if (*a->at != ')')
        return unreadable(a);
    a->at++;
    return 0;
}

static int operand(struct arithmetic *a, int64_t *ret)
{
    char c;
    int r;

    skip_space(a);
    c = *a->at;
    if (c == '(')
        return parenthesis(a, ret);
    if (isdigit((unsigned char) c)) {
        *ret = number(&a->at);
        return 0;
    }
    if (isalpha((unsigned char) c) || c == '_') {
        *ret = value_of_name(a);
        return 0;
    }
    if (c == '\0' || !strchr("+-!~", c) || ++a->depth > DEPTH_MAX)
        return unreadable(a);
    a->at++;
    r = operand(a, ret);
    a->depth--;
    if (c == '-')
        *ret = (int64_t) (0 - (uint64_t) *ret);
    else if (c != '+')
        *ret = c == '!' ? !*ret : ~*ret;
    return r;
}

static const struct arithmetic_sign *next_operator(struct arithmetic *a)
{
    skip_space(a);
    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (str_starts(a->at, operators[i].sign))
            return &operators[i];
    return NULL;
}

static int divide(struct arithmetic *a, char sign, int64_t left, int64_t right, int64_t *ret)
{
    if (right == 0)
        return error_set(a->err, -EINVAL, "$((…)): division by zero");
    if (right == -1) /* the smallest number has no opposite */
        *ret = sign == '/' ? (int64_t) (0 - (uint64_t) left) : 0;
    else
        *ret = sign == '/' ? left / right : left % right;
    return 0;
}

static int power(struct arithmetic *a, int64_t left, int64_t right, int64_t *ret)
{
    uint64_t base = (uint64_t) left, value = 1;

    if (right < 0)
        return error_set(a->err, -EINVAL, "$((…)): the exponent is negative");
    for (uint64_t left_over = (uint64_t) right; left_over > 0; left_over >>= 1) {
        value *= left_over & 1 ? base : 1;
        base *= base;
    }
    *ret = (int64_t) value;
    return 0;
}

static int64_t compare_or_join(const char *sign, int64_t left, int64_t right)
{
    switch (sign[0]) {
    case '|':
        return sign[1] ? left || right : left | right;
    case '&':
        return sign[1] ? left && right : left & right;
    case '=':
        return left == right;
    case '!':
        return left != right;
    case '<':
        if (sign[1] == '<')
            return (int64_t) ((uint64_t) left << ((uint64_t) right & 63));
        return sign[1] ? left <= right : left < right;
    case '>':
        if (sign[1] == '>')
            return left >> ((uint64_t) right & 63);
        return sign[1] ? left >= right : left > right;
    default:
        return left ^ right;
    }
}

static int apply(struct arithmetic *a, const char *sign, int64_t left, int64_t right, int64_t *ret)
{
    if (str_eq(sign, "**"))
        return power(a, left, right, ret);
    if (*sign == '/' || *sign == '%')
        return divide(a, *sign, left, right, ret);
    if (*sign == '+')
        *ret = (int64_t) ((uint64_t) left + (uint64_t) right);
    else if (*sign == '-')
        *ret = (int64_t) ((uint64_t) left - (uint64_t) right);
    else if (*sign == '*')
        *ret = (int64_t) ((uint64_t) left * (uint64_t) right);
    else
        *ret = compare_or_join(sign, left, right);
    return 0;
}

/* All that binds at least as close as `rank`. */
static int binary(struct arithmetic *a, int rank, int64_t *ret)
{
    const struct arithmetic_sign *op;
    int r = operand(a, ret);

    while (r == 0 && (op = next_operator(a)) != NULL && op->rank >= rank) {
        bool from_right = str_eq(op->sign, "**");
        int64_t right = 0;

        a->at += strlen(op->sign);
        r = binary(a, op->rank + !from_right, &right);
        if (r == 0)
            r = apply(a, op->sign, *ret, right, ret);
    }
    return r;
}

static int ternary(struct arithmetic *a, int64_t *ret)
{
    int64_t yes = 0, no = 0;
    int r;

    if (++a->depth > DEPTH_MAX)
        return unreadable(a);
    r = binary(a, 0, ret);
    if (r == 0 && (skip_space(a), *a->at == '?')) {
        a->at++;
        r = ternary(a, &yes);
        skip_space(a);
        if (r == 0 && *a->at != ':')
            return unreadable(a);
        a->at += r == 0;
        r = r < 0 ? r : ternary(a, &no);
        *ret = *ret ? yes : no;
    }
    a->depth--;
    return r;
}

int arithmetic_value(const char *text, const struct expand_source *source, int64_t *ret,
                     struct error *err)
{
    struct arithmetic a = { .at = text, .source = source, .err = err };
    int64_t value = 0;
    int r = 0;

    skip_space(&a);
    if (*a.at)
        r = ternary(&a, &value);
    skip_space(&a);
    if (r == 0 && *a.at)
        r = unreadable(&a);
    if (r == 0)
        *ret = value;
    return r;
}
