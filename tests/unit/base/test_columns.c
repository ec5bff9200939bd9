/* tests/unit/base/test_columns.c - mirrors core/base/columns.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/columns.h"
#include "core/base/str.h"

static void test_text_is_cut_and_filled_by_columns(void **unused)
{
    static const struct {
        const char *why, *text;
        size_t columns;
        const char *want;
    } cases[] = {
        { "short text is filled up", "ab", 4, "ab  " },
        { "text that just fits is whole", "abcd", 4, "abcd" },
        { "the mark of a cut takes a column", "abcde", 4, "abc\xe2\x80\xa6" },
        { "nothing fits into nothing", "a", 0, "" },
        { "two bytes are one column", "\xc3\xa9\xc3\xa9", 3, "\xc3\xa9\xc3\xa9 " },
        { "an ideograph is two columns", "\xe6\xbc\xa2", 3, "\xe6\xbc\xa2 " },
        { "half an ideograph is none", "\xe6\xbc\xa2\xe6\xbc\xa2", 3, "\xe6\xbc\xa2\xe2\x80\xa6" },
        { "an accent of its own takes none", "e\xcc\x81x", 3, "e\xcc\x81x " },
        { "a tab is four spaces", "a\tb", 7, "a    b " },
        { "control bytes are shown", "\x1b[m", 8, "\\x1b[m  " },
        { "so are bytes that are no UTF-8", "\xff", 5, "\\xff " },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf out = BUF_INIT;

        columns_add_padded(&out, cases[i].text, cases[i].columns);
        if (!str_eq(buf_str(&out), cases[i].want))
            fail_msg("%s: '%s'", cases[i].why, buf_str(&out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_cut_and_filled_by_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
