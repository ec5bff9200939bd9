/* tests/unit/base/test_str.c - mirrors core/base/str.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/random.h"
#include "core/base/str.h"

static void test_comparing(void **unused)
{
    assert_true(str_eq("a", "a"));
    assert_false(str_eq("a", "A"));
    assert_false(str_eq(NULL, NULL));
    assert_true(str_empty(NULL));
    assert_true(str_empty(""));
    assert_true(str_starts("abc", ""));
    assert_true(str_starts("abc", "abc"));
    assert_false(str_starts("ab", "abc"));
    assert_true(str_ends("abc", "bc"));
    assert_true(str_ends("abc", ""));
    assert_false(str_ends("bc", "abc"));
}

static void test_copy_fits_or_leaves_nothing(void **unused)
{
    char dst[4] = "xyz";

    assert_int_equal(str_copy(dst, sizeof(dst), "abc"), 0);
    assert_string_equal(dst, "abc");
    assert_int_equal(str_copy(dst, sizeof(dst), "abcd"), -ENAMETOOLONG);
    assert_string_equal(dst, "");
}

static void test_cut_keeps_whole_characters_and_tells_changes(void **unused)
{
    char dst[4] = "";

    assert_true(str_cut(dst, sizeof(dst), "abcd"));
    assert_string_equal(dst, "abc");
    assert_false(str_cut(dst, sizeof(dst), "abcd"));
    assert_false(str_cut(dst, sizeof(dst), "abc"));
    assert_true(str_cut(dst, sizeof(dst), "ab"));
    assert_string_equal(dst, "ab");
    assert_true(str_cut(dst, sizeof(dst), "a\xc3\xa4"));
    assert_string_equal(dst, "a\xc3\xa4");
    assert_true(str_cut(dst, sizeof(dst), "ab\xc3\xa4"));
    assert_string_equal(dst, "ab");
    assert_true(str_cut(dst, sizeof(dst), ""));
    assert_string_equal(dst, "");
}

static void test_numbers(void **unused)
{
    static const struct {
        const char *why, *text;
        int64_t min, max;
        int want;
        int64_t value;
    } cases[] = {
        { "plain", "42", 0, 100, 0, 42 },
        { "negative", "-5", -10, 10, 0, -5 },
        { "leading zeros are decimal", "010", 0, 100, 0, 10 },
        { "the least there is", "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN },
        { "the most there is", "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX },
        { "one more", "9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 77 },
        { "below the range", "0", 1, 5, -ERANGE, 77 },
        { "above the range", "6", 1, 5, -ERANGE, 77 },
        { "nothing", "", 0, 9, -EINVAL, 77 },
        { "a sign alone", "-", 0, 9, -EINVAL, 77 },
        { "plus", "+1", 0, 9, -EINVAL, 77 },
        { "space before", " 1", 0, 9, -EINVAL, 77 },
        { "space behind", "1 ", 0, 9, -EINVAL, 77 },
        { "something behind", "1x", 0, 9, -EINVAL, 77 },
        { "hexadecimal", "0x1", 0, 9, -EINVAL, 77 },
        { "a fraction", "1.0", 0, 9, -EINVAL, 77 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t value = 77;
        int r = parse_i64(cases[i].text, cases[i].min, cases[i].max, &value);

        if (r != cases[i].want || value != cases[i].value)
            fail_msg("%s: got %d %lld", cases[i].why, r, (long long) value);
    }
}

static void test_real_numbers_are_whole_strings(void **unused)
{
    static const struct {
        const char *text;
        int want;
        double value;
    } cases[] = {
        { "0", 0, 0 },          { "12", 0, 12 },       { "0.25", 0, 0.25 },
        { ".5", 0, 0.5 },       { "", -EINVAL, 77 },   { ".", -EINVAL, 77 },
        { "1e3", -EINVAL, 77 }, { "-1", -EINVAL, 77 }, { "1.2.3", -EINVAL, 77 },
        { " 1", -EINVAL, 77 },  { "1 ", -EINVAL, 77 }, { "inf", -EINVAL, 77 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double value = 77;

        if (parse_real(cases[i].text, &value) != cases[i].want || value != cases[i].value)
            fail_msg("'%s': got %f", cases[i].text, value);
    }
}

static void test_durations_are_go_s(void **unused)
{
    static const struct {
        const char *why, *text;
        int want;
        int64_t ms;
    } cases[] = {
        { "zero needs no unit", "0", 0, 0 },
        { "zero with one", "0s", 0, 0 },
        { "seconds", "90s", 0, 90000 },
        { "several units", "1h30m", 0, 5400000 },
        { "as Go prints it", "20m0s", 0, 1200000 },
        { "any order", "5s1h", 0, 3605000 },
        { "a fraction", "1.5h", 0, 5400000 },
        { "a fraction that is not binary", "0.3s", 0, 300 },
        { "a point first", ".5s", 0, 500 },
        { "a point last", "1.s", 0, 1000 },
        { "milliseconds are not minutes", "250ms", 0, 250 },
        { "microseconds", "1500us", 0, 1 },
        { "microseconds with the micro sign", "2000\xc2\xb5s", 0, 2 },
        { "microseconds with the Greek letter", "2000\xce\xbcs", 0, 2 },
        { "nanoseconds are rounded down", "1999999ns", 0, 1 },
        { "negative", "-1m", 0, -60000 },
        { "plus", "+1m", 0, 60000 },
        { "the longest", "2540400h", 0, 9145440000000 },
        { "longer than Go's", "2562048h", -ERANGE, 77 },
        { "absurdly long", "99999999999999999999999999999999h", -ERANGE, 77 },
        { "nothing", "", -EINVAL, 77 },
        { "a sign alone", "-", -EINVAL, 77 },
        { "no unit", "5", -EINVAL, 77 },
        { "no number", "s", -EINVAL, 77 },
        { "a point alone", ".s", -EINVAL, 77 },
        { "two points", "1.2.3s", -EINVAL, 77 },
        { "an unknown unit", "1d", -EINVAL, 77 },
        { "a space", "1 m", -EINVAL, 77 },
        { "a unit missing at the end", "1h30", -EINVAL, 77 },
        { "words", "5 minutes", -EINVAL, 77 },
        { "an exponent", "1e3s", -EINVAL, 77 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = 77;
        int r = parse_duration_ms(cases[i].text, &ms);

        if (r != cases[i].want || ms != cases[i].ms)
            fail_msg("%s: got %d %lld", cases[i].why, r, (long long) ms);
    }
}

static void test_durations_are_printed_as_go_does(void **unused)
{
    static const struct {
        int64_t ms;
        const char *want;
    } cases[] = {
        { 0, "0s" },       { 250, "250ms" },   { 1000, "1s" },          { 1500, "1.5s" },
        { 1050, "1.05s" }, { 90000, "1m30s" }, { 3600000, "1h0m0s" },   { 3661001, "1h1m1.001s" },
        { 60000, "1m0s" }, { -1500, "-1.5s" }, { 86400000, "24h0m0s" }, { 1, "1ms" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf out = BUF_INIT;
        int64_t back = 0;

        format_duration(&out, cases[i].ms);
        assert_string_equal(buf_str(&out), cases[i].want);
        assert_int_equal(parse_duration_ms(buf_str(&out), &back), 0);
        assert_int_equal(back, cases[i].ms);
    }
}

static void test_times_are_printed_in_utc(void **unused)
{
    static const struct {
        int64_t ms;
        const char *want;
    } cases[] = {
        { 0, "1970-01-01T00:00:00Z" },
        { INT64_C(1700000000999), "2023-11-14T22:13:20Z" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf out = BUF_INIT;

        format_utc(&out, cases[i].ms);
        assert_string_equal(buf_str(&out), cases[i].want);
    }
}

static void test_display_shows_what_cannot_harm(void **unused)
{
    static const struct {
        const char *why, *text;
        size_t max;
        const char *want;
    } cases[] = {
        { "plain", "abc", 10, "abc" },
        { "exactly as long as allowed", "abcdef", 6, "abcdef" },
        { "cut", "abcdefg", 6, "abcdef\xe2\x80\xa6" },
        { "never inside a character", "ab\xe2\x82\xac", 4, "ab\xe2\x80\xa6" },
        { "never inside an escape", "ab\n", 4, "ab\xe2\x80\xa6" },
        { "nothing allowed", "a", 0, "\xe2\x80\xa6" },
        { "control bytes", "\x1b]0;t\x07", 99, "\\x1b]0;t\\x07" },
        { "delete", "\x7f", 99, "\\x7f" },
        { "C1 control characters",
          "\xc2\x9b"
          "2J",
          99, "\\xc2\\x9b2J" },
        { "invalid bytes", "a\xff\xfe", 99, "a\\xff\\xfe" },
        { "half a character", "\xe2\x82", 99, "\\xe2\\x82" },
        { "overlong forms", "\xc0\xaf", 99, "\\xc0\\xaf" },
        { "surrogates", "\xed\xa0\x80", 99, "\\xed\\xa0\\x80" },
        { "marks that turn the direction",
          "a\xe2\x80\xae"
          "b",
          99, "a\\xe2\\x80\\xaeb" },
        { "letters of the world", "\xc3\xa9\xe6\x97\xa5\xf0\x9f\x9a\xa2", 99,
          "\xc3\xa9\xe6\x97\xa5\xf0\x9f\x9a\xa2" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf out = BUF_INIT;

        str_display(&out, cases[i].text, strlen(cases[i].text), cases[i].max);
        if (strcmp(buf_str(&out), cases[i].want) != 0)
            fail_msg("%s: got '%s'", cases[i].why, buf_str(&out));
    }
}

static void test_distance(void **unused)
{
    static const struct {
        const char *a, *b;
        size_t limit, want;
    } cases[] = {
        { "token", "token", 3, 0 }, { "tokn", "token", 3, 1 },     { "tokken", "token", 3, 1 },
        { "tiken", "token", 3, 1 }, { "kitten", "sitting", 3, 3 }, { "", "abc", 3, 3 },
        { "abc", "xyz", 2, 3 },     { "a", "abcdefgh", 2, 3 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(str_distance(cases[i].a, cases[i].b, cases[i].limit), cases[i].want);
        assert_int_equal(str_distance(cases[i].b, cases[i].a, cases[i].limit), cases[i].want);
    }
}

static void test_utf8(void **unused)
{
    static const struct {
        const char *why, *text;
        bool want;
    } cases[] = {
        { "nothing", "", true },
        { "ASCII", "abc", true },
        { "the last code point", "\xf4\x8f\xbf\xbf", true },
        { "behind the last", "\xf4\x90\x80\x80", false },
        { "a continuation alone", "\x80", false },
        { "a surrogate", "\xed\xbf\xbf", false },
        { "overlong in three bytes", "\xe0\x80\xaf", false },
        { "overlong in four", "\xf0\x8f\xbf\xbf", false },
        { "cut short", "\xf0\x9f\x9a", false },
        { "five bytes", "\xf8\x88\x80\x80\x80", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (utf8_valid(cases[i].text, strlen(cases[i].text)) != cases[i].want)
            fail_msg("%s", cases[i].why);
    assert_true(utf8_valid("a\0b", 3));
}

static void test_secret_comparison(void **unused)
{
    assert_true(mem_equal_secret("abc", "abc", 3));
    assert_false(mem_equal_secret("abc", "abd", 3));
    assert_false(mem_equal_secret("abc", "bbc", 3));
    assert_true(mem_equal_secret("a", "b", 0));
}

static void test_base64_known_values(void **unused)
{
    static const struct {
        const char *data, *text;
    } cases[] = { { "", "" },
                  { "f", "Zg==" },
                  { "fo", "Zm8=" },
                  { "foo", "Zm9v" },
                  { "foob", "Zm9vYg==" },
                  { "fooba", "Zm9vYmE=" },
                  { "\xff\xfe", "//4=" } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf out = BUF_INIT;

        assert_int_equal(base64_encode(&out, cases[i].data, strlen(cases[i].data)), 0);
        assert_string_equal(buf_str(&out), cases[i].text);
    }
}

static void test_hex(void **unused)
{
    char text[9];

    hex_encode(text, "\x00\x0f\xa0\xff", 4);
    assert_string_equal(text, "000fa0ff");
    hex_encode(text, "", 0);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_copy_fits_or_leaves_nothing),
        cmocka_unit_test(test_cut_keeps_whole_characters_and_tells_changes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_real_numbers_are_whole_strings),
        cmocka_unit_test(test_durations_are_go_s),
        cmocka_unit_test(test_durations_are_printed_as_go_does),
        cmocka_unit_test(test_times_are_printed_in_utc),
        cmocka_unit_test(test_display_shows_what_cannot_harm),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_secret_comparison),
        cmocka_unit_test(test_base64_known_values),
        cmocka_unit_test(test_hex),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
