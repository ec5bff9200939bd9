/* core/transfer/stream.c - reading ahead by one byte, and writing on (stream.h). */
#include "core/transfer/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/io.h"
#include "core/base/str.h"

void stream_init(struct stream *stream, int fd)
{
    stream->fd = fd;
    stream->size = -1;
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

/* It comes, or the process ends with its link. */
static bool is_whole(struct stream *stream)
{
    bool whole;

    (void) pthread_mutex_lock(&stream->lock);
    while (stream->word == STREAM_NO_WORD)
        (void) pthread_cond_wait(&stream->told, &stream->lock);
    whole = stream->word == STREAM_WHOLE;
    (void) pthread_mutex_unlock(&stream->lock);
    return whole;
}

static int give_up(struct stream *stream, const char *why)
{
    if (!stream->trouble)
        stream->trouble = why;
    return -EIO;
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
            return give_up(stream, "the stream from the instance cannot be read");
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
            return give_up(stream, "the instance took no more of the archive");
        at += n;
        len -= (size_t) n;
        stream->sent += n;
    }
    return 0;
}
