/* tests/unit/web/test_guesses.c - mirrors core/web/guesses.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/base/address.h"
#include "core/web/guesses.h"

static struct sockaddr_storage at(const char *text)
{
    struct sockaddr_storage address;

    assert_int_equal(address_parse(text, 1, &address), 0);
    return address;
}

static void guess(struct web_guesses *guesses, const char *from, unsigned n, int64_t now)
{
    const struct sockaddr_storage peer = at(from);

    for (unsigned i = 0; i < n; i++)
        web_guesses_note(guesses, &peer, now);
}

static bool allows(const struct web_guesses *guesses, const char *from, int64_t now)
{
    const struct sockaddr_storage peer = at(from);

    return web_guesses_allow(guesses, &peer, now);
}

static void test_who_guesses_too_often_waits_and_nobody_else(void **unused)
{
    struct web_guesses guesses = { 0 };

    assert_true(allows(&guesses, "192.0.2.1", 5));
    guess(&guesses, "192.0.2.1", WEB_GUESSES_MAX - 1, 5);
    assert_true(allows(&guesses, "192.0.2.1", 6));
    guess(&guesses, "192.0.2.1", 1, 7);
    assert_false(allows(&guesses, "192.0.2.1", 8));
    assert_false(allows(&guesses, "[::ffff:192.0.2.1]", 8));
    assert_true(allows(&guesses, "192.0.2.2", 8));
    assert_false(allows(&guesses, "192.0.2.1", 5 + WEB_GUESSES_MS - 1));
    assert_true(allows(&guesses, "192.0.2.1", 5 + WEB_GUESSES_MS));
    guess(&guesses, "192.0.2.1", 1, 5 + WEB_GUESSES_MS);
    assert_true(allows(&guesses, "192.0.2.1", 6 + WEB_GUESSES_MS));
}

static void test_a_host_has_one_network_of_ipv6(void **unused)
{
    struct web_guesses guesses = { 0 };

    guess(&guesses, "[2001:db8::1]", WEB_GUESSES_MAX / 2, 1);
    guess(&guesses, "[2001:db8::2:3:4]", WEB_GUESSES_MAX / 2, 1);
    assert_false(allows(&guesses, "[2001:db8::ffff]", 2));
    assert_true(allows(&guesses, "[2001:db8:0:1::1]", 2));
}

static void test_the_oldest_is_forgotten_first(void **unused)
{
    struct web_guesses guesses = { 0 };
    char from[32];

    guess(&guesses, "198.51.100.1", WEB_GUESSES_MAX, 1);
    guess(&guesses, "198.51.100.2", WEB_GUESSES_MAX, 2);
    for (int i = 0; i < WEB_GUESSES_PEERS_MAX - 1; i++) {
        (void) snprintf(from, sizeof(from), "192.0.2.%d", i);
        guess(&guesses, from, 1, 3 + i);
    }
    assert_true(allows(&guesses, "198.51.100.1", 100));
    assert_false(allows(&guesses, "198.51.100.2", 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_guesses_too_often_waits_and_nobody_else),
        cmocka_unit_test(test_a_host_has_one_network_of_ipv6),
        cmocka_unit_test(test_the_oldest_is_forgotten_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
