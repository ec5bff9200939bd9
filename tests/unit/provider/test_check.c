/* tests/unit/provider/test_check.c - mirrors core/provider/check.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "core/provider/check.h" /* before cmocka, whose fail() is a macro */

#include <cmocka.h>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include "core/base/str.h"

enum verdict { TAKEN, LOCAL_ONLY, REFUSED };

static enum verdict judge(const char *address)
{
    struct error err = { 0 };

    if (provider_check_address(address, false, &err) == 0)
        return TAKEN;
    return provider_check_address(address, true, &err) == 0 ? LOCAL_ONLY : REFUSED;
}

static void test_hardening_V13_addresses(void **unused)
{
    static const struct {
        const char *why, *address;
        enum verdict want;
    } cases[] = {
        { "an address", "198.51.100.7", TAKEN },
        { "an address", "2001:db8::7", TAKEN },
        { "a name", "host-7.example.com", TAKEN },
        { "a name may begin with a digit", "7.example.com", TAKEN },
        { "a name of the root", "host.example.com.", TAKEN },
        { "hexadecimal letters are no number", "0x.fade", TAKEN },
        { "loopback", "127.0.0.1", LOCAL_ONLY },
        { "loopback", "::1", LOCAL_ONLY },
        { "loopback, mapped", "::ffff:127.0.0.1", LOCAL_ONLY },
        { "link-local: the cloud's metadata", "169.254.169.254", LOCAL_ONLY },
        { "link-local", "fe80::1", LOCAL_ONLY },
        { "no host's", "0.0.0.0", LOCAL_ONLY },
        { "multicast", "224.0.0.1", LOCAL_ONLY },
        { "the name of loopback", "localhost", LOCAL_ONLY },
        { "names know no case", "LOCALHOST", LOCAL_ONLY },
        { "the name of loopback at the root", "localhost.", LOCAL_ONLY },
        { "names below it are its own", "db.localhost", LOCAL_ONLY },
        { "a short form of 127.0.0.1", "127.1", REFUSED },
        { "127.0.0.1 as one number", "2130706433", REFUSED },
        { "127.0.0.1 in hexadecimal", "0x7f.1", REFUSED },
        { "127.0.0.1 in hexadecimal", "0x7f000001", REFUSED },
        { "127.0.0.1 at the root", "127.0.0.1.", REFUSED },
        { "an option", "-oProxyCommand=id", REFUSED },
        { "a space", "a b", REFUSED },
        { "nothing", "", REFUSED },
        { "the root alone", ".", REFUSED },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (judge(cases[i].address) != cases[i].want)
            fail_msg("%s: '%s' is judged %d", cases[i].why, cases[i].address,
                     (int) judge(cases[i].address));
}

/* Clouds that name the manager's own address would have it log in to itself. */
static void test_hardening_V13_addresses_of_this_machine(void **unused)
{
    struct ifaddrs *list = NULL;
    unsigned seen = 0;

    (void) unused;
    assert_int_equal(getifaddrs(&list), 0);
    for (const struct ifaddrs *at = list; at; at = at->ifa_next) {
        char text[INET6_ADDRSTRLEN] = "";

        if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET)
            (void) inet_ntop(AF_INET,
                             &((const struct sockaddr_in *) (const void *) at->ifa_addr)->sin_addr,
                             text, sizeof(text));
        else if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET6)
            (void) inet_ntop(
                AF_INET6, &((const struct sockaddr_in6 *) (const void *) at->ifa_addr)->sin6_addr,
                text, sizeof(text));
        else
            continue;
        seen++;
        if (judge(text) != LOCAL_ONLY)
            fail_msg("%s of %s is judged %d", text, at->ifa_name, (int) judge(text));
    }
    freeifaddrs(list);
    assert_true(seen > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_V13_addresses),
        cmocka_unit_test(test_hardening_V13_addresses_of_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
