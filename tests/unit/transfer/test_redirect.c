/* tests/unit/transfer/test_redirect.c - mirrors core/transfer/redirect.c: hardening.md N9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <string.h>

#include "core/base/autoclean.h"
#include "core/base/str.h"
#include "core/transfer/redirect.h"

static void test_hardening_N9_where_a_redirect_leads(void **unused)
{
    static const struct {
        const char *url, *location, *want; /* NULL: refused */
    } cases[] = {
        { "http://h/a/b?c", "/x", "http://h/x" },
        { "http://h/a/b", "x?y=1", "http://h/a/x?y=1" },
        { "http://h/a", "//other/x", "http://other/x" },
        { "http://h/a", "https://h/a", "https://h/a" },
        { "https://h/a", "HTTPS://o/a", "https://o/a" },
        { "https://h/a", "http://h/a", NULL },
        { "http://h/a", "file:///etc/passwd", NULL },
        { "http://h/a", "ftp://h/a", NULL },
        { "http://h/a", "http://user@o/a", NULL },
        { "http://h/a", "http://", NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *target = NULL;
        struct error err = { 0 };
        int r = redirect_target(cases[i].url, cases[i].location, &target, &err);

        if ((r == 0) != (cases[i].want != NULL) || (r == 0 && !str_eq(target, cases[i].want)) ||
            (r < 0 && !*err.message))
            fail_msg("%s: %d %s", cases[i].location, r, target ? target : "");
        curl_free(target);
    }
}

static void test_the_base_of_a_moved_upload(void **unused)
{
    static const struct {
        const char *target, *want;
    } cases[] = {
        { "https://h/api/v4/jobs/1/artifacts?x", "https://h" },
        { "https://h:8/sub/api/v4/jobs/1/artifacts", "https://h:8/sub" },
        { "https://h/elsewhere?y", "https://h" },
        { "https://h?y", "https://h" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *got = redirect_base_url(cases[i].target);

        assert_string_equal(got, cases[i].want);
    }
}

static void test_the_host_of_a_url(void **unused)
{
    char host[16];

    (void) unused;
    redirect_host("https://h:443/x", host, sizeof(host));
    assert_string_equal(host, "h");
    redirect_host("http://h:443/x", host, sizeof(host));
    assert_string_equal(host, "h:443");
    redirect_host("no url", host, sizeof(host));
    assert_string_equal(host, "");
    redirect_host("http://a.host.that.is.too.long", host, sizeof(host));
    assert_string_equal(host, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_N9_where_a_redirect_leads),
        cmocka_unit_test(test_the_base_of_a_moved_upload),
        cmocka_unit_test(test_the_host_of_a_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
