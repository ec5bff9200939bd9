/* tests/unit/base/test_regex.c - mirrors core/base/regex.c. What .gitlab-ci.yml makes of it is in
 * tests/unit/exec/test_ci_expression.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/regex.h"
#include "core/base/str.h"

static struct regex *compile(const char *text)
{
    struct regex *regex = NULL;
    struct error err = { 0 };

    if (regex_new(text, strlen(text), "", &regex, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return regex;
}

static void test_it_matches_somewhere_as_re2_does(void **unused)
{
    static const struct {
        const char *regex, *text;
        int want;
    } cases[] = {
        { "", "", 1 },           { "", "12", 1 },        { "1", "312", 1 },
        { "^1", "312", 0 },      { "^\\d+$", "12", 1 },  { "^\\d+$", "+Inf", 0 },
        { "^\\d+$", "12\n", 0 }, { "^.$", "\u00e4", 1 }, { "(?i)inf", "+Inf", 1 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(regex_free) struct regex *regex = compile(cases[i].regex);

        if (regex_match(regex, cases[i].text, REGEX_STEPS_MAX, NULL) != cases[i].want)
            fail_msg("%s in %s", cases[i].regex, cases[i].text);
    }
}

static void test_what_is_broken_is_said_with_its_place(void **unused)
{
    static const struct {
        const char *regex, *want;
    } cases[] = {
        { "(x", "broken behind 2 bytes: missing closing parenthesis" },
        { "[", "broken behind 1 byte: missing terminating ] for character class" },
    };
    struct regex *untouched = (struct regex *) 1, *regex = untouched;
    char longest[4098];
    struct error err = { 0 };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(regex_new(cases[i].regex, strlen(cases[i].regex), "", &regex, &err),
                         -EINVAL);
        assert_string_equal(err.message, cases[i].want);
    }
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(regex_new(longest, 4097, "", &regex, &err), -EINVAL);
    assert_string_equal(err.message, "longer than 4096 bytes");
    assert_ptr_equal(regex, untouched);
}

static void test_text_that_is_no_utf8_is_told(void **unused)
{
    static const char *const texts[] = { "\xff", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "\xc3" };
    auto_ptr(regex_free) struct regex *regex = compile("x");

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct error err = { 0 };

        assert_int_equal(regex_match(regex, texts[i], REGEX_STEPS_MAX, &err), -EINVAL);
        assert_string_equal(err.message, "takes too long here, or the text is no UTF-8");
    }
}

/* Each would take hours: the steps double with each byte of the text. */
static void test_steps_are_counted(void **unused)
{
    static const char *const hostile[] = { "^(a+)+$",
                                           "^(a|a)*$",
                                           "^(a*)*$",
                                           "^(?:a|aa)+$",
                                           "^((a{0,9}){0,9}){0,9}$",
                                           "(.*)*(.*)*(.*)*[0-9]" };
    const char *text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaax";

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        auto_ptr(regex_free) struct regex *regex = compile(hostile[i]);

        if (regex_match(regex, text, 10000, NULL) != -EINVAL)
            fail_msg("%s has an answer", hostile[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_matches_somewhere_as_re2_does),
        cmocka_unit_test(test_what_is_broken_is_said_with_its_place),
        cmocka_unit_test(test_text_that_is_no_utf8_is_told),
        cmocka_unit_test(test_steps_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
