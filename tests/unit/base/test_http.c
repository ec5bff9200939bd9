/* tests/unit/base/test_http.c - mirrors core/base/http.c. Rows carry the number of the vector in the
 * protocol's reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/http.h"
#include "core/base/str.h"

static void test_coordinator_V6_which_answers_are_asked_for_again(void **unused)
{
    static const struct {
        int status;
        bool want;
    } cases[] = { { 408, true },  { 429, true },  { 500, true },  { 501, false },
                  { 502, true },  { 503, true },  { 504, true },  { 520, true },
                  { 200, false }, { 400, false }, { 403, false }, { -1, false } };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (http_retryable(cases[i].status) != cases[i].want)
            fail_msg("%d", cases[i].status);
}

static void test_coordinator_V5_waits(void **unused)
{
    const int64_t now_ms = 1700000000000; /* Tue, 14 Nov 2023 22:13:20 GMT */
    static const struct {
        const char *why;
        int attempt;
        const char *reset, *after;
        int64_t least, most;
    } cases[] = {
        { "the reset time wins", 1, "Tue, 14 Nov 2023 22:13:25 GMT", "60", 5000, 5000 },
        { "a past reset time", 1, "Tue, 14 Nov 2023 22:13:00 GMT", "60", 60000, 60000 },
        { "an unreadable reset time", 1, "soon", "60", 60000, 60000 },
        { "neither", 1, NULL, NULL, 100, 100 },
        { "grows", 4, NULL, NULL, 100, 800 },
        { "bounded (hardening V16)", 1, NULL, "86400", 600000, 600000 },
        { "no number", 1, NULL, "soon", 100, 100 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t got = http_retry_wait_ms(cases[i].attempt, cases[i].reset, cases[i].after, now_ms,
                                         &rng_system);

        if (got < cases[i].least || got > cases[i].most)
            fail_msg("%s: %lld", cases[i].why, (long long) got);
    }
}

static void test_coordinator_V21_base_url(void **unused)
{
    static const struct {
        const char *url, *want; /* NULL: refused */
    } cases[] = {
        { "https://h/gitlab/ci/", "https://h/gitlab/api/v4/" },
        { "https://h/gitlab/ci", "https://h/gitlab/api/v4/" },
        { "https://h//", "https://h/api/v4/" },
        { "http://h:8080", "http://h:8080/api/v4/" },
        { "ftp://h", NULL },
        { "https://", NULL },
        { "https://h/a b", NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char base[64] = "";
        int r = http_api_url(cases[i].url, base, sizeof(base));

        if ((r < 0) != !cases[i].want || (cases[i].want && strcmp(base, cases[i].want) != 0))
            fail_msg("'%s': %d '%s'", cases[i].url, r, base);
    }
}

static void test_hardening_N9_which_origins_are_the_same(void **unused)
{
    static const struct {
        const char *a, *b;
        bool want;
    } cases[] = {
        { "http://h/a", "http://H:80/b?c", true },
        { "https://h/a", "https://h:443", true },
        { "https://h:8443/a", "https://h:8443/b", true },
        { "https://h/", "https://h:8443/", false },
        { "http://h/", "https://h/", false },
        { "http://h:443/", "https://h:443/", false },
        { "http://h/", "http://h.other/", false },
        { "http://h/", "no url", false },
        { "no url", "no url", false },
        { "HTTP://h", "http://h:/?x", true },
        { "http://h?x", "http://h#y", true },
        { "http://[::1]:80/", "http://[::1]", true },
        { "http://[::1]:8080/", "http://[::1]:8081/", false },
        { "http://[::1/", "http://[::1/", false },
        { "http://h/", "http://h@other/", false },
        { "http://h/", "http://h:80@other/", false },
        { "http://h/", "http://other\\@h/", false },
        { "http://h/", "http://h\\.other/", false },
        { "http://h/", "http://h /", false },
        { "http://h/", "http://%68/", false },
        { "http://h/", "http://h:80:80/", false },
        { "http://h/", "http://h:+80/", false },
        { "http://h/", "http://h:65616/", false },
        { "http://h/", "http:///h/", false },
        { "http://", "http://", false },
        { "ftp://h/", "ftp://h/", false },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (http_same_origin(cases[i].a, cases[i].b) != cases[i].want)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
}

static void test_dates(void **unused)
{
    static const char *const wrong[] = { "", "soon", "Tue, 14 Nov 2023 22:13:20 CET",
                                         "Tue, 14 Nov 2023 22:13:20 GMT " };
    char text[HTTP_DATE_SIZE];
    int64_t at = 7;

    (void) unused;
    http_format_date(1700000000, text);
    assert_string_equal(text, "Tue, 14 Nov 2023 22:13:20 GMT");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(http_parse_date(wrong[i], &at), -EINVAL);
    assert_int_equal(at, 7);
    assert_int_equal(http_parse_date(text, &at), 0);
    assert_int_equal(at, 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinator_V6_which_answers_are_asked_for_again),
        cmocka_unit_test(test_coordinator_V5_waits),
        cmocka_unit_test(test_coordinator_V21_base_url),
        cmocka_unit_test(test_hardening_N9_which_origins_are_the_same),
        cmocka_unit_test(test_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
