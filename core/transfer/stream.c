/* core/transfer/stream.c - reading ahead by one byte, and writing on (stream.h). */
#include "core/transfer/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/io.h"
#include "core/base/str.h"

/* A transfer that waits keeps others from their turn. */
#define IDLE_MS INT64_C(600000)
#define IDLE "for 10 minutes"

static int64_t idle_ms(void)
{
    return fault_limit_ms("transfer_idle", IDLE_MS);
}

void stream_init(struct stream *stream, int fd)
{
    int64_t ms = idle_ms();
    const struct timeval idle = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    stream->fd = fd;
    stream->size = -1;
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
    (void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof(idle));
    (void) pthread_mutex_init(&stream->lock, NULL);
    (void) pthread_cond_init(&stream->told, NULL);
}

void stream_tell(struct stream *stream, bool whole)
{
    (void) pthread_mutex_lock(&stream->lock);
    if (stream->word == STREAM_NO_WORD)
        stream->word = whole ? STREAM_WHOLE : STREAM_CUT;
    (void) pthread_cond_signal(&stream->told);
    (void) pthread_mutex_unlock(&stream->lock);
}

static int give_up(struct stream *stream, const char *why)
{
    if (!stream->trouble)
        stream->trouble = why;
    return -EIO;
}

/* The worker's word, which comes when the helper has ended. */
static bool is_whole(struct stream *stream)
{
    int64_t until = clock_mono_ms(&clock_system) + idle_ms();
    const struct timespec at = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    int r = 0;
    bool whole;

    (void) pthread_mutex_lock(&stream->lock);
    while (stream->word == STREAM_NO_WORD && r == 0)
        r = pthread_cond_clockwait(&stream->told, &stream->lock, CLOCK_MONOTONIC, &at);
    whole = stream->word == STREAM_WHOLE;
    (void) pthread_mutex_unlock(&stream->lock);
    if (r != 0)
        (void) give_up(stream, "nobody said " IDLE " whether the archive is whole");
    return whole;
}

/* Reads until there are `least` bytes or the end. */
static int fill(struct stream *stream, size_t least)
{
    if (stream->at > 0)
        memmove(stream->data, stream->data + stream->at, stream->len);
    stream->at = 0;
    while (!stream->ended && stream->len < least) {
        ssize_t n =
            io_read(stream->fd, stream->data + stream->len, sizeof(stream->data) - stream->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return give_up(stream, errno == EAGAIN ? "nothing came from the instance " IDLE
                                                   : "the stream from the instance cannot be read");
        stream->ended = n == 0;
        stream->len += (size_t) n;
    }
    return 0;
}

int stream_read_line(struct stream *stream, char line[STREAM_LINE_MAX])
{
    const char *end = NULL;
    size_t len;

    for (size_t least = 1; !end; least = stream->len + 1) {
        if (least > STREAM_LINE_MAX || fill(stream, least) < 0)
            return give_up(stream, "the stream from the instance begins with no line of a helper");
        if (stream->ended && stream->len < least)
            break;
        end = memchr(stream->data, '\n', stream->len);
    }
    if (!end && stream->len == 0)
        return is_whole(stream) ? 0 : give_up(stream, "the instance sent nothing");
    if (!end || (size_t) (end - stream->data) >= STREAM_LINE_MAX)
        return give_up(stream, "the stream from the instance begins with no line of a helper");
    len = (size_t) (end - stream->data);
    memcpy(line, stream->data, len);
    line[len] = '\0';
    stream->at = len + 1;
    stream->len -= len + 1;
    return 1;
}

/* At the end of a stream that is whole, and as long as was said. */
static int check_end(struct stream *stream)
{
    if (!is_whole(stream))
        return give_up(stream, "the archive broke off on the instance");
    if (stream->size >= 0 && stream->sent + (int64_t) stream->len != stream->size)
        return give_up(stream, "the archive is shorter than its helper said");
    return 0;
}

int64_t stream_read(void *arg, void *data, size_t size)
{
    struct stream *stream = arg;
    size_t n;

    if (fill(stream, 2) < 0)
        return -EIO;
    if (stream->size >= 0 && stream->sent + (int64_t) stream->len > stream->size)
        return give_up(stream, "the archive is longer than its helper said");
    if (stream->ended && check_end(stream) < 0)
        return -EIO;
    n = MIN(size, stream->ended ? stream->len : stream->len - 1);
    memcpy(data, stream->data + stream->at, n);
    stream->at += n;
    stream->len -= n;
    stream->sent += (int64_t) n;
    return (int64_t) n;
}

int stream_write(void *arg, const void *data, size_t len)
{
    struct stream *stream = arg;
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(stream->fd, at, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return give_up(stream, errno == EAGAIN ? "the instance took nothing " IDLE
                                                   : "the instance took no more of the archive");
        at += n;
        len -= (size_t) n;
        stream->sent += n;
    }
    return 0;
}
