/* tests/unit/sdk/test_retry.c - mirrors sdk/lib/retry.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sdk/lib/retry.h"

static void test_waits_double_and_half_of_each_is_chance(void **unused)
{
    static const struct {
        const char *reason;
        enum flt_retry_why why;
        int attempt;
        int64_t least, most;
    } rows[] = {
        { "a failure is tried again soon", FLT_RETRY_FAILED, 1, 100, 200 },
        { "then later", FLT_RETRY_FAILED, 2, 200, 400 },
        { "and later", FLT_RETRY_FAILED, 4, 800, 1600 },
        { "who asks too often waits longer", FLT_RETRY_THROTTLED, 1, 500, 1000 },
        { "and doubles, too", FLT_RETRY_THROTTLED, 3, 2000, 4000 },
        { "never more than 20 s", FLT_RETRY_FAILED, 60, 10000, 20000 },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t span = rows[i].most - rows[i].least;

        for (uint64_t random = 0; random < 60000; random += 7) {
            int64_t wait = flt_retry_wait_ms(rows[i].why, rows[i].attempt, -1, random);

            if (wait != rows[i].least + (int64_t) (random % (uint64_t) (span + 1)))
                fail_msg("%s: %lld with %llu", rows[i].reason, (long long) wait,
                         (unsigned long long) random);
        }
    }
}

static void test_advice_of_the_server_is_the_least(void **unused)
{
    (void) unused;
    assert_int_equal(flt_retry_wait_ms(FLT_RETRY_FAILED, 1, 0, 0), 100);
    assert_int_equal(flt_retry_wait_ms(FLT_RETRY_FAILED, 1, 5000, 0), 5000);
    assert_int_equal(flt_retry_wait_ms(FLT_RETRY_THROTTLED, 5, 5000, 0), 8000);
}

static void test_the_fifth_attempt_is_the_last(void **unused)
{
    struct flt_retry_budget budget = { 0 };

    (void) unused;
    for (int attempt = 1; attempt <= 4; attempt++)
        assert_true(flt_retry_take(&budget, FLT_RETRY_FAILED, attempt, 1000));
    assert_false(flt_retry_take(&budget, FLT_RETRY_FAILED, 5, 1000));
    assert_int_equal(budget.tokens, FLT_RETRY_BUDGET - 4 * 5);
}

/* How many first repetitions the budget pays at one moment. */
static int count_paid(struct flt_retry_budget *budget, enum flt_retry_why why, int64_t now_ms)
{
    int n = 0;

    while (flt_retry_take(budget, why, 1, now_ms))
        n++;
    return n;
}

static void test_repetitions_are_paid_from_a_budget_that_fills_with_time(void **unused)
{
    struct flt_retry_budget budget = { 0 }, throttled = { 0 };

    (void) unused;
    assert_int_equal(count_paid(&throttled, FLT_RETRY_THROTTLED, 1), 10);
    assert_int_equal(count_paid(&budget, FLT_RETRY_FAILED, 1000), 20);
    assert_int_equal(count_paid(&budget, FLT_RETRY_FAILED, 5999), 0);
    assert_int_equal(count_paid(&budget, FLT_RETRY_FAILED, 6000), 1);
    assert_int_equal(count_paid(&budget, FLT_RETRY_FAILED, 16000), 2);
    assert_int_equal(count_paid(&budget, FLT_RETRY_FAILED, 15000),
                     0); /* no clock goes back, but if */
    assert_int_equal(count_paid(&budget, FLT_RETRY_FAILED, INT64_MAX),
                     20); /* never more than full */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_double_and_half_of_each_is_chance),
        cmocka_unit_test(test_advice_of_the_server_is_the_least),
        cmocka_unit_test(test_the_fifth_attempt_is_the_last),
        cmocka_unit_test(test_repetitions_are_paid_from_a_budget_that_fills_with_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
