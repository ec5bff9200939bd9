/* tests/unit/simulate/test_workload.c - mirrors core/simulate/workload.c and workload_csv.c */
#include <math.h>

#include "core/base/mem.h"
#include "tests/unit/simulate/fixture.h"

#define BEGIN WORKLOAD_BEGIN_MS

static void test_rows_of_a_table(void **unused)
{
    static const struct {
        const char *why, *text;
        int64_t arrival_ms, duration_ms; /* of the first in time */
        size_t n;
    } rows[] = {
        { "seconds", "10,60\n20,30\n", BEGIN + 10000, 60000, 2 },
        { "no newline at the end", "10,60", BEGIN + 10000, 60000, 1 },
        { "fractions", "0.5,0.25\n", BEGIN + 500, 250, 1 },
        { "a header", "arrival,duration\n10,60\n", BEGIN + 10000, 60000, 1 },
        { "other columns", "id,Duration,name,Arrival\n7,60,\"a job\",10\n", BEGIN + 10000, 60000,
          1 },
        { "quotes, blanks and carriage returns", "\"10\", 60 \r\n", BEGIN + 10000, 60000, 1 },
        { "empty lines", "\n10,60\n\n", BEGIN + 10000, 60000, 1 },
        { "durations with units", "10,1m30s\n", BEGIN + 10000, 90000, 1 },
        { "out of order", "20,30\n10,60\n", BEGIN + 10000, 60000, 2 },
        { "times", "2024-01-01T00:00:10Z,60\n", BEGIN + 10000, 60000, 1 },
        { "times of a zone", "2024-01-01 02:00:10.5+02:00,60\n", BEGIN + 10500, 60000, 1 },
        { "a day", "2024-01-02,60\n", BEGIN + DAY, 60000, 1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct workload workload = { 0 };
        struct error err = { 0 };

        if (workload_read_csv(&workload, rows[i].text, strlen(rows[i].text), "t", &err) < 0 ||
            workload_finish(&workload, &err) < 0)
            fail_msg("%s: %s", rows[i].why, err.message);
        if (workload.n != rows[i].n || workload.jobs[0].arrival_ms != rows[i].arrival_ms ||
            workload.jobs[0].duration_ms != rows[i].duration_ms)
            fail_msg("%s: %lld, %lld", rows[i].why, (long long) workload.jobs[0].arrival_ms,
                     (long long) workload.jobs[0].duration_ms);
        workload_done(&workload);
    }
}

static void test_bad_rows_are_told_with_their_line(void **unused)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "10,60\nx,5\n", "t:2: 'x' is no arrival: it is a time such as 2026-05-04T12:00:00Z, or a "
                          "number of seconds since the start" },
        { "arrival,duration\n1,2\n\n3,-4\n",
          "t:4: '-4' is no duration: it is a number of seconds, or a time such as 5m30s" },
        { "10\n", "t:1: a row needs an arrival and a duration" },
        { "arrival,length\n", "t:1: 'arrival' is no arrival" },
        { "2024-02-30T00:00:00Z,1\n", "t:1: '2024-02-30T00:00:00Z' is no arrival" },
        { "2024-01-01T24:30:00Z,1\n", "no arrival" },
        { "2024-01-01T00:00:00X,1\n", "no arrival" },
        { "\x1b[2J,1\n", "t:1: '\\x1b[2J' is no arrival" },
        { "", "there are no jobs to simulate" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct workload workload = { 0 };
        struct error err = { 0 };
        int r = workload_read_csv(&workload, rows[i].text, strlen(rows[i].text), "t", &err);

        if (r == 0)
            r = workload_finish(&workload, &err);
        if (r >= 0 || !strstr(err.message, rows[i].want))
            fail_msg("'%s': %s", rows[i].text, err.message);
        workload_done(&workload);
    }
}

static void test_a_line_that_is_no_text(void **unused)
{
    static const char nul[] = "1,2\n3\0,4\n";
    char *longest = mem_alloc(10000);
    struct workload workload = { 0 };
    struct error err = { 0 };

    assert_int_equal(workload_read_csv(&workload, nul, sizeof(nul) - 1, "t", &err), -EINVAL);
    assert_string_equal(err.message, "t:2: this is no line of text");
    memset(longest, '1', 10000);
    assert_int_equal(workload_read_csv(&workload, longest, 10000, "t", &err), -EINVAL);
    assert_string_equal(err.message, "t:1: this is no line of text");
    free(longest);
    workload_done(&workload);
}

