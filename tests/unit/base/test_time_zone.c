/* tests/unit/base/test_time_zone.c - mirrors core/base/time_zone.c: zone files that are built here, good and bad, and
 * those of the machine. That local time is right is for tests/integration/test_periods.py to compare. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/time_zone.h"
#include "tests/harness/harness.h"

static void add_number(struct buf *out, int64_t number, size_t size)
{
    while (size-- > 0)
        buf_add_char(out, (char) (unsigned char) ((uint64_t) number >> size * 8));
}

struct table {
    char version;
    uint32_t utc_flags, standard_flags, leap_seconds, n_times, n_types, letters;
    int64_t times[3];
    int types[3];
    int32_t offsets[2];
};

static void add_table(struct buf *out, const struct table *table, size_t time_size)
{
    buf_add(out, "TZif", 4);
    buf_add_char(out, table->version);
    add_number(out, 0, 8);
    add_number(out, 0, 7);
    add_number(out, table->utc_flags, 4);
    add_number(out, table->standard_flags, 4);
    add_number(out, table->leap_seconds, 4);
    add_number(out, table->n_times, 4);
    add_number(out, table->n_types, 4);
    add_number(out, table->letters, 4);
    for (size_t i = 0; i < MIN(table->n_times, 3U); i++)
        add_number(out, table->times[i], time_size);
    for (size_t i = 0; i < MIN(table->n_times, 3U); i++)
        add_number(out, table->types[i], 1);
    for (size_t i = 0; i < MIN(table->n_types, 2U); i++) {
        add_number(out, table->offsets[i], 4);
        add_number(out, 0, 2);
    }
    for (size_t i = 0; i < MIN(table->letters, 4U); i++)
        buf_add_char(out, 'x');
}

/* A file of version 2: an empty table for old readers, the true one, a rule. */
static void build(struct buf *out, const struct table *table, const char *footer)
{
    add_table(out, &(struct table) { .version = '2' }, 4);
    add_table(out, table, 8);
    buf_add_str(out, footer);
}

static int32_t offset_at(const struct time_zone *zone, int64_t utc_s)
{
    int64_t until;

    return time_zone_offset(zone, utc_s, &until);
}

static const struct table sound = { .version = '2',
                                    .n_times = 3,
                                    .n_types = 2,
                                    .letters = 4,
                                    .times = { -5000000000, 1000, 2000 },
                                    .types = { 1, 0, 1 },
                                    .offsets = { 3600, -7200 } };

static void test_a_table_then_its_rule(void **unused)
{
    auto_ptr(time_zone_free) struct time_zone *zone = NULL;
    autobuf struct buf file = BUF_INIT;
    int64_t until;

    (void) unused;
    build(&file, &sound, "\nXXX-5\n");
    assert_int_equal(time_zone_parse(buf_str(&file), file.len, &zone, NULL), 0);
    assert_int_equal(time_zone_offset(zone, INT64_MIN, &until), 3600);
    assert_int_equal(until, -5000000000);
    assert_int_equal(offset_at(zone, -5000000000), -7200);
    assert_int_equal(time_zone_offset(zone, 1999, &until), 3600);
    assert_int_equal(until, 2000);
    assert_int_equal(time_zone_offset(zone, 2000, &until), 5 * 3600);
    assert_true(until == INT64_MAX);
}

static void test_a_table_without_rule_stays_as_it_ends(void **unused)
{
    auto_ptr(time_zone_free) struct time_zone *zone = NULL;
    autobuf struct buf file = BUF_INIT;

    (void) unused;
    build(&file, &sound, "\n\n");
    assert_int_equal(time_zone_parse(buf_str(&file), file.len, &zone, NULL), 0);
    assert_int_equal(offset_at(zone, 2000), -7200);
    assert_int_equal(offset_at(zone, INT64_MAX), -7200);
}

static void test_the_first_version_has_short_times(void **unused)
{
    auto_ptr(time_zone_free) struct time_zone *zone = NULL;
    struct table table = sound;
    autobuf struct buf file = BUF_INIT;

    (void) unused;
    table.version = '\0';
    table.times[0] = -5000;
    add_table(&file, &table, 4);
    assert_int_equal(time_zone_parse(buf_str(&file), file.len, &zone, NULL), 0);
    assert_int_equal(offset_at(zone, -5001), 3600);
    assert_int_equal(offset_at(zone, -5000), -7200);
    assert_int_equal(offset_at(zone, INT64_MAX), -7200);
}

