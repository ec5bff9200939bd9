/* tests/unit/base/test_channel.c - mirrors core/base/channel.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/channel.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"

#define MAX_IN 1024

/* A channel on a loop of its own, with the other end of its socket in the test's hand. */
struct fixture {
    uv_loop_t loop;
    struct channel *channel;
    int peer;
    unsigned frames, closings;
    char last_type[64], why[128];
    bool close_on_frame;
};

static void on_frame(void *arg, json_t *frame)
{
    struct fixture *f = arg;
    const char *type = "";

    assert_int_equal(json_need_str(frame, "type", &type, NULL), 0);
    (void) str_copy(f->last_type, sizeof(f->last_type), type);
    f->frames++;
    if (f->close_on_frame)
        channel_close(f->channel);
}

static void on_closed(void *arg, const char *why)
{
    struct fixture *f = arg;

    (void) str_copy(f->why, sizeof(f->why), why);
    f->closings++;
    f->channel = NULL;
}

static int set_up(void **state)
{
    struct fixture *f = mem_zero(sizeof(*f));
    int fds[2];

    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->peer = fds[1];
    assert_int_equal(
        channel_open(&f->loop, fds[0], MAX_IN, on_frame, on_closed, f, &f->channel, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    channel_close(f->channel);
    (void) uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    if (f->peer >= 0)
        (void) close(f->peer);
    free(f);
    return 0;
}

static void turn(struct fixture *f)
{
    (void) uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void peer_sends(struct fixture *f, const char *type)
{
    autojson json_t *frame = json_frame(type);

    assert_int_equal(frame_send(f->peer, frame, 64 * 1024, 1000, NULL), 0);
}

static void send_type(struct fixture *f, const char *type, size_t max)
{
    autojson json_t *frame = json_frame(type);

    channel_send(f->channel, frame, max);
}

static json_t *frame_of_bytes(size_t n)
{
    json_t *frame = json_frame("big");
    autofree char *text = mem_alloc(n + 1);

    memset(text, 'x', n);
    text[n] = '\0';
    assert_int_equal(json_add_str(frame, "text", text), 0);
    return frame;
}

static void peer_receives_big(struct fixture *f)
{
    autojson json_t *got = NULL;
    struct frame_decoder decoder;
    int r = -ETIMEDOUT;

    frame_decoder_init(&decoder, FRAME_MAX_ANSWER);
    while (r == -ETIMEDOUT) {
        turn(f);
        r = frame_recv(f->peer, &decoder, 0, &got, NULL);
    }
    assert_int_equal(r, 1);
    frame_decoder_done(&decoder);
}

/* A peer that does not read gets no descriptor, and keeps its connection. */
static void test_a_descriptor_goes_with_its_frame_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    autojson json_t *frame = json_frame("with"), *got = NULL, *big = frame_of_bytes(1024 * 1024);
    autoclose int passed = -1;
    struct frame_decoder decoder;

    assert_true(channel_is_flushed(f->channel));
    assert_int_equal(channel_send_with(f->channel, frame, 4096, f->peer, NULL), 0);
    frame_decoder_init(&decoder, FRAME_MAX_ANSWER);
    decoder.passed = &passed;
    assert_int_equal(frame_recv(f->peer, &decoder, 1000, &got, NULL), 1);
    assert_true(passed >= 0);
    channel_send(f->channel, big, FRAME_MAX_ANSWER);
    assert_false(channel_is_flushed(f->channel));
    assert_int_equal(channel_send_with(f->channel, frame, 4096, f->peer, NULL), -EAGAIN);
    peer_receives_big(f);
    turn(f);
    assert_true(channel_is_flushed(f->channel));
    assert_int_equal(channel_send_with(f->channel, frame, 4096, f->peer, NULL), 0);
    frame_decoder_done(&decoder);
}

static void test_frames_pass_both_ways(void **state)
{
    struct fixture *f = *state;
    struct frame_decoder decoder;
    autojson json_t *frame = NULL;
    const char *type = "";

    peer_sends(f, "one");
    peer_sends(f, "two");
    turn(f);
    assert_int_equal(f->frames, 2);
    assert_string_equal(f->last_type, "two");
    send_type(f, "answer", MAX_IN);
    turn(f);
    frame_decoder_init(&decoder, MAX_IN);
    assert_int_equal(frame_recv(f->peer, &decoder, 1000, &frame, NULL), 1);
    assert_int_equal(json_need_str(frame, "type", &type, NULL), 0);
    assert_string_equal(type, "answer");
    frame_decoder_done(&decoder);
}

static void test_the_end_is_told_once_with_its_reason(void **state)
{
    static const struct {
        const char *why, *bytes;
        size_t len;
        const char *want;
    } cases[] = {
        { "the peer closes", "", 0, "the peer closed the connection" },
        { "a frame is longer than allowed", "\0\0\x04\x01", 4, "1025" },
        { "a frame is no JSON", "\0\0\0\x02{]", 6, "JSON" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = *state;

        if (cases[i].len > 0)
            assert_int_equal(write(f->peer, cases[i].bytes, cases[i].len), cases[i].len);
        (void) close(f->peer);
        f->peer = -1;
        turn(f);
        turn(f);
        if (f->closings != 1 || !strstr(f->why, cases[i].want))
            fail_msg("%s: told %u times, '%s'", cases[i].why, f->closings, f->why);
        (void) tear_down(state);
        (void) set_up(state);
    }
}

/* The owner of a failed send goes on using what it owns until the loop tells it. */
static void test_a_failed_send_is_told_later(void **state)
{
    struct fixture *f = *state;

    send_type(f, "too long for its limit", 8);
    assert_int_equal(f->closings, 0);
    assert_non_null(f->channel);
    send_type(f, "ignored", MAX_IN);
    turn(f);
    assert_int_equal(f->closings, 1);
}

static void test_closing_after_a_failure_keeps_it_silent(void **state)
{
    struct fixture *f = *state;

    send_type(f, "too long for its limit", 8);
    channel_close(f->channel);
    f->channel = NULL;
    turn(f);
    assert_int_equal(f->closings, 0);
}

static void test_the_senders_limit_holds_and_no_other(void **state)
{
    struct fixture *f = *state;
    autojson json_t *frame = frame_of_bytes((size_t) 3 * 1024 * 1024);

    channel_send(f->channel, frame, FRAME_MAX_ANSWER);
    peer_receives_big(f);
    assert_int_equal(f->closings, 0);
}

static void test_a_peer_that_does_not_read_is_given_up(void **state)
{
    struct fixture *f = *state;
    autojson json_t *frame = frame_of_bytes((size_t) 8 * 1024 * 1024);

    for (int i = 0; i < 6; i++)
        channel_send(f->channel, frame, FRAME_MAX_ANSWER);
    turn(f);
    assert_int_equal(f->closings, 1);
    assert_string_equal(f->why, "the peer does not read");
}

static void test_an_owner_may_close_in_its_callback(void **state)
{
    struct fixture *f = *state;

    f->close_on_frame = true;
    peer_sends(f, "one");
    peer_sends(f, "two");
    turn(f);
    f->channel = NULL;
    assert_int_equal(f->frames, 1);
    assert_int_equal(f->closings, 0);
}

static void test_a_new_owner_hears_what_comes(void **state)
{
    struct fixture *f = *state;
    struct fixture other = { .peer = -1 };

    channel_set_owner(f->channel, 8, on_frame, on_closed, &other);
    peer_sends(f, "longer than eight");
    turn(f);
    assert_int_equal(f->closings, 0);
    assert_int_equal(other.closings, 1);
    f->channel = NULL;
}

/* What was queued still arrives, and the owner, who may be gone, hears of nothing. */
static void test_closing_when_flushed_writes_all_and_is_silent(void **state)
{
    struct fixture *f = *state;
    autojson json_t *frame = frame_of_bytes((size_t) 3 * 1024 * 1024);

    channel_send(f->channel, frame, FRAME_MAX_ANSWER);
    channel_close_flushed(f->channel);
    f->channel = NULL;
    peer_sends(f, "unheard");
    peer_receives_big(f);
    assert_int_equal(f->frames, 0);
    assert_int_equal(f->closings, 0);
}

static void test_closing_nothing_is_allowed(void **unused)
{
    channel_close(NULL);
}

int main(void)
{
#define CHANNEL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CHANNEL_TEST(test_a_descriptor_goes_with_its_frame_or_not_at_all),
        CHANNEL_TEST(test_frames_pass_both_ways),
        CHANNEL_TEST(test_the_end_is_told_once_with_its_reason),
        CHANNEL_TEST(test_a_failed_send_is_told_later),
        CHANNEL_TEST(test_closing_after_a_failure_keeps_it_silent),
        CHANNEL_TEST(test_the_senders_limit_holds_and_no_other),
        CHANNEL_TEST(test_a_peer_that_does_not_read_is_given_up),
        CHANNEL_TEST(test_an_owner_may_close_in_its_callback),
        CHANNEL_TEST(test_a_new_owner_hears_what_comes),
        CHANNEL_TEST(test_closing_when_flushed_writes_all_and_is_silent),
        cmocka_unit_test(test_closing_nothing_is_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
