/* tests/unit/sdk/test_grpc_guard.c - mirrors sdk/lib/grpc_guard.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sdk/lib/grpc_guard.h"

/* How many frames pass before one is refused, at most 2,000, a millisecond after each other. */
static unsigned count_passed(struct flt_grpc_guard *guard, const nghttp2_frame_hd *frame,
                             int64_t now_ms, const char **ret_why)
{
    unsigned n = 0;

    for (*ret_why = NULL; n < 2000; n++, now_ms++) {
        *ret_why = flt_grpc_guard_frame(guard, frame, now_ms);
        if (*ret_why)
            break;
    }
    return n;
}

static void test_frames_that_carry_nothing_are_counted(void **state)
{
    static const struct {
        nghttp2_frame_hd frame;
        unsigned passed;
    } rows[] = {
        { { .type = NGHTTP2_PING }, 1000 },
        { { .type = NGHTTP2_SETTINGS }, 1000 },
        { { .type = NGHTTP2_WINDOW_UPDATE }, 1000 },
        { { .type = NGHTTP2_CONTINUATION }, 1000 },
        { { .type = 0xfa }, 1000 },
        { { .type = NGHTTP2_DATA }, 1000 }, /* empty ones */
        { { .type = NGHTTP2_RST_STREAM }, 100 },
        { { .type = NGHTTP2_DATA, .length = 1 }, 2000 },
        { { .type = NGHTTP2_HEADERS }, 2000 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct flt_grpc_guard guard = { 0 };
        const char *why;

        assert_int_equal(count_passed(&guard, &rows[i].frame, 1000000, &why), rows[i].passed);
        if (rows[i].passed == 100)
            assert_string_equal(why, "more than 100 resets in a minute");
        if (rows[i].passed == 1000)
            assert_string_equal(why, "more than 1000 control frames in a minute");
    }
}

static void test_each_minute_begins_anew(void **state)
{
    const nghttp2_frame_hd reset = { .type = NGHTTP2_RST_STREAM };
    struct flt_grpc_guard guard = { 0 };
    const char *why;

    (void) state;
    assert_int_equal(count_passed(&guard, &reset, 1000000, &why), 100);
    assert_non_null(flt_grpc_guard_frame(&guard, &reset, 1000000 + 59999));
    assert_int_equal(count_passed(&guard, &reset, 1000000 + 60000, &why), 100);
}

static void test_a_block_of_headers_has_16_kib(void **state)
{
    const nghttp2_frame_hd headers = { .type = NGHTTP2_HEADERS },
                           more = { .type = NGHTTP2_CONTINUATION };
    struct flt_grpc_guard guard = { 0 };

    (void) state;
    assert_null(flt_grpc_guard_frame(&guard, &headers, 0));
    assert_null(flt_grpc_guard_header(&guard, 10, 16384 - 10 - 32));
    assert_null(flt_grpc_guard_frame(&guard, &more, 0));
    assert_string_equal(flt_grpc_guard_header(&guard, 0, 0), "headers of more than 16 KiB");
    assert_null(flt_grpc_guard_frame(&guard, &headers, 0)); /* the trailers are another block */
    assert_null(flt_grpc_guard_header(&guard, 10, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_that_carry_nothing_are_counted),
        cmocka_unit_test(test_each_minute_begins_anew),
        cmocka_unit_test(test_a_block_of_headers_has_16_kib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