static void refuse(const char *why, const struct buf *file, size_t len, const char *sentence)
{
    struct time_zone *zone = NULL;
    struct error err = { 0 };

    if (time_zone_parse(buf_str(file), len, &zone, &err) != -EINVAL)
        fail_msg("%s: taken", why);
    assert_null(zone);
    assert_string_equal(err.message, sentence);
}

#define BROKEN "is no zone file (TZif), or a damaged one"

static void test_a_broken_file_is_refused(void **unused)
{
    static const struct {
        const char *why;
        struct table table;
        const char *footer;
    } cases[] = {
        { "no type", { .version = '2' }, "\n\n" },
        { "a change to a type that is not there",
          { .version = '2', .n_times = 1, .n_types = 1, .types = { 1 } },
          "\n\n" },
        { "times that do not rise",
          { .version = '2', .n_times = 2, .n_types = 1, .times = { 5, 5 } },
          "\n\n" },
        { "an offset of more than a day",
          { .version = '2', .n_types = 1, .offsets = { 27 * 3600 } },
          "\n\n" },
        { "more times than bytes",
          { .version = '2', .n_times = UINT32_MAX, .n_types = 1 },
          "\n\n" },
        { "more types than bytes", { .version = '2', .n_types = UINT32_MAX }, "\n\n" },
        { "more letters than bytes",
          { .version = '2', .n_types = 1, .letters = UINT32_MAX },
          "\n\n" },
        { "more flags than bytes",
          { .version = '2', .n_types = 1, .utc_flags = UINT32_MAX, .standard_flags = UINT32_MAX },
          "\n\n" },
        { "no rule line", { .version = '2', .n_types = 1 }, "" },
        { "a rule line without end", { .version = '2', .n_types = 1 }, "\nXXX0" },
        { "a rule that is none", { .version = '2', .n_types = 1 }, "\nhello world\n" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf file = BUF_INIT;

        build(&file, &cases[i].table, cases[i].footer);
        refuse(cases[i].why, &file, file.len, BROKEN);
    }
}

static void test_every_cut_is_refused(void **unused)
{
    autobuf struct buf file = BUF_INIT;

    (void) unused;
    build(&file, &sound, "\nXXX-5\n");
    for (size_t len = 0; len < file.len; len++)
        refuse("cut", &file, len, BROKEN);
}

static void test_leap_seconds_are_refused_by_name(void **unused)
{
    struct table table = { .version = '2', .n_types = 1, .leap_seconds = 1 };
    autobuf struct buf file = BUF_INIT;

    (void) unused;
    build(&file, &table, "\n\n");
    refuse("leap seconds", &file, file.len, "counts leap seconds, which no clock here does");
}

static void test_names_that_are_none(void **unused)
{
    static const struct {
        const char *name;
        int code;
        const char *sentence;
    } cases[] = {
        { "../../../etc/passwd", -EINVAL,
          "\"../../../etc/passwd\" is no name of a time zone; one is such as \"Europe/Berlin\"" },
        { "Europe/../../x", -EINVAL, NULL },
        { "/etc/localtime", -EINVAL, NULL },
        { "Europe//Berlin", -EINVAL, NULL },
        { "Europe/", -EINVAL, NULL },
        { ".", -EINVAL, NULL },
        { "Europe/Berlin\n", -EINVAL,
          "\"Europe/Berlin\\x0a\" is no name of a time zone; one is such as \"Europe/Berlin\"" },
        { "Mars/Base", -ENOENT, "there is no time zone \"Mars/Base\" in /usr/share/zoneinfo" },
        { "Europe", -ENOENT, "there is no time zone \"Europe\" in /usr/share/zoneinfo" },
        { "Europe/Berlin/Mitte", -ENOENT, NULL },
        { "zone.tab", -EINVAL, NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct time_zone *zone = NULL;
        struct error err = { 0 };

        if (time_zone_load(cases[i].name, &zone, &err) != cases[i].code || zone)
            fail_msg("%s: %d, %s", cases[i].name, err.code, err.message);
        if (cases[i].sentence)
            assert_string_equal(err.message, cases[i].sentence);
    }
}

static void test_the_folder_of_zones_can_be_another(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    auto_ptr(time_zone_free) struct time_zone *zone = NULL;
    autofree char *path = mem_printf("%s/Mine", dir);
    autobuf struct buf file = BUF_INIT;
    autofclose FILE *out = fopen(path, "we");
    struct error err = { 0 };

    (void) unused;
    build(&file, &sound, "\nXXX-5\n");
    assert_non_null(out);
    assert_int_equal(fwrite(buf_str(&file), 1, file.len, out), file.len);
    assert_int_equal(fflush(out), 0);
    assert_int_equal(setenv("TZDIR", dir, 1), 0);
    assert_int_equal(time_zone_load("Mine", &zone, &err), 0);
    assert_int_equal(offset_at(zone, 2000), 18000);
    assert_int_equal(setenv("TZDIR", "/nowhere", 1), 0);
    time_zone_free(take_ptr(zone));
    assert_int_equal(time_zone_load("Mine", &zone, &err), -ENOENT);
    assert_string_equal(err.message, "there is no time zone \"Mine\" in /nowhere; install tzdata");
    assert_int_equal(time_zone_load("UTC", &zone, &err), 0); /* needs no file */
    assert_int_equal(unsetenv("TZDIR"), 0);
}

static void test_the_systems_zone_is_that_of_the_environment(void **unused)
{
    static const struct {
        const char *given;
        int32_t offset_s; /* in the northern winter */
    } cases[] = {
        { "Asia/Kathmandu", 20700 },
        { ":Asia/Kathmandu", 20700 },
        { "", 0 },
        { ":", 0 },
        { "/usr/share/zoneinfo/Asia/Kathmandu", 20700 },
        { "CET-1CEST,M3.5.0,M10.5.0/3", 3600 },
    };
    struct error err = { 0 };
    struct time_zone *zone = NULL;

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(setenv("TZ", cases[i].given, 1), 0);
        for (int k = 0; k < 3; k++) {
            static const char *const names[] = { NULL, "", "Local" };

            if (time_zone_load(names[k], &zone, &err) < 0)
                fail_msg("%s: %s", cases[i].given, err.message);
            assert_int_equal(offset_at(zone, 1768000000), cases[i].offset_s);
            time_zone_free(take_ptr(zone));
        }
    }
    assert_int_equal(setenv("TZ", "Mars/Base", 1), 0);
    assert_int_equal(time_zone_load(NULL, &zone, &err), -ENOENT);
    assert_string_equal(
        err.message,
        "TZ of the environment: there is no time zone \"Mars/Base\" in /usr/share/zoneinfo");
    assert_int_equal(unsetenv("TZ"), 0);
    assert_int_equal(time_zone_load(NULL, &zone, &err), 0);
    time_zone_free(zone);
}

static void test_local_times_and_back(void **unused)
{
    auto_ptr(time_zone_free) struct time_zone *zone = NULL;
    const int64_t spring = 1774746000, autumn = 1792890000; /* 2026-03-29 and 10-25, 01:00 UTC */

    (void) unused;
    assert_int_equal(time_zone_load("Europe/Berlin", &zone, NULL), 0);
    for (int64_t at = spring - 86400; at < spring + 86400; at += 600)
        assert_int_equal(time_zone_to_utc(zone, at + offset_at(zone, at)), at);
    /* 02:30 is skipped: as if the clocks had not been changed. */
    assert_int_equal(time_zone_to_utc(zone, spring + 3600 + 1800), spring + 1800);
    /* 02:30 comes twice: the first one. */
    assert_int_equal(time_zone_to_utc(zone, autumn + 3600 + 1800), autumn - 1800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_table_then_its_rule),
        cmocka_unit_test(test_a_table_without_rule_stays_as_it_ends),
        cmocka_unit_test(test_the_first_version_has_short_times),
        cmocka_unit_test(test_a_broken_file_is_refused),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_leap_seconds_are_refused_by_name),
        cmocka_unit_test(test_names_that_are_none),
        cmocka_unit_test(test_the_folder_of_zones_can_be_another),
        cmocka_unit_test(test_the_systems_zone_is_that_of_the_environment),
        cmocka_unit_test(test_local_times_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
