/* tests/unit/base/test_token.c - mirrors core/base/token.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/base/token.h"

static void test_coordinator_V21_short_token(void **unused)
{
    static const struct {
        const char *token, *want;
    } cases[] = {
        { "glrt-t1_k9XyZ012345", "k9XyZ0123" },
        { "glcbt-64_abcdefgh", "64_abcdef" },
        { "GR1348941abcdef", "abcdef" },
        { "abc", "abc" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[TOKEN_SHORT_SIZE];

        token_shorten(cases[i].token, got);
        assert_string_equal(got, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinator_V21_short_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
