/* tests/unit/simulate/test_distribution.c - mirrors core/simulate/distribution.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "core/base/str.h"
#include "core/simulate/distribution.h"

#define DRAWS 200000

static void test_means_and_medians_are_those_that_are_named(void **unused)
{
    static const struct {
        const char *text;
        double mean_ms, median_ms, deviation_ms;
    } rows[] = {
        { "40s", 40000, 40000, 0 },
        { "fixed:1h", 3600000, 3600000, 0 },
        { "uniform:10s,60s", 35000, 35000, 14434 },
        { "exponential:5m", 300000, 207944, 300000 },
        { "lognormal:40s,0.3", 41841, 40000, 12840 },
        { "1d", 86400000, 86400000, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct distribution distribution;
        struct rng_seeded rng;
        double sum = 0, squares = 0, mean, deviation;
        int below = 0;

        rng_seed(&rng, i);
        assert_int_equal(distribution_parse(rows[i].text, &distribution, NULL), 0);
        for (int k = 0; k < DRAWS; k++) {
            double ms = (double) distribution_draw_ms(&distribution, &rng.rng);

            assert_true(ms >= 0);
            sum += ms;
            squares += ms * ms;
            below += ms <= rows[i].median_ms;
        }
        mean = sum / DRAWS;
        deviation = sqrt(fmax(squares / DRAWS - mean * mean, 0));
        if (fabs(mean - rows[i].mean_ms) > 0.01 * rows[i].mean_ms ||
            fabs(deviation - rows[i].deviation_ms) > 0.02 * rows[i].mean_ms)
            fail_msg("%s: mean %.0f, deviation %.0f", rows[i].text, mean, deviation);
        if (rows[i].deviation_ms > 0)
            assert_in_range(below, DRAWS * 49 / 100, DRAWS * 51 / 100);
    }
}

static void test_what_is_no_distribution_is_refused(void **unused)
{
    static const char *const rows[] = { "",
                                        "40",
                                        "s",
                                        "normal:4s",
                                        "lognormal:4s",
                                        "lognormal:4s,x",
                                        "uniform:1s",
                                        "exponential:5m,2",
                                        "fixed:1s,2s",
                                        "-4s",
                                        "1.5d",
                                        "uniform:1s,-2s",
                                        "uniform:9s,1s" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct distribution distribution = { .first_ms = 77 };
        struct error err = { 0 };

        if (distribution_parse(rows[i], &distribution, &err) != -EINVAL ||
            distribution.first_ms != 77 || !strstr(err.message, "it is such as 40s"))
            fail_msg("'%s' is taken: %s", rows[i], err.message);
    }
}

static void test_periods_have_days(void **unused)
{
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        { "30d", INT64_C(30) * 86400000 },
        { "1d12h", 129600000 },
        { "90s", 90000 },
        { "0", 0 },
        { "", -1 },
        { "d", -1 },
        { "30", -1 },
        { "-1s", -1 },
        { "1dd", -1 },
        { "1d5", -1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = -1;
        int r = parse_period_ms(rows[i].text, &ms);

        if (ms != rows[i].want || (r == 0) != (rows[i].want >= 0))
            fail_msg("'%s': got %lld", rows[i].text, (long long) ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_means_and_medians_are_those_that_are_named),
        cmocka_unit_test(test_what_is_no_distribution_is_refused),
        cmocka_unit_test(test_periods_have_days),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