static void test_times_that_are_not_simulated(void **unused)
{
    static const struct {
        int64_t begin_ms, end_ms, arrival_ms, duration_ms;
        const char *want; /* NULL = it is simulated */
    } rows[] = {
        { 0, 0, HOUR, MINUTE, NULL },
        { 0, 0, HOUR - 1, MINUTE, "times before 1970" },
        { -DAY, 0, HOUR, MINUTE, "times before 1970" },
        { BEGIN, BEGIN + 3660 * DAY, BEGIN, MINUTE, NULL },
        { BEGIN, BEGIN + 3660 * DAY + 1, BEGIN, MINUTE, "3661 days are too long to simulate" },
        { BEGIN, 0, BEGIN, 3660 * DAY - HOUR, NULL },
        { BEGIN, 0, BEGIN, 3660 * DAY, "3661 days are too long to simulate" },
        { BEGIN, BEGIN + DAY, BEGIN, 9999 * DAY, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct workload workload = { .begin_ms = rows[i].begin_ms, .end_ms = rows[i].end_ms };
        struct error err = { 0 };
        int r;

        assert_int_equal(workload_add(&workload, rows[i].arrival_ms, rows[i].duration_ms), 0);
        r = workload_finish(&workload, &err);
        if (rows[i].want ? r >= 0 || !strstr(err.message, rows[i].want) : r < 0)
            fail_msg("row %zu: %d, '%s'", i, r, err.message);
        workload_done(&workload);
    }
}

static void test_the_time_that_is_simulated(void **unused)
{
    struct workload open = { 0 }, closed = { .begin_ms = BEGIN, .end_ms = BEGIN + DAY },
                    late = { .begin_ms = BEGIN + DAY };
    struct error err = { 0 };

    assert_int_equal(workload_add(&open, BEGIN + 90 * MINUTE, 30 * MINUTE), 0);
    assert_int_equal(workload_finish(&open, NULL), 0);
    assert_true(open.begin_ms == BEGIN + HOUR && open.end_ms == BEGIN + 3 * HOUR);
    assert_int_equal(workload_add(&closed, BEGIN + 2 * DAY, 1), 0);
    assert_int_equal(workload_finish(&closed, NULL), 0);
    assert_true(closed.begin_ms == BEGIN && closed.end_ms == BEGIN + DAY);
    assert_int_equal(workload_add(&late, BEGIN, 1), 0);
    assert_int_equal(workload_finish(&late, &err), -EINVAL);
    assert_non_null(strstr(err.message, "name an earlier start"));
    workload_done(&open);
    workload_done(&closed);
    workload_done(&late);
}

static struct workload days(int64_t n)
{
    return (struct workload) { .begin_ms = BEGIN, .end_ms = BEGIN + n * DAY };
}

static size_t count_between(const struct workload *workload, int64_t from_ms, int64_t to_ms)
{
    size_t n = 0;

    for (size_t i = 0; i < workload->n; i++) {
        int64_t of_day = (workload->jobs[i].arrival_ms - BEGIN) % DAY;

        n += of_day >= from_ms && of_day < to_ms;
    }
    return n;
}

static void test_generators(void **unused)
{
    const struct distribution minute = fixed(MINUTE);
    struct workload poisson = days(10), daily = days(10), burst = days(1);
    struct rng_seeded rng;

    rng_seed(&rng, 3);
    assert_int_equal(workload_poisson(&poisson, 1000, DAY, &minute, &rng.rng), 0);
    assert_in_range(poisson.n, 9700, 10300); /* three deviations */
    assert_in_range(count_between(&poisson, 0, 6 * HOUR), 2350, 2650);

    assert_int_equal(workload_daily(&daily, &(struct workload_wave) { 110, 10 }, &minute, &rng.rng),
                     0);
    /* Its mean is in the middle; an hour around 14:00 and one around 2:00. */
    assert_in_range(daily.n, 60 * 240 - 360, 60 * 240 + 360);
    assert_in_range(count_between(&daily, 13 * HOUR + 30 * MINUTE, 14 * HOUR + 30 * MINUTE), 990,
                    1200);
    assert_in_range(count_between(&daily, HOUR + 30 * MINUTE, 2 * HOUR + 30 * MINUTE), 70, 135);

    assert_int_equal(workload_burst(&burst, 50, BEGIN + 9 * HOUR, &minute, &rng.rng), 0);
    assert_int_equal(count_between(&burst, 9 * HOUR, 9 * HOUR + 1), 50);
    workload_done(&poisson);
    workload_done(&daily);
    workload_done(&burst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_a_table),
        cmocka_unit_test(test_bad_rows_are_told_with_their_line),
        cmocka_unit_test(test_a_line_that_is_no_text),
        cmocka_unit_test(test_the_time_that_is_simulated),
        cmocka_unit_test(test_times_that_are_not_simulated),
        cmocka_unit_test(test_generators),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
