/* tests/unit/supervisor/test_queuing.c - mirrors core/supervisor/queuing.c: which entry holds, and whether a job
 * waited for too long by it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/supervisor/queuing.h"

#define PERIOD(text) .periods = (char *[]) { (char *) (text) }, .n_periods = 1
#define ALWAYS PERIOD("* * * * *")
#define ZONE(name) .timezone = (char *) (name)
#define RUNNING(regex) .running = (char *) (regex)

/* "2026-03-30 06:00:00" of UTC, a Monday */
static int64_t utc_ms(const char *text)
{
    struct tm date = { 0 };

    assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &date));
    return timegm(&date) * 1000;
}

static struct queuing *make(struct config_queuing *given, size_t count)
{
    const struct config_monitoring monitoring = { .queuing = given, .n_queuing = count };
    struct queuing *queuing = NULL;
    struct error err = { 0 };

    if (queuing_new(&monitoring, &queuing, &err) < 0)
        fail_msg("%s", err.message);
    return queuing;
}

static void test_the_last_entry_that_holds_is_the_one(void **unused)
{
    struct config_queuing given[] = {
        { ALWAYS, .threshold_ms = 1000 },
        { PERIOD("0 * 8-15 * * mon-fri *"), ZONE("Europe/Berlin"), .threshold_ms = 2000 },
        { PERIOD("* 3 * * * *"), ZONE("UTC"), .threshold_ms = 3000 },
        { .threshold_ms = 4000 }, /* without periods: never */
    };
    static const struct {
        const char *at;
        size_t want;
    } cases[] = {
        { "2026-03-30 05:59:59", 0 }, /* Berlin is two hours ahead */
        { "2026-03-30 06:00:00", 1 }, { "2026-03-30 13:59:59", 1 }, { "2026-03-30 14:00:00", 0 },
        { "2026-03-29 10:00:00", 0 }, { "2026-03-30 03:00:00", 2 }, { "2026-03-30 03:59:59", 2 },
        { "2026-01-05 06:59:59", 0 }, { "2026-01-05 07:00:00", 1 }, /* and one in winter */
    };
    auto_ptr(queuing_free) struct queuing *queuing = make(given, ARRAY_LEN(given));

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t at_ms = utc_ms(cases[i].at);
        double limit_s = (double) cases[i].want + 1;

        if (queuing_at(queuing, at_ms) != cases[i].want ||
            queuing_exceeded(queuing, at_ms, limit_s, "0", NULL) != 0 ||
            queuing_exceeded(queuing, at_ms, limit_s + 0.001, "0", NULL) != 1)
            fail_msg("%s", cases[i].at);
    }
}

/* It wins whole: what is not acceptable by one further up is not asked. */
static void test_nothing_is_counted_where_none_holds_or_none_is_wanted(void **unused)
{
    struct config_queuing never[] = { { .threshold_ms = 1 } };
    struct config_queuing off[] = { { ALWAYS, .threshold_ms = 1 }, { ALWAYS } };
    struct config_queuing other[] = { { ALWAYS, .threshold_ms = 1 },
                                      { ALWAYS, .threshold_ms = 1, RUNNING("^0$") } };
    auto_ptr(queuing_free) struct queuing *a = make(never, 1), *b = make(off, 2),
                                          *c = make(other, 2), *none = make(NULL, 0);

    (void) unused;
    assert_int_equal(queuing_at(a, 0), QUEUING_NONE);
    assert_int_equal(queuing_at(none, INT64_MAX), QUEUING_NONE);
    assert_int_equal(queuing_at(b, INT64_MIN), 1);
    assert_int_equal(queuing_exceeded(a, 0, 1e9, "0", NULL), 0);
    assert_int_equal(queuing_exceeded(none, 0, 1e9, "0", NULL), 0);
    assert_int_equal(queuing_exceeded(b, 0, 1e9, "0", NULL), 0);
    assert_int_equal(queuing_exceeded(c, 0, 1e9, "1", NULL), 0);
    assert_int_equal(queuing_exceeded(c, 0, 1e9, "0", NULL), 1);
}

