/* tests/unit/base/test_address.c - mirrors core/base/address.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/address.h"
#include "core/base/str.h"

static void test_texts_that_name_a_place(void **unused)
{
    static const struct {
        const char *text;
        uint16_t default_port;
        const char *want; /* NULL = refused */
        bool loopback;
    } cases[] = {
        { "127.0.0.1:8180", 0, "127.0.0.1:8180", true },
        { "localhost:0", 0, "127.0.0.1:0", true },
        { "[::1]:65535", 0, "[::1]:65535", true },
        { "127.8.9.10:1", 0, "127.8.9.10:1", true },
        { "[::ffff:127.0.0.1]:1", 0, "[::ffff:127.0.0.1]:1", true },
        { "[::ffff:10.0.0.1]:1", 0, "[::ffff:10.0.0.1]:1", false },
        { "10.0.0.1:80", 0, "10.0.0.1:80", false },
        { "0.0.0.0:80", 0, "0.0.0.0:80", false },
        { ":9000", 9252, "[::]:9000", false },
        { "localhost", 9252, "127.0.0.1:9252", true },
        { "[::1]", 9252, "[::1]:9252", true },
        { "10.0.0.1", 9252, "10.0.0.1:9252", false },
        { "10.0.0.1:1", 9252, "10.0.0.1:1", false },
        { ":9000", 0, NULL, false },
        { "localhost", 0, NULL, false },
        { "", 9252, NULL, false },
        { "", 0, NULL, false },
        { ":", 9252, NULL, false },
        { "host:80", 9252, NULL, false },
        { "host", 9252, NULL, false },
        { "::1", 9252, NULL, false },
        { "[::1", 9252, NULL, false },
        { "[]:80", 9252, NULL, false },
        { "127.0.0.1:65536", 9252, NULL, false },
        { "127.0.0.1:-1", 9252, NULL, false },
        { "127.0.0.1:http", 9252, NULL, false },
        { "127.0.0.1:80 ", 9252, NULL, false },
        { "http://127.0.0.1:80", 9252, NULL, false },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sockaddr_storage address;
        char text[ADDRESS_TEXT_SIZE] = "";
        int r = address_parse(cases[i].text, cases[i].default_port, &address);

        if ((r == 0) != (cases[i].want != NULL))
            fail_msg("'%s': %d", cases[i].text, r);
        if (r < 0)
            continue;
        address_format(&address, text);
        if (!str_eq(text, cases[i].want) || address_is_loopback(&address) != cases[i].loopback)
            fail_msg("'%s' became %s", cases[i].text, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_that_name_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
