/* tests/unit/transfer/test_stream.c - mirrors core/transfer/stream.c: what is sent is whole or lacks its end, however
 * the archive comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/autoclean.h"
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/transfer/stream.h"
#include "tests/harness/harness.h"

static struct stream *open_stream(int *ret_worker)
{
    struct stream *stream = mem_zero(sizeof(*stream));
    int ends[2];

    assert_non_null(stream);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    stream_init(stream, ends[0]);
    *ret_worker = ends[1];
    return stream;
}

static void close_stream(struct stream *stream)
{
    (void) close(stream->fd);
    free(stream);
}

static void put(int fd, const char *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* Everything the stream gives, and how it ended. */
static int64_t drain(struct stream *stream, size_t piece, struct buf *ret)
{
    char data[64];
    int64_t n;

    while ((n = stream_read(stream, data, MIN(piece, sizeof(data)))) > 0)
        buf_add(ret, data, (size_t) n);
    return n;
}

static void test_a_line_comes_before_the_bytes(void **unused)
{
    static const struct {
        const char *sent;
        int want;
        const char *line, *rest;
    } rows[] = {
        { "{\"a\":1}\nbytes", 1, "{\"a\":1}", "bytes" },
        { "{}\n", 1, "{}", "" },
        { "\n\n", 1, "", "\n" },
        { "", 0, NULL, NULL },
        { "no end", -EIO, NULL, NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[STREAM_LINE_MAX];
        autobuf struct buf rest = BUF_INIT;
        autoclose int worker = -1;
        struct stream *stream = open_stream(&worker);

        put(worker, rows[i].sent, strlen(rows[i].sent));
        (void) shutdown(worker, SHUT_WR);
        stream_tell(stream, true);
        assert_int_equal(stream_read_line(stream, line), rows[i].want);
        if (rows[i].want > 0) {
            assert_string_equal(line, rows[i].line);
            assert_int_equal(drain(stream, 64, &rest), 0);
            assert_string_equal(buf_str(&rest), rows[i].rest);
        }
        close_stream(stream);
    }
}

static void test_a_line_without_end_is_given_up(void **unused)
{
    char text[STREAM_LINE_MAX + 1], line[STREAM_LINE_MAX];
    autoclose int worker = -1;
    struct stream *stream = open_stream(&worker);

    (void) unused;
    memset(text, 'x', sizeof(text));
    put(worker, text, sizeof(text));
    assert_int_equal(stream_read_line(stream, line), -EIO); /* and the worker has not even ended */
    close_stream(stream);
}

static void test_nothing_that_broke_off_is_nothing(void **unused)
{
    char line[STREAM_LINE_MAX];
    autoclose int worker = -1;
    struct stream *stream = open_stream(&worker);

    (void) unused;
    (void) shutdown(worker, SHUT_WR);
    stream_tell(stream, false);
    assert_int_equal(stream_read_line(stream, line), -EIO);
    close_stream(stream);
}

struct sender {
    int fd;
    struct stream *stream;
    const char *text;
    size_t cut;
    bool whole;
};

/* In two writes, with the worker's word between them or behind. */
static void *send_cut(void *arg)
{
    const struct sender *sender = arg;
    size_t len = strlen(sender->text);

    put(sender->fd, sender->text, sender->cut);
    if (sender->cut % 2)
        stream_tell(sender->stream, sender->whole);
    put(sender->fd, sender->text + sender->cut, len - sender->cut);
    (void) shutdown(sender->fd, SHUT_WR);
    stream_tell(sender->stream, sender->whole);
    return NULL;
}

static void carry(const char *text, int64_t size, bool whole, size_t cut, size_t piece)
{
    autobuf struct buf got = BUF_INIT;
    autoclose int worker = -1;
    struct stream *stream = open_stream(&worker);
    struct sender sender = {
        .fd = worker, .stream = stream, .text = text, .cut = cut, .whole = whole
    };
    bool right = whole && (size < 0 || size == (int64_t) strlen(text));
    pthread_t thread;
    int64_t r;

    stream->size = size;
    assert_int_equal(pthread_create(&thread, NULL, send_cut, &sender), 0);
    r = drain(stream, piece, &got);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(r, right ? 0 : -EIO);
    if (right)
        assert_string_equal(buf_str(&got), text);
    else /* less than was promised, or than there was: no receiver takes it for whole */
        assert_true((int64_t) got.len < (size >= 0 ? size : (int64_t) strlen(text)));
    assert_int_equal(stream->trouble != NULL, !right);
    close_stream(stream);
}

static void test_the_last_byte_waits_for_the_word(void **unused)
{
    static const char text[] = "an archive";
    const int64_t len = (int64_t) strlen(text);

    (void) unused;
    for (size_t cut = 0; cut <= (size_t) len; cut++)
        for (size_t piece = 1; piece < 12; piece += 5)
            for (int whole = 0; whole < 2; whole++) {
                carry(text, -1, whole, cut, piece);
                carry(text, len, whole, cut, piece);
                carry(text, len - 1, whole, cut, piece);
                carry(text, len + 1, whole, cut, piece);
            }
}

static void test_a_worker_that_takes_no_more_ends_a_download(void **unused)
{
    int worker = -1;
    struct stream *stream = open_stream(&worker);

    (void) unused;
    assert_int_equal(stream_write(stream, "some", 4), 0);
    (void) close(worker);
    assert_int_equal(stream_write(stream, "more", 4), -EIO);
    assert_non_null(stream->trouble);
    close_stream(stream);
}

static void assert_idle(struct stream *stream, int64_t r, const char *why)
{
    assert_int_equal(r, -EIO);
    assert_non_null(stream->trouble);
    assert_string_equal(stream->trouble, why);
    close_stream(stream);
}

static void test_a_stream_on_which_nothing_moves_is_given_up(void **unused)
{
    static char much[1 << 20];
    char line[STREAM_LINE_MAX], byte;
    struct stream *stream;
    int64_t r = 0;
    int worker;

    (void) unused;
    assert_int_equal(setenv("FLOTILLA_LIMITS", "transfer_idle=50", 1), 0);
    stream = open_stream(&worker);
    assert_idle(stream, stream_read_line(stream, line),
                "nothing came from the instance for 10 minutes");
    (void) close(worker);

    stream = open_stream(&worker);
    put(worker, "x", 1); /* which is held back */
    assert_idle(stream, stream_read(stream, &byte, 1),
                "nothing came from the instance for 10 minutes");
    (void) close(worker);

    stream = open_stream(&worker);
    (void) close(worker);
    assert_idle(stream, stream_read(stream, &byte, 1),
                "nobody said for 10 minutes whether the archive is whole");

    stream = open_stream(&worker);
    for (int i = 0; i < 16 && r == 0; i++)
        r = stream_write(stream, much, sizeof(much));
    assert_idle(stream, r, "the instance took nothing for 10 minutes");
    (void) close(worker);
    assert_int_equal(unsetenv("FLOTILLA_LIMITS"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_comes_before_the_bytes),
        cmocka_unit_test(test_a_line_without_end_is_given_up),
        cmocka_unit_test(test_nothing_that_broke_off_is_nothing),
        cmocka_unit_test(test_the_last_byte_waits_for_the_word),
        cmocka_unit_test(test_a_worker_that_takes_no_more_ends_a_download),
        cmocka_unit_test(test_a_stream_on_which_nothing_moves_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
