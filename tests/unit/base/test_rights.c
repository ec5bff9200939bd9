/* tests/unit/base/test_rights.c - mirrors core/base/rights.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/autoclean.h"
#include "core/base/rights.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"

static void make_pair(int *ret_a, int *ret_b)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *ret_a = ends[0];
    *ret_b = ends[1];
}

static void add_text(struct buf *buf, const char *text)
{
    buf_add_str(buf, text);
    assert_int_equal(buf_error(buf), 0);
}

static void test_descriptors_come_with_their_bytes(void **unused)
{
    autobuf struct buf plain = BUF_INIT, with = BUF_INIT;
    autoclose int a = -1, b = -1, first = -1, second = -1;
    char text[16] = "";
    int fds[2];

    (void) unused;
    make_pair(&a, &b);
    add_text(&plain, "plain");
    add_text(&with, "with");
    assert_int_equal(send(a, plain.data, plain.len, 0), plain.len);
    assert_int_equal(rights_send(a, &with, (int[]) { a, b }, 2), 0);
    assert_int_equal(rights_recv(b, text, 5, 0, fds, 2), 5);
    assert_string_equal(text, "plain");
    assert_int_equal(fds[0], -1);
    assert_int_equal(rights_recv(b, text, sizeof(text), 0, fds, 2), 4);
    first = fds[0];
    second = fds[1];
    assert_true(first >= 0 && second >= 0 && first != second);
    assert_true(fcntl(first, F_GETFD) & FD_CLOEXEC);
}

static void test_what_is_not_wanted_is_not_taken(void **unused)
{
    size_t before = harness_open_fds();

    (void) unused;
    for (size_t wanted = 0; wanted < 2; wanted++) {
        autobuf struct buf data = BUF_INIT;
        autoclose int a = -1, b = -1, got = -1;
        char byte;

        make_pair(&a, &b);
        add_text(&data, "x");
        assert_int_equal(rights_send(a, &data, (int[]) { a, b }, 2), 0);
        assert_int_equal(rights_recv(b, &byte, 1, 0, &got, wanted), 1);
        assert_int_equal(got >= 0, wanted);
        assert_int_equal(harness_open_fds(), before + 2 + wanted);
    }
}

static void test_who_does_not_read_blocks_nobody(void **unused)
{
    autobuf struct buf data = BUF_INIT;
    autoclose int a = -1, b = -1;
    int r = 0;

    (void) unused;
    make_pair(&a, &b);
    add_text(&data, "some bytes");
    for (int i = 0; r == 0 && i < 100000; i++)
        r = rights_send(a, &data, &b, 1);
    /* Descriptors on their way are bounded, too. */
    assert_true(r == -EAGAIN || r == -ETOOMANYREFS);
    assert_int_equal(rights_send(a, &data, (int[]) { a, a, a }, 3), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_come_with_their_bytes),
        cmocka_unit_test(test_what_is_not_wanted_is_not_taken),
        cmocka_unit_test(test_who_does_not_read_blocks_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
