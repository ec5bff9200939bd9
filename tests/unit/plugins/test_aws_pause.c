/* tests/unit/plugins/test_aws_pause.c - mirrors plugins/aws/pause.c: how long AWS is left alone after a failure. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "plugins/aws/aws.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define NOW INT64_C(1000000)
#define SECOND INT64_C(1000)

static void test_pauses_grow_up_to_a_limit_and_end_with_a_success(void **state)
{
    static const int64_t lengths[] = { 30, 60, 120, 240, 300, 300 };
    const struct aws_failure failure = { .text = "AWS is down" };
    struct aws_pause pause = { 0 };

    (void) state;
    assert_false(pause_lasts(&pause, NOW));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(lengths); i++) {
            pause_begin(&pause, &failure, NOW);
            assert_true(pause_lasts(&pause, NOW + lengths[i] * SECOND - 1));
            assert_false(pause_lasts(&pause, NOW + lengths[i] * SECOND));
            assert_string_equal(pause.failure.text, "AWS is down");
        }
        pause_end(&pause);
        assert_false(pause_lasts(&pause, NOW));
    }
}

static void test_the_advice_of_the_service_is_the_least(void **state)
{
    const struct aws_failure long_one = { .retry_after_ms = 900 * SECOND };
    const struct aws_failure short_one = { .retry_after_ms = 1 * SECOND };
    struct aws_pause pause = { 0 };

    (void) state;
    pause_begin(&pause, &long_one, NOW);
    assert_true(pause_lasts(&pause, NOW + 900 * SECOND - 1));
    assert_false(pause_lasts(&pause, NOW + 900 * SECOND));
    pause_begin(&pause, &short_one, NOW);
    assert_true(pause_lasts(&pause, NOW + 60 * SECOND - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_grow_up_to_a_limit_and_end_with_a_success),
        cmocka_unit_test(test_the_advice_of_the_service_is_the_least),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
