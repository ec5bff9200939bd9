/* tests/unit/simulate/test_result.c - mirrors core/simulate/result.c and table.c */
#include "core/base/mem.h"
#include "tests/unit/simulate/fixture.h"

/* Waits of 1 to n seconds, in another order. */
static struct result with_waits(size_t n)
{
    struct result result = { .n_waits = n };

    result.waits_ms = mem_array(n + 1, sizeof(*result.waits_ms));
    assert_non_null(result.waits_ms);
    for (size_t i = 0; i < n; i++)
        result.waits_ms[(i * 7) % n] = ((int64_t) i + 1) * SECOND;
    result_sort_waits(&result);
    return result;
}

static void test_quantiles_are_waits_that_happened(void **unused)
{
    struct result hundred = with_waits(100), one = with_waits(1), none = with_waits(0);

    assert_int_equal(result_wait_ms(&hundred, 0.5), 50 * SECOND);
    assert_int_equal(result_wait_ms(&hundred, 0.95), 95 * SECOND);
    assert_int_equal(result_wait_ms(&hundred, 0.99), 99 * SECOND);
    assert_int_equal(result_wait_ms(&hundred, 1), 100 * SECOND);
    assert_int_equal(result_wait_ms(&hundred, 0), SECOND);
    assert_int_equal(result_mean_wait_ms(&hundred), 50500);
    assert_int_equal(result_wait_ms(&one, 0.5), SECOND);
    assert_int_equal(result_wait_ms(&none, 0.5), 0);
    assert_int_equal(result_mean_wait_ms(&none), 0);
    result_done(&hundred);
    result_done(&one);
    result_done(&none);
}

static void test_shares(void **unused)
{
    const struct result
        result = { .end_ms = 10 * HOUR,
                   .use_ms = { [USE_BUSY] = 6 * HOUR, [USE_IDLE] = 3 * HOUR, [USE_BOOTING] = HOUR },
                   .slots_ms = 20 * HOUR,
                   .busy_slots_ms = 5 * HOUR },
        nothing = { 0 };

    assert_true(result_waste(&result) > 0.399 && result_waste(&result) < 0.401);
    assert_true(result_mean_instances(&result) == 1);
    assert_true(result_slots_used(&result) == 0.25);
    assert_true(result_waste(&nothing) == 0);
    assert_true(result_mean_instances(&nothing) == 0);
}

static void test_the_table_stands_side_by_side(void **unused)
{
    struct result results[2] = { with_waits(100), with_waits(10) };
    autobuf struct buf table = BUF_INIT;

    results[0].name = mem_strdup("a.toml");
    results[1].name = mem_strdup("a-longer-name-of-a-file-than-that.toml");
    results[0].done = 100;
    results[1].done = 10;
    results[1].cost_micros = 1234567;
    results[1].removals[REASON_USES_SPENT] = 9;
    result_table(results, 2, &table);
    assert_non_null(strstr(buf_str(&table), "a.toml"));
    assert_non_null(strstr(buf_str(&table), "  done                               100    "));
    assert_non_null(strstr(buf_str(&table), "95.0 s"));
    assert_non_null(strstr(buf_str(&table), "1.23\n"));
    assert_non_null(strstr(buf_str(&table), "removed: uses_spent"));
    assert_null(strstr(buf_str(&table), "removed: idle_too_long"));
    /* Every line ends in the same column, that of the longer name. */
    for (const char *line = buf_str(&table), *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        assert_int_equal(end - line, 26 + 14 + 40);
    }
    result_done(&results[0]);
    result_done(&results[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles_are_waits_that_happened),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_the_table_stands_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
