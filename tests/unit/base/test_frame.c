/* tests/unit/base/test_frame.c - mirrors core/base/frame.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/frame.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "tests/harness/harness.h"

static void test_encoding_is_a_big_endian_length_and_json(void **unused)
{
    autobuf struct buf out = BUF_INIT;
    autojson json_t *frame = json_frame("status");
    struct error err = { 0 };

    assert_int_equal(frame_encode(&out, frame, 1024, &err), 0);
    assert_int_equal(out.len, 4 + 17);
    assert_memory_equal(out.data, "\0\0\0\x11{\"type\":\"status\"}", out.len);
}

static void test_encoding_refuses_what_is_too_long(void **unused)
{
    autobuf struct buf out = BUF_INIT;
    autojson json_t *frame = json_frame("status");
    struct error err = { 0 };

    assert_int_equal(frame_encode(&out, frame, 16, &err), -EMSGSIZE);
    assert_int_equal(out.len, 0);
    assert_int_equal(frame_encode(&out, frame, 17, &err), 0);
}

/* Two frames for every way of cutting them in two. */
static void test_frames_come_out_whole_whatever_the_cut(void **unused)
{
    static const char bytes[] = "\0\0\0\x0e{\"type\":\"one\"}\0\0\0\x0e{\"type\":\"two\"}";
    size_t len = sizeof(bytes) - 1;

    for (size_t cut = 0; cut <= len; cut++) {
        struct frame_decoder decoder;
        const char *want[] = { "one", "two" };
        size_t got = 0;

        frame_decoder_init(&decoder, 1024);
        for (int piece = 0; piece < 2; piece++) {
            assert_int_equal(frame_decoder_feed(&decoder, piece == 0 ? bytes : bytes + cut,
                                                piece == 0 ? cut : len - cut),
                             0);
            for (;;) {
                autojson json_t *frame = NULL;
                const char *type = NULL;
                int r = frame_decoder_next(&decoder, &frame, NULL);

                if (r == 0)
                    break;
                assert_int_equal(r, 1);
                assert_int_equal(json_need_str(frame, "type", &type, NULL), 0);
                assert_true(got < 2);
                assert_string_equal(type, want[got++]);
            }
        }
        if (got != 2)
            fail_msg("cut at %zu: %zu frames", cut, got);
        frame_decoder_done(&decoder);
    }
}