static void test_the_count_of_running_jobs_is_matched(void **unused)
{
    static const struct {
        const char *regex, *running;
        int want;
    } cases[] = {
        { NULL, "", 1 },         { "", "+Inf", 1 }, { "1", "1", 1 },       { "1", "21", 1 },
        { "^1$", "21", 0 },      { "^1$", "1", 1 }, { "^(0|1)$", "0", 1 }, { "Inf", "+Inf", 1 },
        { "^\\d+$", "+Inf", 0 }, { ".+", "", 0 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config_queuing given[] = { { ALWAYS, .threshold_ms = 1, RUNNING(cases[i].regex) } };
        auto_ptr(queuing_free) struct queuing *queuing = make(given, 1);

        if (queuing_exceeded(queuing, 0, 1, cases[i].running, NULL) != cases[i].want)
            fail_msg("%s of %s", cases[i].regex ? cases[i].regex : "none", cases[i].running);
    }
}

/* The event loop asks: what would take hours has no answer. */
static void test_a_hostile_expression_gives_no_answer(void **unused)
{
    struct config_queuing given[] = { { ALWAYS, .threshold_ms = 1, RUNNING("^(\\d+)+$") } };
    auto_ptr(queuing_free) struct queuing *queuing = make(given, 1);
    char running[66] = "";
    struct error err = { 0 };

    (void) unused;
    memset(running, '7', 63);
    running[63] = 'x';
    assert_int_equal(queuing_exceeded(queuing, 0, 1, running, &err), -EINVAL);
    assert_string_equal(err.message, "jobs_running_for_project of job_queuing_durations[0]: takes "
                                     "too long here, or the text is no UTF-8");
    running[64] = 'x';
    assert_int_equal(queuing_exceeded(queuing, 0, 1, running, &err), -EINVAL);
    assert_string_equal(err.message, "jobs_running_for_project of job_queuing_durations[0]: a "
                                     "count of jobs is longer than 64 bytes");
    assert_int_equal(queuing_exceeded(queuing, 0, 0.001, running, &err), 0); /* not asked */
}

/* The check of the configuration refuses these; a zone may go later. */
static void test_what_cannot_be_compiled_is_refused(void **unused)
{
    const struct {
        struct config_queuing given;
        int code;
        const char *want;
    } cases[] = {
        { { PERIOD("* * * * * * 2030") },
          -EINVAL,
          "job_queuing_durations[0]: periods[0]: it tells a year, which periods of flotilla do "
          "not; write '*' there" },
        { { ALWAYS, ZONE("Mars/Base") },
          -ENOENT,
          "job_queuing_durations[0]: there is no time zone" },
        { { ALWAYS, RUNNING("(") },
          -EINVAL,
          "job_queuing_durations[0]: jobs_running_for_project is broken behind 1 byte: missing "
          "closing parenthesis" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config_queuing given = cases[i].given;
        const struct config_monitoring monitoring = { .queuing = &given, .n_queuing = 1 };
        struct queuing *untouched = (struct queuing *) 1, *queuing = untouched;
        struct error err = { 0 };

        assert_int_equal(queuing_new(&monitoring, &queuing, &err), cases[i].code);
        assert_ptr_equal(queuing, untouched);
        if (!str_starts(err.message, cases[i].want))
            fail_msg("%s", err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_entry_that_holds_is_the_one),
        cmocka_unit_test(test_nothing_is_counted_where_none_holds_or_none_is_wanted),
        cmocka_unit_test(test_the_count_of_running_jobs_is_matched),
        cmocka_unit_test(test_a_hostile_expression_gives_no_answer),
        cmocka_unit_test(test_what_cannot_be_compiled_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
