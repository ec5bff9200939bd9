/* tests/unit/base/test_buf.c - mirrors core/base/buf.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "tests/harness/harness.h"

static void test_appends_stay_nul_terminated(void **unused)
{
    autobuf struct buf buf = BUF_INIT;

    assert_string_equal(buf_str(&buf), "");
    buf_add_str(&buf, "ab");
    buf_add_char(&buf, 'c');
    buf_addf(&buf, "-%d-%s", 42, "x");
    buf_add(&buf, "yz", 1);
    assert_int_equal(buf_error(&buf), 0);
    assert_string_equal(buf.data, "abc-42-xy");
    assert_int_equal(buf.len, 9);
}

static void test_holds_nul_bytes(void **unused)
{
    autobuf struct buf buf = BUF_INIT;

    buf_add(&buf, "a\0b", 3);
    assert_int_equal(buf.len, 3);
    assert_memory_equal(buf.data, "a\0b", 4);
}

static void test_limit_is_exact_and_sticky(void **unused)
{
    static const struct {
        const char *why;
        size_t first, second;
        int want;
        size_t want_len;
    } cases[] = {
        { "up to the limit", 60, 40, 0, 100 },
        { "one more is refused whole", 60, 41, -EFBIG, 60 },
        { "a length that would wrap around", 60, SIZE_MAX, -EFBIG, 60 },
    };
    char data[128] = { 0 };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autobuf struct buf buf = { .max = 100 };

        buf_add(&buf, data, cases[i].first);
        if (cases[i].second == SIZE_MAX)
            (void) buf_reserve(&buf, SIZE_MAX);
        else
            buf_add(&buf, data, cases[i].second);
        if (buf_error(&buf) != cases[i].want || buf.len != cases[i].want_len)
            fail_msg("%s: error %d, length %zu", cases[i].why, buf_error(&buf), buf.len);
        if (cases[i].want < 0) {
            buf_add_char(&buf, 'x');
            if (buf.len != cases[i].want_len)
                fail_msg("%s: an append after the error does something", cases[i].why);
        }
    }
}

static void test_default_limit_is_64_mib(void **unused)
{
    autobuf struct buf buf = BUF_INIT;

    assert_int_equal(buf_reserve(&buf, 64 * 1024 * 1024 + 1), -EFBIG);
    assert_null(buf.data);
}

static void test_clear_forgets_the_error_and_done_keeps_the_limit(void **unused)
{
    struct buf buf = { .max = 4 };

    buf_add_str(&buf, "12345");
    assert_int_equal(buf_error(&buf), -EFBIG);
    buf_clear(&buf);
    buf_add_str(&buf, "1234");
    assert_int_equal(buf_error(&buf), 0);
    buf_done(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.max, 4);
}

static void test_consume_drops_from_the_front(void **unused)
{
    static const struct {
        const char *why;
        size_t drop;
        const char *want;
    } cases[] = {
        { "nothing", 0, "abcdef" },
        { "some", 2, "cdef" },
        { "all", 6, "" },
        { "more than there is", 7, "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autobuf struct buf buf = BUF_INIT;

        buf_add_str(&buf, "abcdef");
        buf_consume(&buf, cases[i].drop);
        if (strcmp(buf_str(&buf), cases[i].want) != 0 || buf.len != strlen(cases[i].want))
            fail_msg("%s: got '%s'", cases[i].why, buf_str(&buf));
    }
    {
        autobuf struct buf empty = BUF_INIT;

        buf_consume(&empty, 3);
        assert_string_equal(buf_str(&empty), "");
    }
}

static void test_take_hands_over_or_gives_null(void **unused)
{
    struct buf buf = BUF_INIT;
    autofree char *empty = buf_take(&buf);
    autofree char *text = NULL;

    assert_string_equal(empty, "");
    buf_add_str(&buf, "mine");
    text = buf_take(&buf);
    assert_string_equal(text, "mine");
    assert_null(buf.data);

    buf.max = 2;
    buf_add_str(&buf, "abc");
    assert_null(buf_take(&buf));
    buf_done(&buf);
}

static int build_text(void *unused)
{
    autobuf struct buf buf = BUF_INIT;
    autofree char *text = NULL;

    for (int i = 0; i < 100; i++)
        buf_addf(&buf, "%d-%s;", i, "some words that need room");
    text = buf_take(&buf);
    return text ? 0 : -ENOMEM;
}

static void test_each_failing_allocation_ends_in_null(void **unused)
{
    harness_need_faults();
    assert_true(harness_fail_each_allocation(build_text, NULL) > 3);
}

/* Wipes as secret_wipe() does, and counts (the linker puts it in its place). */
static size_t wiped;

void __real_secret_wipe(void *data, size_t len);
void __wrap_secret_wipe(void *data, size_t len);
void __wrap_secret_wipe(void *data, size_t len)
{
    wiped += len;
    __real_secret_wipe(data, len);
}

static void test_hardening_S2_a_secret_is_wiped_wherever_it_lay(void **unused)
{
    struct buf buf = BUF_SECRET;
    size_t first;

    wiped = 0;
    buf_add_str(&buf, "glrt-token");
    first = buf.cap;
    assert_int_equal(wiped, 0);
    assert_int_equal(buf_reserve(&buf, 2 * first), 0);
    assert_int_equal(wiped, first);
    assert_string_equal(buf_str(&buf), "glrt-token");
    first += buf.cap;
    buf_done(&buf);
    assert_int_equal(wiped, first);
    assert_true(buf.secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_stay_nul_terminated),
        cmocka_unit_test(test_holds_nul_bytes),
        cmocka_unit_test(test_limit_is_exact_and_sticky),
        cmocka_unit_test(test_default_limit_is_64_mib),
        cmocka_unit_test(test_clear_forgets_the_error_and_done_keeps_the_limit),
        cmocka_unit_test(test_consume_drops_from_the_front),
        cmocka_unit_test(test_take_hands_over_or_gives_null),
        cmocka_unit_test(test_each_failing_allocation_ends_in_null),
        cmocka_unit_test(test_hardening_S2_a_secret_is_wiped_wherever_it_lay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
