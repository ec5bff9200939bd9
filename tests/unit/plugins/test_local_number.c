/* tests/unit/plugins/test_local_number.c - mirrors plugins/local/number.c. */
#include "plugins/local/local.h"

#include <setjmp.h>
#include <stdarg.h>

/* After the provider's header, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

static void test_a_number_is_the_whole_text_within_its_range(void **unused)
{
    static const struct {
        const char *why, *text;
        int64_t max, want; /* want -1: refused */
    } cases[] = {
        { "the least", "0", 9, 0 },
        { "the most", "9", 9, 9 },
        { "above it", "10", 9, -1 },
        { "a digit above it", "9", 8, -1 },
        { "zeros in front", "007", 7, 7 },
        { "the largest there is", "9223372036854775807", INT64_MAX, INT64_MAX },
        { "one more", "9223372036854775808", INT64_MAX, -1 },
        { "far more", "99999999999999999999", INT64_MAX, -1 },
        { "the newline of a file", "5\n", 9, 5 },
        { "two of them", "5\n\n", 9, -1 },
        { "nothing", "", 9, -1 },
        { "only a newline", "\n", 9, -1 },
        { "rubbish behind", "5x", 9, -1 },
        { "rubbish in front", "x5", 9, -1 },
        { "white space", " 5", 9, -1 },
        { "signs", "+5", 9, -1 },
        { "other signs", "-5", 9, -1 },
        { "hexadecimal digits", "a", 99, -1 },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t got = -1;
        bool ok = number_parse(cases[i].text, cases[i].max, &got);

        if (got != cases[i].want || ok != (cases[i].want >= 0))
            fail_msg("%s: %s, %lld", cases[i].why, ok ? "taken" : "refused", (long long) got);
    }
}

static void test_digits_are_taken_up_to_what_is_none(void **unused)
{
    const char *at = "1fF:10";
    uint64_t number = 0;

    (void) unused;
    assert_true(number_take(&at, 16, UINT16_MAX, &number));
    assert_int_equal(number, 0x1ff);
    assert_string_equal(at, ":10");
    assert_false(number_take(&at, 16, UINT16_MAX, &number));
    assert_string_equal(at, ":10");
    at++;
    assert_true(number_take(&at, 10, UINT64_MAX, &number));
    assert_int_equal(number, 10);
    assert_string_equal(at, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_number_is_the_whole_text_within_its_range),
        cmocka_unit_test(test_digits_are_taken_up_to_what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
