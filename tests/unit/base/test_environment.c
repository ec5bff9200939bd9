/* tests/unit/base/test_environment.c - mirrors core/base/environment.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/autoclean.h"
#include "core/base/environment.h"

static bool holds(char **environment, const char *entry)
{
    for (; *environment; environment++)
        if (strcmp(*environment, entry) == 0)
            return true;
    return false;
}

static void test_variables_with_a_prefix_stay_behind(void **unused)
{
    static const char *const prefixes[] = { "FLT_A_", "FLT_B", NULL };
    autofree char **copy = NULL;

    (void) unused;
    assert_int_equal(
        setenv("FLT_A_ONE", "1", 1) | setenv("FLT_B", "2", 1) | setenv("FLT_A", "3", 1), 0);
    copy = environment_without(prefixes);
    assert_non_null(copy);
    assert_false(holds(copy, "FLT_A_ONE=1"));
    assert_false(holds(copy, "FLT_B=2"));
    assert_true(holds(copy, "FLT_A=3"));
}

static void test_or_come_alone(void **unused)
{
    static const char *const prefixes[] = { "FLT_A_", "FLT_B", NULL };
    autofree char **copy = NULL;

    (void) unused;
    copy = environment_with(prefixes); /* of the variables above */
    assert_non_null(copy);
    assert_true(holds(copy, "FLT_A_ONE=1"));
    assert_true(holds(copy, "FLT_B=2"));
    assert_false(holds(copy, "FLT_A=3"));
    assert_null(copy[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables_with_a_prefix_stay_behind),
        cmocka_unit_test(test_or_come_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
