/* tests/unit/base/test_error.c - mirrors core/base/error.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/error.h"

static void test_set_returns_the_code_and_keeps_the_sentence(void **unused)
{
    struct error err = { 0 };

    assert_int_equal(error_set(&err, -EINVAL, "job %d: %s", 7, "no id"), -EINVAL);
    assert_int_equal(err.code, -EINVAL);
    assert_string_equal(err.message, "job 7: no id");
}

static void test_null_is_allowed_everywhere(void **unused)
{
    assert_int_equal(error_set(NULL, -EINVAL, "x"), -EINVAL);
    assert_int_equal(error_errno(NULL, -ENOENT, "x"), -ENOENT);
    assert_int_equal(error_wrap(NULL, -EIO, "x"), -EIO);
}

static void test_errno_adds_what_the_system_says(void **unused)
{
    struct error err = { 0 };

    assert_int_equal(error_errno(&err, -ENOENT, "key %s", "a.pem"), -ENOENT);
    assert_string_equal(err.message, "key a.pem: No such file or directory");
    (void) error_errno(&err, -99999, "odd");
    assert_string_equal(err.message, "odd: unknown error");
}

static void test_wrap_puts_the_outer_before_the_inner(void **unused)
{
    struct error err = { 0 };

    (void) error_set(&err, -ENOENT, "no such key");
    assert_int_equal(error_wrap(&err, -EACCES, "runner '%s'", "a"), -EACCES);
    assert_int_equal(err.code, -EACCES);
    assert_string_equal(err.message, "runner 'a': no such key");
}

static void test_old_sentence_may_be_an_argument(void **unused)
{
    struct error err = { 0 };

    (void) error_set(&err, -EIO, "inner");
    (void) error_set(&err, -EIO, "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
}

static void test_long_sentence_is_cut_between_characters(void **unused)
{
    static const struct {
        const char *why, *character;
    } cases[] = {
        { "one byte each", "x" },
        { "two bytes, the limit falls inside one", "\xc3\xa9" },
        { "three bytes", "\xe2\x82\xac" },
        { "four bytes", "\xf0\x9f\x9a\xa2" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t unit = strlen(cases[i].character);
        struct error err = { 0 };
        char text[1024] = "";

        for (size_t at = 0; at + unit < sizeof(text); at += unit)
            memcpy(text + at, cases[i].character, unit);
        (void) error_set(&err, -EIO, "%s", text);
        if (strlen(err.message) != (sizeof(err.message) - 1) / unit * unit ||
            strncmp(err.message, text, strlen(err.message)) != 0)
            fail_msg("%s: %zu bytes", cases[i].why, strlen(err.message));
        (void) error_wrap(&err, -EIO, "outer");
        assert_true(strlen(err.message) < sizeof(err.message));
        assert_memory_equal(err.message, "outer: ", 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_returns_the_code_and_keeps_the_sentence),
        cmocka_unit_test(test_null_is_allowed_everywhere),
        cmocka_unit_test(test_errno_adds_what_the_system_says),
        cmocka_unit_test(test_wrap_puts_the_outer_before_the_inner),
        cmocka_unit_test(test_old_sentence_may_be_an_argument),
        cmocka_unit_test(test_long_sentence_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
