/* tests/unit/base/test_when.c - mirrors core/base/when.c: points in time, read and shown. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/base/when.h"

static struct time_zone *zone_of(const char *name)
{
    struct time_zone *zone = NULL;

    assert_int_equal(time_zone_load(name, &zone, NULL), 0);
    return zone;
}

static void test_times_as_people_write_them(void **unused)
{
    static const struct {
        const char *text;
        int64_t utc_ms;
    } cases[] = {
        { "2026-03-30", 1774821600000 },
        { "2026-03-30T08:00", 1774850400000 },
        { "2026-03-30 08:00", 1774850400000 },
        { "2026-03-30T08:00:30", 1774850430000 },
        { "2026-03-30T06:00Z", 1774850400000 },
        { "2026-03-30T08:00+02:00", 1774850400000 },
        { "2026-03-30T08:00:00+0200", 1774850400000 },
        { "2026-03-30T03:30-02:30", 1774850400000 },
        { "2026-03-30T08:00+02", 1774850400000 },
        { "2026-01-30T08:00", 1769756400000 }, /* winter */
        { "2028-02-29", 1835391600000 },
        { "2026-03-30 08:00:30.5", 1774850430500 },
        { "2026-03-30T06:00:00.0259Z", 1774850400025 },
        { "2026-03-30 06:00:00 UTC", 1774850400000 }, /* as databases write it */
        { "2026-03-30 08:00 +02:00", 1774850400000 },
    };
    auto_ptr(time_zone_free) struct time_zone *berlin = zone_of("Europe/Berlin");

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t at = 0;

        if (when_parse(cases[i].text, berlin, &at) < 0 || at != cases[i].utc_ms)
            fail_msg("%s: %" PRId64, cases[i].text, at);
    }
}

static void test_without_a_zone_it_is_utc(void **unused)
{
    int64_t at;

    (void) unused;
    assert_int_equal(when_parse("2026-03-30T06:00", NULL, &at), 0);
    assert_int_equal(at, 1774850400000);
}

static void test_what_is_no_time(void **unused)
{
    static const char *const texts[] = {
        "",
        "now",
        "2026",
        "2026-3-30",
        "2026-13-01",
        "2026-02-29",
        "2026-04-31",
        "0000-01-01",
        "2026-03-30T",
        "2026-03-30T8:00",
        "2026-03-30T24:00",
        "2026-03-30T08:60",
        "2026-03-30T08:00:60",
        "2026-03-30T08:00 ",
        "2026-03-30T08:00z",
        "2026-03-30T08:00+",
        "2026-03-30T08:00+2",
        "2026-03-30T08:00+02:",
        "2026-03-30T08:00+02:60",
        "2026-03-30T08:00+27:00",
        "2026-03-30T08:00+02:00Z",
        "-026-03-30",
        "2026-03-30T08",
        "2026-03-30T08:00:00.",
        "2026-03-30T08:00.5",
        "2026-03-30T08:00 noon",
        "2026-03-30 Z",
    };
    auto_ptr(time_zone_free) struct time_zone *utc = zone_of("UTC");

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int64_t at;

        if (when_parse(texts[i], utc, &at) != -EINVAL)
            fail_msg("taken: \"%s\"", texts[i]);
    }
}

static void test_times_as_people_read_them(void **unused)
{
    static const struct {
        const char *zone, *want, *want_iso;
    } cases[] = {
        { "Europe/Berlin", "Mon 2026-03-30 08:00 +02:00", "2026-03-30T08:00:00+02:00" },
        { "UTC", "Mon 2026-03-30 06:00 +00:00", "2026-03-30T06:00:00+00:00" },
        { "America/St_Johns", "Mon 2026-03-30 03:30 -02:30", "2026-03-30T03:30:00-02:30" },
        { "Asia/Kathmandu", "Mon 2026-03-30 11:45 +05:45", "2026-03-30T11:45:00+05:45" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(time_zone_free) struct time_zone *zone = zone_of(cases[i].zone);
        autobuf struct buf text = BUF_INIT, iso = BUF_INIT;
        int64_t back;

        when_format(&text, 1774850400, zone);
        when_format_iso(&iso, 1774850400, zone);
        assert_string_equal(buf_str(&text), cases[i].want);
        assert_string_equal(buf_str(&iso), cases[i].want_iso);
        assert_int_equal(when_parse(buf_str(&iso), zone, &back), 0);
        assert_int_equal(back, 1774850400000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_as_people_write_them),
        cmocka_unit_test(test_without_a_zone_it_is_utc),
        cmocka_unit_test(test_what_is_no_time),
        cmocka_unit_test(test_times_as_people_read_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
