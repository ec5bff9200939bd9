/* tests/unit/job/connect/test_divert.c - mirrors core/job/connect/divert.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/job/connect/divert.h"
#include "core/job/connect/target.h"
#include "tests/harness/harness.h"

struct row {
    const char *why, *loopback, *address;
    int64_t port;
    const char *want_address;
    uint16_t want_port;
};

static void check(const struct row *row)
{
    autojson json_t *connect = json_frame("connect");
    const char *address = "";

    assert_int_equal(json_add_str(connect, "address", row->address), 0);
    assert_int_equal(json_add_i64(connect, "port", row->port), 0);
    if (row->loopback)
        (void) setenv("FLOTILLA_LOOPBACK", row->loopback, 1);
    else
        (void) unsetenv("FLOTILLA_LOOPBACK");
    divert_to_loopback(connect);
    (void) json_opt_str(connect, "address", &address, NULL);
    if (strcmp(address, row->want_address) != 0 || target_port(connect) != row->want_port)
        fail_msg("%s: got %s port %u", row->why, address, target_port(connect));
}

static void test_addresses_lead_to_loopback_where_that_is_wanted(void **unused)
{
    static const struct row rows[] = {
        { "nobody wants it", NULL, "54.1.2.3", 22, "54.1.2.3", 22 },
        { "an address", "4022", "54.1.2.3", 22, "127.1.2.3", 4022 },
        { "once more changes nothing", "4022", "127.1.2.3", 4022, "127.1.2.3", 4022 },
        { "the last bits too", "65535", "10.255.255.255", 1, "127.255.255.255", 65535 },
        { "no port", "0", "54.1.2.3", 22, "54.1.2.3", 22 },
        { "no number", "here", "54.1.2.3", 22, "54.1.2.3", 22 },
        { "a name", "4022", "ci.example.com", 22, "ci.example.com", 22 },
        { "IPv6", "4022", "2001:db8::1", 22, "2001:db8::1", 22 },
    };

    harness_need_faults();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check(&rows[i]);
}

static void test_nothing_of_it_needs_an_address(void **unused)
{
    autojson json_t *connect = json_frame("connect");

    (void) setenv("FLOTILLA_LOOPBACK", "4022", 1);
    divert_to_loopback(connect);
    assert_int_equal(target_port(connect), 22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_lead_to_loopback_where_that_is_wanted),
        cmocka_unit_test(test_nothing_of_it_needs_an_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
