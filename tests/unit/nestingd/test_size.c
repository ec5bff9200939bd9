/* tests/unit/nestingd/test_size.c - mirrors nestingd/size.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/str.h"
#include "nestingd/size.h"

static void test_amounts_in_settings(void **state)
{
    static const struct {
        const char *text;
        int code;
        int64_t bytes;
    } rows[] = {
        { "0", 0, 0 },
        { "1", 0, 1 },
        { "512M", 0, INT64_C(512) << 20 },
        { "2GiB", 0, INT64_C(2) << 30 },
        { "1T", 0, INT64_C(1) << 40 },
        { "1K", 0, 1024 },
        { "", -EINVAL, 7 },
        { "G", -EINVAL, 7 },
        { "-1", -EINVAL, 7 },
        { " 1", -EINVAL, 7 },
        { "1 G", -EINVAL, 7 },
        { "1g", -EINVAL, 7 },
        { "1GB", -EINVAL, 7 },
        { "1GiBs", -EINVAL, 7 },
        { "1.5G", -EINVAL, 7 },
        { "9999999T", -ERANGE, 7 },
        { "99999999999999999999", -ERANGE, 7 },
        { "999999999999999999999999", -EINVAL, 7 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t bytes = 7;
        int r = size_parse(rows[i].text, &bytes);

        if (r != rows[i].code || bytes != rows[i].bytes)
            fail_msg("'%s': %d, %lld", rows[i].text, r, (long long) bytes);
    }
}

static void test_amounts_for_people(void **state)
{
    static const struct {
        int64_t bytes;
        const char *text;
    } rows[] = {
        { 0, "0 bytes" },
        { 1023, "1023 bytes" },
        { 1024, "1 KiB" },
        { 1536, "1.5 KiB" },
        { INT64_C(3) << 30, "3 GiB" },
        { (INT64_C(3) << 30) + (INT64_C(200) << 20), "3.1 GiB" },
        { INT64_C(5000) << 40, "5000 TiB" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf struct buf text = BUF_INIT;

        size_add(&text, rows[i].bytes);
        assert_string_equal(buf_str(&text), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amounts_in_settings),
        cmocka_unit_test(test_amounts_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
