/* tests/unit/base/test_host_port.c - mirrors core/base/address.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/host_port.h"
#include "core/base/str.h"

static void test_a_port_is_taken_off_where_there_is_one(void **unused)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } cases[] = {
        { "vm", "vm", 22 },
        { "vm:2022", "vm", 2022 },
        { "10.0.0.1:0", "10.0.0.1:0", 22 },
        { "vm:99999", "vm:99999", 22 },
        { "fe80::1", "fe80::1", 22 },
        { "[fe80::1]:2022", "fe80::1", 2022 },
        { "[fe80::1]", "fe80::1", 22 },
        { "vm:", "vm:", 22 },
        { "", "", 22 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[64], *host = NULL;
        uint16_t port;

        assert_int_equal(str_copy(text, sizeof(text), cases[i].text), 0);
        port = host_port_split(text, &host, 22);
        if (port != cases[i].port || !str_eq(host, cases[i].host))
            fail_msg("%s: '%s', %u", cases[i].text, host, port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_port_is_taken_off_where_there_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
