/* core/job/connect/remote_stream.c - see the header. */
#include "core/job/connect/remote_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/base/io.h"

/* A write to a blocking pipe would wait for all of its bytes. */
static void do_not_block(int fd)
{
    int flags = fd > 0 ? fcntl(fd, F_GETFL) : -1;

    if (flags >= 0 && !(flags & O_NONBLOCK))
        (void) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static bool for_later(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

void remote_source_init(struct remote_source *source, const struct remote_exec *exec)
{
    source->next = exec->input;
    source->len = exec->input_len;
    source->fd = exec->stdin_fd;
    do_not_block(source->fd);
}

int remote_source_fill(struct remote_source *source, struct error *err)
{
    ssize_t n;

    if (source->len > 0 || source->fd == 0)
        return 0;
    n = io_read(source->fd, source->piece, sizeof(source->piece));
    if (n < 0 && for_later(errno))
        return 0;
    if (n < 0)
        return error_set(err, -EIO, "reading what the command is to get: %s", strerror(errno));
    if (n == 0)
        source->fd = 0;
    source->next = source->piece;
    source->len = (size_t) n;
    return 0;
}

void remote_sink_init(struct remote_sink *sink, const struct remote_exec *exec)
{
    sink->fd = exec->stdout_fd;
    sink->held = BUF_INIT;
    sink->written = 0;
    do_not_block(sink->fd);
}

void remote_sink_done(struct remote_sink *sink)
{
    buf_done(&sink->held);
}

/* Returns how much was taken, or as remote_sink_put(). */
static ssize_t write_some(const struct remote_sink *sink, const char *data, size_t len,
                          struct error *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = io_write(sink->fd, data + done, len - done);

        if (n < 0 && for_later(errno))
            break;
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return error_set(err, -ESHUTDOWN, "whoever reads the command's output has gone");
        if (n < 0)
            return error_set(err, -EIO, "writing the command's output: %s", strerror(errno));
        done += (size_t) n;
    }
    return (ssize_t) done;
}

int remote_sink_put(struct remote_sink *sink, const void *data, size_t len, struct error *err)
{
    ssize_t n = remote_sink_busy(sink) ? 0 : write_some(sink, data, len, err);

    if (n < 0)
        return (int) n;
    buf_add(&sink->held, (const char *) data + n, len - (size_t) n);
    return buf_error(&sink->held) < 0 ? error_set(err, -ENOMEM, "output: out of memory") : 0;
}

int remote_sink_flush(struct remote_sink *sink, struct error *err)
{
    ssize_t n;

    if (!remote_sink_busy(sink))
        return 0;
    n = write_some(sink, sink->held.data + sink->written, sink->held.len - sink->written, err);
    if (n < 0)
        return (int) n;
    sink->written += (size_t) n;
    if (sink->written == sink->held.len) {
        buf_clear(&sink->held);
        sink->written = 0;
    }
    return 0;
}

size_t remote_stream_poll(const struct remote_source *source, bool may_send,
                          const struct remote_sink *sink, struct pollfd *fds)
{
    size_t n = 0;

    if (source->fd > 0 && source->len == 0 && may_send)
        fds[n++] = (struct pollfd) { .fd = source->fd, .events = POLLIN };
    if (remote_sink_busy(sink))
        fds[n++] = (struct pollfd) { .fd = sink->fd, .events = POLLOUT };
    return n;
}