static void test_broken_frames_are_refused(void **unused)
{
    static const struct {
        const char *why, *bytes;
        size_t len;
        int want;
    } cases[] = {
        { "longer than the limit, known from the length alone", "\0\0\0\x65", 4, -EMSGSIZE },
        { "the longest length there is", "\xff\xff\xff\xff", 4, -EMSGSIZE },
        { "no bytes at all", "\0\0\0\0", 4, -EINVAL },
        { "no JSON", "\0\0\0\3abc", 7, -EINVAL },
        { "JSON, but an array", "\0\0\0\2[]", 6, -EPROTO },
        { "something behind the object", "\0\0\0\4{}{}", 8, -EINVAL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct frame_decoder decoder;
        struct error err = { 0 };
        json_t *frame = NULL;
        int r;

        frame_decoder_init(&decoder, 100);
        assert_int_equal(frame_decoder_feed(&decoder, cases[i].bytes, cases[i].len), 0);
        r = frame_decoder_next(&decoder, &frame, &err);
        if (r != cases[i].want || frame || !err.message[0])
            fail_msg("%s: got %d '%s'", cases[i].why, r, err.message);
        frame_decoder_done(&decoder);
    }
}

static void open_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void test_recv_gives_frames_then_the_end(void **unused)
{
    struct frame_decoder decoder;
    autojson json_t *sent = json_frame("ping");
    int pair[2];

    open_pair(pair);
    frame_decoder_init(&decoder, 1024);
    assert_int_equal(frame_send(pair[0], sent, 1024, 1000, NULL), 0);
    assert_int_equal(frame_send(pair[0], sent, 1024, 1000, NULL), 0);
    (void) close(pair[0]);
    for (int i = 0; i < 2; i++) {
        autojson json_t *frame = NULL;

        assert_int_equal(frame_recv(pair[1], &decoder, 1000, &frame, NULL), 1);
        assert_string_equal(json_text(frame), "{\"type\":\"ping\"}");
    }
    {
        json_t *frame = NULL;

        assert_int_equal(frame_recv(pair[1], &decoder, 1000, &frame, NULL), 0);
        assert_null(frame);
    }
    frame_decoder_done(&decoder);
    (void) close(pair[1]);
}

static void test_end_inside_a_frame_is_an_error(void **unused)
{
    struct frame_decoder decoder;
    struct error err = { 0 };
    json_t *frame = NULL;
    int pair[2];

    open_pair(pair);
    frame_decoder_init(&decoder, 1024);
    assert_int_equal(fs_write_all(pair[0], "\0\0\0\5{", 5), 0);
    (void) close(pair[0]);
    assert_int_equal(frame_recv(pair[1], &decoder, 1000, &frame, &err), -EPROTO);
    assert_string_equal(err.message, "the peer closed the connection inside a frame");
    frame_decoder_done(&decoder);
    (void) close(pair[1]);
}

static void test_recv_gives_up_at_its_deadline(void **unused)
{
    int64_t started = clock_mono_ms(&clock_system);
    struct frame_decoder decoder;
    json_t *frame = NULL;
    int pair[2];

    open_pair(pair);
    frame_decoder_init(&decoder, 1024);
    assert_int_equal(fs_write_all(pair[0], "\0\0", 2), 0);
    assert_int_equal(frame_recv(pair[1], &decoder, 30, &frame, NULL), -ETIMEDOUT);
    assert_true(clock_mono_ms(&clock_system) - started >= 30);
    frame_decoder_done(&decoder);
    (void) close(pair[0]);
    (void) close(pair[1]);
}

static void test_send_gives_up_when_nobody_reads(void **unused)
{
    autojson json_t *frame = json_frame("big");
    autofree char *text = mem_zero(1000000);
    struct error err = { 0 };
    int pair[2];

    memset(text, 'x', 999999);
    assert_int_equal(json_add_str(frame, "text", text), 0);
    open_pair(pair);
    assert_int_equal(frame_send(pair[0], frame, FRAME_MAX_LINK, 30, &err), -ETIMEDOUT);
    (void) close(pair[1]);
    /* Neither a signal nor a hang when the peer is gone. */
    assert_int_equal(frame_send(pair[0], frame, FRAME_MAX_LINK, 30, &err), -EPIPE);
    (void) close(pair[0]);
}

struct sender {
    int fd, result;
    json_t *frame;
};

static void *send_in_thread(void *arg)
{
    struct sender *sender = arg;

    sender->result = frame_send(sender->fd, sender->frame, FRAME_MAX_START, 20000, NULL);
    return NULL;
}

static void test_frame_larger_than_the_socket_gets_through(void **unused)
{
    autojson json_t *got = NULL;
    autojson json_t *frame = json_frame("start");
    autofree char *text = mem_zero(3000001);
    struct sender sender;
    struct frame_decoder decoder;
    pthread_t thread;
    int pair[2];

    memset(text, 'y', 3000000);
    assert_int_equal(json_add_str(frame, "text", text), 0);
    open_pair(pair);
    sender = (struct sender) { .fd = pair[0], .frame = frame };
    assert_int_equal(pthread_create(&thread, NULL, send_in_thread, &sender), 0);
    frame_decoder_init(&decoder, FRAME_MAX_START);
    assert_int_equal(frame_recv(pair[1], &decoder, 20000, &got, NULL), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sender.result, 0);
    assert_int_equal(json_object_get_string_len(json_object_object_get(got, "text")), 3000000);
    frame_decoder_done(&decoder);
    (void) close(pair[0]);
    (void) close(pair[1]);
}

static void test_hardening_S2_nothing_is_kept_of_a_frame_that_was_read(void **unused)
{
    autojson json_t *frame = json_frame("start"), *got = NULL;
    autobuf struct buf out = BUF_INIT;
    struct frame_decoder decoder;

    assert_int_equal(frame_encode(&out, frame, 4096, NULL), 0);
    frame_decoder_init(&decoder, 4096);
    assert_int_equal(frame_decoder_feed(&decoder, out.data, out.len), 0);
    assert_int_equal(frame_decoder_next(&decoder, &got, NULL), 1);
    assert_null(decoder.in.data);
    assert_true(decoder.in.secret);
    frame_decoder_done(&decoder);
}

static int encode_and_decode(void *arg)
{
    autobuf struct buf out = BUF_INIT;
    autojson json_t *got = NULL;
    struct frame_decoder decoder;
    int r = frame_encode(&out, arg, 4096, NULL);

    frame_decoder_init(&decoder, 4096);
    if (r == 0)
        r = frame_decoder_feed(&decoder, out.data, out.len);
    if (r == 0)
        r = frame_decoder_next(&decoder, &got, NULL);
    frame_decoder_done(&decoder);
    return r < 0 ? r : 0;
}

static void test_each_failing_allocation_is_reported(void **unused)
{
    autojson json_t *frame = json_frame("x");

    harness_need_faults();
    assert_true(harness_fail_each_allocation(encode_and_decode, frame) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding_is_a_big_endian_length_and_json),
        cmocka_unit_test(test_encoding_refuses_what_is_too_long),
        cmocka_unit_test(test_frames_come_out_whole_whatever_the_cut),
        cmocka_unit_test(test_broken_frames_are_refused),
        cmocka_unit_test(test_hardening_S2_nothing_is_kept_of_a_frame_that_was_read),
        cmocka_unit_test(test_recv_gives_frames_then_the_end),
        cmocka_unit_test(test_end_inside_a_frame_is_an_error),
        cmocka_unit_test(test_recv_gives_up_at_its_deadline),
        cmocka_unit_test(test_send_gives_up_when_nobody_reads),
        cmocka_unit_test(test_frame_larger_than_the_socket_gets_through),
        cmocka_unit_test(test_each_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
