/* tests/unit/base/test_posix_zone.c - mirrors core/base/posix_zone.c */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/posix_zone.h"
#include "core/base/str.h"

#define DAY INT64_C(86400)

/* "2026-03-29 01:00:00" of UTC */
static int64_t utc(const char *text)
{
    struct tm date = { 0 };

    assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &date));
    return timegm(&date);
}

static void test_rules_change_when_they_say(void **unused)
{
    static const struct {
        const char *why, *rule, *before_change; /* the last second before */
        int32_t before_s, after_s;
    } cases[] = {
        { "last Sunday of March", "CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29 00:59:59", 3600, 7200 },
        { "its end, told in summer time", "CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25 00:59:59", 7200,
          3600 },
        { "the same three centuries on", "CET-1CEST,M3.5.0,M10.5.0/3", "2326-03-28 00:59:59", 3600,
          7200 },
        { "the southern half: summer over New Year", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
          "2026-04-04 14:59:59", 39600, 37800 },
        { "summer time counted backwards", "IST-1GMT0,M10.5.0,M3.5.0/1", "2026-10-25 00:59:59",
          3600, 0 },
        { "a time of the day before", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29 00:59:59",
          -7200, -3600 },
        { "a time days later", "EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-27 23:59:59", 7200,
          10800 },
        { "a day that counts no leap day", "AAA-0BBB,J60/0,J300/0", "2028-02-29 23:59:59", 0,
          3600 },
        { "a day that counts it", "AAA0BBB,59/0,300/0", "2028-02-28 23:59:59", 0, 3600 },
        { "two hours more", "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3", "2026-03-29 00:59:59", 0, 7200 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct posix_zone zone;
        int64_t at = utc(cases[i].before_change), until, next;

        if (posix_zone_parse(cases[i].rule, &zone) < 0)
            fail_msg("%s: not understood", cases[i].why);
        if (posix_zone_offset(&zone, at, &until) != cases[i].before_s || until != at + 1 ||
            posix_zone_offset(&zone, until, &next) != cases[i].after_s || next <= until)
            fail_msg("%s: %d until %+" PRId64 " s, then %d", cases[i].why,
                     posix_zone_offset(&zone, at, &until), until - at,
                     posix_zone_offset(&zone, until, &next));
    }
}

static void test_a_zone_without_summer_never_changes(void **unused)
{
    struct posix_zone zone;
    int64_t until = 0;

    (void) unused;
    assert_int_equal(posix_zone_parse("<+0545>-5:45", &zone), 0);
    assert_int_equal(posix_zone_offset(&zone, 0, &until), 20700);
    assert_true(until == INT64_MAX);
}

/* RFC 8536 3.3.1: the end of one is the beginning of the next. */
static void test_summer_time_of_the_whole_year_never_ends(void **unused)
{
    struct posix_zone zone;

    (void) unused;
    assert_int_equal(posix_zone_parse("EST5EDT,0/0,J365/25", &zone), 0);
    for (int64_t at = 0; at < 3000 * DAY; at += DAY / 4) {
        int64_t until;

        assert_int_equal(posix_zone_offset(&zone, at, &until), -4 * 3600);
        assert_true(until > at);
    }
}

static void test_any_instant_has_an_answer(void **unused)
{
    static const int64_t instants[] = { INT64_MIN, INT64_MIN / 1000, -1, INT64_MAX / 1000,
                                        INT64_MAX };
    struct posix_zone zone;
    int64_t until;

    (void) unused;
    assert_int_equal(posix_zone_parse("CET-1CEST,M3.5.0,M10.5.0/3", &zone), 0);
    for (size_t i = 0; i < ARRAY_LEN(instants); i++)
        assert_int_equal(posix_zone_offset(&zone, instants[i], &until), 3600);
}

static void test_what_is_no_rule_is_refused(void **unused)
{
    static const char *const texts[] = {
        "",
        "CET",
        "CE-1",
        "<CE-1",
        "<>0",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-25",
        "CET-1:60",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J365",
        "CET-1CEST,366,J365",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0 ",
        "CET-1 ",
        "Europe/Berlin",
        "CET--1",
        "CET-1CEST,M3.5.0;M10.5.0",
    };
    struct posix_zone zone;

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (posix_zone_parse(texts[i], &zone) != -EINVAL)
            fail_msg("taken: \"%s\"", texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_change_when_they_say),
        cmocka_unit_test(test_a_zone_without_summer_never_changes),
        cmocka_unit_test(test_summer_time_of_the_whole_year_never_ends),
        cmocka_unit_test(test_any_instant_has_an_answer),
        cmocka_unit_test(test_what_is_no_rule_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
