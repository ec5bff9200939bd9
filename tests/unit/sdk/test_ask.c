/* tests/unit/sdk/test_ask.c - mirrors sdk/lib/ask.c and renewal.c, but for requests, which the clients' tests in
 * tests/integration make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "sdk/lib/ask.h"

#include <cmocka.h> /* behind provider.h, which its fail() would break */

#include <stdio.h>
#include <string.h>

#include "sdk/lib/renewal.h"

static void test_a_secret_goes_to_this_machine_or_by_https(void **unused)
{
    static const char *const hosts[] = { "169.254.170.2", "[fd00:ec2::23]" };
    static const struct {
        const char *url;
        int is_safe, is_safe_with_hosts;
    } rows[] = {
        { "https://example.com/token", 1, 1 },
        { "HTTPS://example.com", 1, 1 },
        { "http://example.com/token", 0, 0 },
        { "http://localhost", 1, 1 },
        { "http://LOCALHOST:80/a", 1, 1 },
        { "http://127.0.0.1:8080/a?b#c", 1, 1 },
        { "http://127.9.9.9", 1, 1 },
        { "http://[::1]:80/", 1, 1 },
        { "http://[::1]", 1, 1 },
        { "http://169.254.170.2/a", 0, 1 },
        { "http://[fd00:ec2::23]:80/a", 0, 1 },
        { "http://169.254.170.22/a", 0, 0 },
        { "http://127.0.0.1.example.com/", 0, 0 },
        { "http://localhost.example.com/", 0, 0 },
        { "http://localhost:80@example.com/", 0, 0 },
        { "http://127.0.0.1@example.com/", 0, 0 },
        { "http://example.com/@localhost", 0, 0 },
        { "http://example.com?localhost", 0, 0 },
        { "http://", 0, 0 },
        { "ftp://127.0.0.1/", 0, 0 },
        { "127.0.0.1", 0, 0 },
        { "", 0, 0 },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (flt_url_is_safe(rows[i].url, NULL, 0) != rows[i].is_safe ||
            flt_url_is_safe(rows[i].url, hosts, 2) != rows[i].is_safe_with_hosts)
            fail_msg("%s", rows[i].url);
}

static void test_a_secret_becomes_stars_wherever_it_stands(void **unused)
{
    char text[] = "ya29.abcd: ya29.abcd, ya29.abc";
    char short_one[] = "the key is the";

    (void) unused;
    flt_blot_out(text, "ya29.abcd");
    assert_string_equal(text, "*********: *********, ya29.abc");
    flt_blot_out(short_one, "the");
    flt_blot_out(short_one, "");
    flt_blot_out(short_one, NULL);
    assert_string_equal(short_one, "the key is the");
}

static void test_what_stands_in_a_header_is_printable(void **unused)
{
    (void) unused;
    assert_true(flt_is_printable("a b~!"));
    assert_true(flt_is_printable(""));
    assert_false(flt_is_printable("a\r\nb"));
    assert_false(flt_is_printable("a\tb"));
    assert_false(flt_is_printable("\xc3\xa4"));
    assert_false(flt_is_printable("\x7f"));
}

/* 5 to 10 minutes before the end, or in the last quarter of a shorter life. */
static void test_credentials_are_renewed_before_they_end(void **unused)
{
    static const struct {
        int64_t expires_s, from_s, to_s;
    } rows[] = {
        { 1000 + 3600, 1000 + 3000, 1000 + 3300 },
        { 1000 + 43200, 1000 + 42600, 1000 + 42900 },
        { 1000 + 400, 1000 + 300, 1000 + 300 },
        { 1000 + 4, 1000 + 3, 1000 + 3 },
        { 1000, 1000 + 15, 1000 + 30 }, /* ended already: by a clock that may be wrong */
        { 500, 1000 + 15, 1000 + 30 },
        { 0, INT64_MAX, INT64_MAX }, /* never */
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int again = 0; again < 100; again++)
            assert_in_range(flt_renewal_s(1000, rows[i].expires_s), rows[i].from_s, rows[i].to_s);
    for (int again = 0; again < 100; again++)
        assert_in_range(flt_renewal_after_failure_s(1000), 1015, 1030);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_secret_goes_to_this_machine_or_by_https),
        cmocka_unit_test(test_a_secret_becomes_stars_wherever_it_stands),
        cmocka_unit_test(test_what_stands_in_a_header_is_printable),
        cmocka_unit_test(test_credentials_are_renewed_before_they_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
