/* tests/unit/exec/test_listen_address.c - mirrors core/exec/listen_address.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/exec/listen_address.h"

static void test_an_address_becomes_a_url(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "a number", "127.0.0.2:80", "http://127.0.0.2:4711" },
        { "the only name", "localhost:0", "http://127.0.0.1:4711" },
        { "all addresses are shown as the loopback", "0.0.0.0:80", "http://127.0.0.1:4711" },
        { "version 6 in brackets", "[::1]:80", "http://[::1]:4711" },
        { "all of version 6, too", "[::]:80", "http://[::1]:4711" },
    };
    struct sockaddr_storage address;
    char url[96];

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (listen_address_parse(cases[i].text, &address, NULL) < 0)
            fail_msg("%s", cases[i].why);
        listen_address_url(&address, 4711, url, sizeof(url));
        if (!str_eq(url, cases[i].want))
            fail_msg("%s: %s", cases[i].why, url);
    }
    listen_address_url(NULL, 4711, url, sizeof(url));
    assert_string_equal(url, "http://127.0.0.1:4711");
}

static void test_what_is_no_address_is_refused(void **unused)
{
    static const char *const cases[] = { "",
                                         ":80",
                                         "127.0.0.1",
                                         "127.0.0.1:",
                                         "127.0.0.1:65536",
                                         "127.0.0.1:-1",
                                         "127.0.0.1:x",
                                         "::1:80",
                                         "[::1]",
                                         "[]:80",
                                         "[127.0.0.1]:80",
                                         "gitlab.example.com:80" };
    struct sockaddr_storage address;
    struct error err = { 0 };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (listen_address_parse(cases[i], &address, &err) == 0)
            fail_msg("'%s' is taken for an address", cases[i]);
        assert_non_null(strstr(err.message, "write HOST:PORT"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_becomes_a_url),
        cmocka_unit_test(test_what_is_no_address_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
