/* tests/unit/config/test_period.c - mirrors core/config/period.c: what periods mean (autoscaler.md 6.2). The days of
 * four years are tried against a second matcher by tests/integration/test_periods.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/config/period.h"

/* "2026-03-30 08:00" of a clock without zone */
static bool holds(const char *text, const char *minute)
{
    uint64_t minutes[DAY_HOURS] = { 0 };
    struct period period;
    struct tm date = { 0 };
    struct error err = { 0 };
    time_t at;

    if (period_parse(text, &period, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    assert_non_null(strptime(minute, "%Y-%m-%d %H:%M", &date));
    at = timegm(&date); /* fills in the weekday */
    assert_non_null(gmtime_r(&at, &date));
    if (period_has_date(&period, date.tm_mon, date.tm_mday, date.tm_wday))
        period_add_minutes(&period, minutes);
    return minutes[date.tm_hour] >> date.tm_min & 1;
}

static void test_a_period_is_a_set_of_minutes(void **unused)
{
    static const struct {
        const char *text, *in, *out; /* out: NULL = everything is in it */
    } cases[] = {
        { "* * * * *", "2026-02-28 23:59", NULL },
        { "* 8-15 * * mon-fri", "2026-03-30 08:00", "2026-03-30 07:59" },
        { "* 8-15 * * mon-fri", "2026-04-03 15:59", "2026-04-03 16:00" },
        { "* 8-15 * * MON-Fri", "2026-03-30 12:00", "2026-04-04 12:00" },
        { "1 * * * *", "2026-03-30 13:01", "2026-03-30 13:02" },
        { "0-30 13,16 * * SUN", "2026-03-29 13:30", "2026-03-29 13:31" },
        { "0-30 13,16 * * SUN", "2026-03-29 16:00", "2026-03-29 14:00" },
        { "* 0-12/2 * * *", "2026-03-29 12:59", "2026-03-29 11:00" },
        { "* 0-12 * * *", "2026-03-29 12:59",
          "2026-03-29 13:00" }, /* 13 hours, upstream's page says 12 */
        { "*/15 * * * *", "2026-03-29 00:45", "2026-03-29 00:46" },
        { "7-59/30 * * * *", "2026-03-29 00:37", "2026-03-29 00:30" },
        { "1,5-7,*/20 * * * *", "2026-03-29 00:40", "2026-03-29 00:08" },
        { "* * * * 0", "2026-03-29 00:00", "2026-03-30 00:00" },
        { "* * * * 7", "2026-03-29 00:00", "2026-03-30 00:00" },
        { "* * * * 5-7", "2026-03-29 00:00", "2026-03-30 00:00" },
        { "* * * * sat-sun", "2026-03-29 00:00", "2026-03-30 00:00" },
        { "* * * * mon-sun", "2026-03-29 00:00", NULL },
        { "* * * * sun-mon", "2026-03-30 00:00", "2026-03-31 00:00" },
        { "* * * * sun-sun", "2026-03-29 00:00", "2026-03-30 00:00" },
        { "* * * Jan,dEC *", "2026-12-31 00:00", "2026-11-30 00:00" },
        { "* * * feb-apr *", "2026-02-01 00:00", "2026-05-01 00:00" },
        { "* * 31 * *", "2026-03-31 00:00", "2026-03-30 00:00" },
        { "* * 29 2 *", "2028-02-29 00:00", "2028-02-28 00:00" },
        { "  *\t8  * * *  ", "2026-03-30 08:00", "2026-03-30 09:00" },
        { "*/100 * * * *", "2026-03-30 08:00", "2026-03-30 08:01" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (!holds(cases[i].text, cases[i].in))
            fail_msg("%s lacks %s", cases[i].text, cases[i].in);
        if (cases[i].out && holds(cases[i].text, cases[i].out))
            fail_msg("%s has %s", cases[i].text, cases[i].out);
    }
}

/* Both day fields restricted: either one is enough. With a '*' in one of them both must hold (crontab(5)). */
static void test_either_day_is_enough_as_in_cron(void **unused)
{
    (void) unused;
    assert_true(holds("* * 13 * fri", "2026-03-13 00:00")); /* a Friday */
    assert_true(holds("* * 13 * fri", "2026-04-13 00:00")); /* a Monday */
    assert_true(holds("* * 13 * fri", "2026-04-17 00:00")); /* a Friday */
    assert_false(holds("* * 13 * fri", "2026-04-14 00:00"));
    assert_true(holds("* * 1-31 * fri", "2026-04-14 00:00"));
    assert_true(holds("* * */2 * fri", "2026-04-17 00:00"));
    assert_false(holds("* * */2 * fri", "2026-04-10 00:00"));
    assert_false(holds("* * */2 * fri", "2026-04-15 00:00"));
    assert_true(holds("* * 13 * */5", "2026-11-13 00:00"));
    assert_false(holds("* * 13 * */5", "2026-04-13 00:00"));
}

static void test_what_is_wrong_is_told_by_its_field(void **unused)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        { "61 * * * *", "minute \"61\" is not in 0-59" }, /* autoscaler_V46 */
        { "* 24 * * *", "hour \"24\" is not in 0-23" },
        { "* * 0 * *", "day of the month \"0\" is not in 1-31" },
        { "* * * 13 *", "month \"13\" is not in 1-12 or jan-dec" },
        { "* * * * 8", "weekday \"8\" is not in 0-7 or sun-sat" },
        { "* * * * mo", "weekday \"mo\" is not in 0-7 or sun-sat" },
        { "* * * monday *", "month \"monday\" is not in 1-12 or jan-dec" },
        { "+1 * * * *", "minute \"+1\" is not in 0-59" },
        { "-1 * * * *", "minute \"\" is not in 0-59: a number is missing" },
        { "1- * * * *", "minute \"\" is not in 0-59: a number is missing" },
        { "1,,2 * * * *", "minute \"\" is not in 0-59: a number is missing" },
        { "1-2-3 * * * *", "minute \"2-3\" is not in 0-59" },
        { "*-5 * * * *", "minute \"*\" is not in 0-59" },
        { "? * * * *", "minute \"?\" is not in 0-59" },
        { "99999999999999999999 * * * *", "minute \"99999999999999999999\" is not in 0-59" },
        { "* 22-6 * * *", "hour \"22-6\" runs backwards; 22-23,0-6 goes over the end" },
        { "* * * * fri-mon", "weekday \"fri-mon\" runs backwards; fri-6,0-mon goes over the end" },
        { "5/15 * * * *",
          "minute \"5/15\" has a step without a range; write \"*/2\" or \"1-9/2\"" },
        { "*/0 * * * *", "minute \"*/0\" has a step that is not in 1-999" },
        { "*/ * * * *", "minute \"*/\" has a step that is not in 1-999" },
        { "*/2/2 * * * *", "minute \"*/2/2\" has a step that is not in 1-999" },
        { "", "it has 0 fields and needs five: minute, hour, day of the month, month and weekday" },
        { "@daily", "minute \"@daily\" is not in 0-59" },
        { "* * * *",
          "it has 4 fields and needs five: minute, hour, day of the month, month and weekday" },
        { "1 * * * * *",
          "it has 6 fields and needs five: minute, hour, day of the month, month and weekday" },
        { "\x1b[2J * * * *", "minute \"\\x1b[2J\" is not in 0-59" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct period period;
        struct error err = { 0 };

        assert_int_equal(period_parse(cases[i].text, &period, &err), -EINVAL);
        assert_string_equal(err.message, cases[i].sentence);
    }
}

static void test_seconds_and_years_that_restrict_nothing_are_cut_off(void **unused)
{
    static const struct {
        const char *text, *five;
    } cases[] = {
        { "* 8-15 * * mon-fri", "* 8-15 * * mon-fri" },
        { "* 8-15 * * mon-fri *", "* 8-15 * * mon-fri" },
        { "* * 10 * * * *", "* 10 * * *" },
        { "\t0  1 2\t3 4 5 * ", "1 2\t3 4 5" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct period once, again;
        const char *five;
        size_t len;

        assert_int_equal(period_shorten(cases[i].text, &five, &len, NULL), 0);
        assert_int_equal(len, strlen(cases[i].five));
        assert_memory_equal(five, cases[i].five, len);
        assert_int_equal(period_parse_long(cases[i].text, &once, NULL), 0);
        assert_int_equal(period_parse(cases[i].five, &again, NULL), 0);
        assert_memory_equal(&once, &again, offsetof(struct period, either_day) + sizeof(bool));
    }
}

static void test_other_seconds_and_years_are_refused(void **unused)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        { "* * * *", "it has neither five fields nor six (with the year behind them) nor seven "
                     "(with seconds before them, too)" },
        { "* * * * * * * *", "it has neither five fields nor six (with the year behind them) nor "
                             "seven (with seconds before them, too)" },
        { "@daily", "it has neither five fields nor six (with the year behind them) nor seven "
                    "(with seconds before them, too)" },
        { "00 * * * * * *", "it tells seconds, which periods of flotilla do not; write '*' there" },
        { "*/2 * * * * * *",
          "it tells seconds, which periods of flotilla do not; write '*' there" },
        { "* * * * * */2", "it tells a year, which periods of flotilla do not; write '*' there" },
        { "* * * * * * 2030",
          "it tells a year, which periods of flotilla do not; write '*' there" },
        { "* 60 * * * * *", "minute \"60\" is not in 0-59" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct period period;
        struct error err = { 0 };

        assert_int_equal(period_parse_long(cases[i].text, &period, &err), -EINVAL);
        assert_string_equal(err.message, cases[i].sentence);
    }
}

static void test_always_and_never(void **unused)
{
    static const struct {
        const char *text;
        bool always, never;
    } cases[] = {
        { "* * * * *", true, false },         { "0-59 */1 1-31 jan-dec *", true, false },
        { "* * 1-31 * mon", true, false },    { "* * 1 * 0-6", true, false },
        { "* * */2 * *", false, false },      { "* * * * mon-fri", false, false },
        { "0-58 * * * *", false, false },     { "* 0-22 * * *", false, false },
        { "* * * 1-11 *", false, false },     { "* * 30,31 2 *", false, true },
        { "* * 31 4,6,9,11 *", false, true }, { "* * 29 2 *", false, false },
        { "* * 31 2 mon", false, false }, /* either day */
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct period period;

        assert_int_equal(period_parse(cases[i].text, &period, NULL), 0);
        if (period_is_always(&period) != cases[i].always ||
            period_is_never(&period) != cases[i].never)
            fail_msg("%s", cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_period_is_a_set_of_minutes),
        cmocka_unit_test(test_either_day_is_enough_as_in_cron),
        cmocka_unit_test(test_what_is_wrong_is_told_by_its_field),
        cmocka_unit_test(test_seconds_and_years_that_restrict_nothing_are_cut_off),
        cmocka_unit_test(test_other_seconds_and_years_are_refused),
        cmocka_unit_test(test_always_and_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
