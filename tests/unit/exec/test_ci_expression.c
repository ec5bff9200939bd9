/* tests/unit/exec/test_ci_expression.c - mirrors core/exec/ci_expression.c and ci_regex.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/exec/ci_expression.h"

static const char *look_up(void *arg, const char *name)
{
    static const char *const variables[][2] = {
        { "A", "one" },          { "B", "one" },         { "TWO", "two" },   { "EMPTY", "" },
        { "PATTERN", "/^ON/i" }, { "REF", "feature/x" }, { "PLAIN", "one" }, { "LINES", "a\nb" },
    };

    (void) arg;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        if (str_eq(variables[i][0], name))
            return variables[i][1];
    return NULL;
}

static void test_expressions_are_true_or_false(void **unused)
{
    static const struct {
        const char *why, *text;
        int want;
    } cases[] = {
        { "a variable that is there", "$A", 1 },
        { "in braces", "${A}", 1 },
        { "an empty one", "$EMPTY", 0 },
        { "none", "$NONE", 0 },
        { "equal to a string", "$A == \"one\"", 1 },
        { "single quotes", "$A == 'one'", 1 },
        { "without spaces", "$A=='one'", 1 },
        { "the string first", "'one' == $A", 1 },
        { "not equal", "$A != \"one\"", 0 },
        { "variables on both sides", "$A == $B", 1 },
        { "variables that differ", "$A == $TWO", 0 },
        { "null is what is not there", "$NONE == null", 1 },
        { "an empty variable is there", "$EMPTY == null", 0 },
        { "and equals the empty string", "$EMPTY == \"\"", 1 },
        { "which a missing one does not", "$NONE == \"\"", 0 },
        { "two missing ones are equal", "$NONE == $NOTHING", 1 },
        { "a pattern", "$REF =~ /^feature\\//", 1 },
        { "a pattern that does not match", "$REF =~ /^main$/", 0 },
        { "its opposite", "$REF !~ /^main$/", 1 },
        { "a slash by its class", "$REF =~ /^feature./", 1 },
        { "a flag", "$A =~ /^ONE$/i", 1 },
        { "without the flag", "$A =~ /^ONE$/", 0 },
        { "lines by their flag", "$LINES =~ /^b/m", 1 },
        { "one text without it", "$LINES =~ /^b/", 0 },
        { "the dot and the end of a line", "$LINES =~ /a.b/s", 1 },
        { "a pattern from a variable", "$A =~ $PATTERN", 1 },
        { "a missing pattern matches nothing", "$A =~ $NONE", 0 },
        { "nor does it not match", "$A !~ $NONE", 1 },
        { "a missing text is an empty one", "$NONE =~ /^$/", 1 },
        { "and binds tighter than or", "$A || $NONE && $NONE", 1 },
        { "parentheses come first", "($A || $NONE) && $NONE", 0 },
        { "a chain", "$A == 'one' && $TWO == 'two' && $NONE == null", 1 },
        { "comparisons inside of or", "$A == 'x' || $TWO =~ /^t/", 1 },
        { "parentheses around a value", "($A) && ($TWO == \"two\")", 1 },
        { "what is true is not what is false", "($A == 'one') == ($TWO == 'x')", 0 },
        { "what is false equals what is missing", "($A == 'x') == $NONE", 1 },
        { "a name that begins with null", "$A == \"null\" || $nullable", 0 },
        { "over several lines", "$A == 'one'\n  && $B == 'one'", 1 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = { 0 };
        int got = ci_expression_evaluate(cases[i].text, look_up, NULL, &err);

        if (got != cases[i].want)
            fail_msg("%s: %s gives %d: %s", cases[i].why, cases[i].text, got, err.message);
    }
}

static void test_mistakes_are_told_where_they_are(void **unused)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "",
          "a value is missing: a $VARIABLE, a \"string\", a /pattern/ or null at 'the end' of ''" },
        { "$A ==",
          "a value is missing: a $VARIABLE, a \"string\", a /pattern/ or null at 'the end' of "
          "'$A =='" },
        { "$A = \"x\"", "an operator is missing at '= \"x\"' of '$A = \"x\"'" },
        { "$A == one",
          "a value is missing: a $VARIABLE, a \"string\", a /pattern/ or null at 'one' of "
          "'$A == one'" },
        { "$A == \"x", "a string has no end at '\"x' of '$A == \"x'" },
        { "$A =~ /x", "a pattern has no end at '/x' of '$A =~ /x'" },
        { "($A", "a ')' is missing at 'the end' of '($A'" },
        { "$A)", "an operator is missing at ')' of '$A)'" },
        { "$ == 1", "a variable has no name at '$ == 1' of '$ == 1'" },
        { "$A $B", "an operator is missing at '$B' of '$A $B'" },
        { "/x/", "a pattern stands alone, before this at 'the end' of '/x/'" },
        { "$A =~ \"one\"",
          "'one' is no pattern; one is written /re/, with the flags i, s, m or U behind it" },
        { "$A =~ /x/q",
          "'/x/q' is no pattern; one is written /re/, with the flags i, s, m or U behind it" },
        { "$A =~ /(x/", "the pattern /(x/ is broken behind 2 bytes: missing closing parenthesis" },
        { "$NONE && $A =~ /(x/",
          "the pattern /(x/ is broken behind 2 bytes: missing closing parenthesis" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = { 0 };

        if (ci_expression_evaluate(cases[i].text, look_up, NULL, &err) != -EINVAL ||
            !str_eq(err.message, cases[i].want))
            fail_msg("%s: %s", cases[i].text, err.message);
    }
}

/* hardening_40: neither the stack nor the time is the expression's to use up. */
static void test_costly_expressions_are_refused(void **unused)
{
    autobuf struct buf deep = BUF_INIT;
    struct error err = { 0 };

    (void) unused;
    for (int i = 0; i < 10000; i++)
        buf_add_char(&deep, '(');
    assert_int_equal(ci_expression_evaluate(buf_str(&deep), look_up, NULL, &err), -EINVAL);
    assert_non_null(strstr(err.message, "parentheses are nested too deep"));
    assert_int_equal(
        ci_expression_evaluate("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\" =~ "
                               "/^(a+)+$/",
                               look_up, NULL, &err),
        -EINVAL);
    assert_non_null(strstr(err.message, "takes too long here"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions_are_true_or_false),
        cmocka_unit_test(test_mistakes_are_told_where_they_are),
        cmocka_unit_test(test_costly_expressions_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
