/* tests/unit/sdk/test_base64.c - mirrors sdk/lib/base64.c, by the vectors of RFC 4648. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sdk/lib/base64.h"

static const struct {
    const char *data;
    size_t len;
    const char *coded, *of_url;
} rows[] = {
    { "", 0, "", "" },
    { "f", 1, "Zg==", "Zg" },
    { "fo", 2, "Zm8=", "Zm8" },
    { "foo", 3, "Zm9v", "Zm9v" },
    { "foob", 4, "Zm9vYg==", "Zm9vYg" },
    { "foobar", 6, "Zm9vYmFy", "Zm9vYmFy" },
    { "\xfb\xff\xfe\0\x3e", 5, "+//+AD4=", "-__-AD4" },
};

static void test_both_alphabets_are_written_and_read(void **unused)
{
    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = 0, url_len = 0;
        char *coded = flt_base64_write(rows[i].data, rows[i].len);
        char *of_url = flt_base64url_write(rows[i].data, rows[i].len);
        char *plain = flt_base64_read(rows[i].coded, &len);
        char *url_plain = flt_base64url_read(rows[i].of_url, strlen(rows[i].of_url), &url_len);

        assert_string_equal(coded, rows[i].coded);
        assert_string_equal(of_url, rows[i].of_url);
        assert_int_equal(len, rows[i].len);
        assert_int_equal(url_len, rows[i].len);
        assert_memory_equal(plain, rows[i].data, len);
        assert_memory_equal(url_plain, rows[i].data, len);
        free(coded);
        free(of_url);
        free(plain);
        free(url_plain);
    }
}

static void test_what_is_none_is_refused(void **unused)
{
    static const char *const wrong[] = { "a", "!!!!", "Zg==Zg==Z", "Zm9v!" };

    (void) unused;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        size_t len = 0;

        assert_null(flt_base64_read(wrong[i], &len));
        assert_null(flt_base64url_read(wrong[i], strlen(wrong[i]), &len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_alphabets_are_written_and_read),
        cmocka_unit_test(test_what_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
