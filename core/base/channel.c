/* core/base/channel.c - framed connections on libuv (channel.h says for whom). */
#include "core/base/channel.h"

#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/rights.h"
#include "core/base/secret.h"

/* What one peer may leave unread before we give it up: a stuck operator must not grow us. */
#define CHANNEL_MAX_QUEUED ((size_t) 32 * 1024 * 1024)

struct channel {
    uv_pipe_t pipe;
    struct frame_decoder decoder;
    channel_frame_fn on_frame;
    channel_closed_fn on_closed;
    void *arg;
    bool closing, close_when_flushed;
    unsigned writes;
    char why[128]; /* it ended without being asked to */
    char read_buffer[4096];
};

struct channel_write {
    uv_write_t req;
    struct channel *channel;
    struct buf data;
    bool secret;
};

/* The owner hears of the end exactly once, and may free itself then. */
static void on_handle_closed(uv_handle_t *handle)
{
    struct channel *channel = handle->data;

    if (channel->on_closed)
        channel->on_closed(channel->arg, channel->why);
    frame_decoder_done(&channel->decoder);
    free(channel);
}

static void begin_close(struct channel *channel)
{
    if (channel->closing)
        return;
    channel->closing = true;
    uv_close((uv_handle_t *) &channel->pipe, on_handle_closed);
}

void channel_close(struct channel *channel)
{
    if (!channel)
        return;
    channel->on_frame = NULL;
    channel->on_closed = NULL;
    begin_close(channel);
}

static void channel_fail(struct channel *channel, const char *why)
{
    if (!channel->closing)
        (void) snprintf(channel->why, sizeof(channel->why), "%s", why);
    begin_close(channel);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct channel *channel = handle->data;

    (void) suggested;
    *ret = uv_buf_init(channel->read_buffer, sizeof(channel->read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
    struct channel *channel = stream->data;
    struct error err = { 0 };
    int r;

    if (n < 0) {
        channel_fail(channel,
                     n == UV_EOF ? "the peer closed the connection" : uv_strerror((int) n));
        return;
    }
    if (n == 0)
        return;
    if (frame_decoder_feed(&channel->decoder, data->base, (size_t) n) < 0) {
        channel_fail(channel, "out of memory while reading a frame");
        return;
    }
    for (;;) {
        autojson json_t *frame = NULL;

        r = frame_decoder_next(&channel->decoder, &frame, &err);
        if (r < 0) {
            channel_fail(channel, err.message);
            return;
        }
        if (r == 0)
            return;
        if (channel->on_frame)
            channel->on_frame(channel->arg, frame);
        if (channel->closing)
            return;
    }
}

int channel_open(uv_loop_t *loop, int fd, size_t max_in, channel_frame_fn on_frame,
                 channel_closed_fn on_closed, void *arg, struct channel **ret, struct error *err)
{
    autoclose int owned = fd;
    struct channel *channel = mem_zero(sizeof(*channel));
    int r;

    if (!channel)
        return error_set(err, -ENOMEM, "connection: out of memory");
    r = uv_pipe_init(loop, &channel->pipe, 0);
    if (r < 0) {
        free(channel);
        return error_set(err, r, "connection: %s", uv_strerror(r));
    }
    channel->pipe.data = channel;
    frame_decoder_init(&channel->decoder, max_in);
    r = uv_pipe_open(&channel->pipe, owned);
    if (r >= 0) {
        (void) take_fd(&owned);
        r = uv_read_start((uv_stream_t *) &channel->pipe, on_alloc, on_read);
    }
    if (r < 0) {
        channel_close(channel);
        return error_set(err, r, "connection: %s", uv_strerror(r));
    }
    channel->on_frame = on_frame;
    channel->on_closed = on_closed;
    channel->arg = arg;
    *ret = channel;
    return 0;
}

void channel_set_owner(struct channel *channel, size_t max_in, channel_frame_fn on_frame,
                       channel_closed_fn on_closed, void *arg)
{
    channel->decoder.max = max_in;
    channel->on_frame = on_frame;
    channel->on_closed = on_closed;
    channel->arg = arg;
}

static void on_written(uv_write_t *req, int status)
{
    struct channel_write *write = req->data;
    struct channel *channel = write->channel;

    if (write->secret && write->data.data)
        secret_wipe(write->data.data, write->data.len);
    buf_done(&write->data);
    free(write);
    channel->writes--;
    if (status < 0)
        channel_fail(channel, uv_strerror(status));
    else if (channel->close_when_flushed && channel->writes == 0)
        channel_close(channel);
}

static void send_frame(struct channel *channel, json_t *frame, size_t max, bool secret)
{
    struct channel_write *write;
    struct error err = { 0 };
    uv_buf_t data;

    if (channel->closing)
        return;
    if (channel->pipe.write_queue_size > CHANNEL_MAX_QUEUED) {
        channel_fail(channel, "the peer does not read");
        return;
    }
    write = mem_zero(sizeof(*write));
    if (!write) {
        channel_fail(channel, "out of memory while sending a frame");
        return;
    }
    write->channel = channel;
    write->secret = secret;
    write->req.data = write;
    if (frame_encode(&write->data, frame, max, &err) < 0) {
        buf_done(&write->data);
        free(write);
        channel_fail(channel, err.message);
        return;
    }
    data = uv_buf_init(write->data.data, (unsigned) write->data.len);
    channel->writes++;
    if (uv_write(&write->req, (uv_stream_t *) &channel->pipe, &data, 1, on_written) < 0) {
        channel->writes--;
        buf_done(&write->data);
        free(write);
        channel_fail(channel, "sending a frame failed");
    }
}

void channel_send(struct channel *channel, json_t *frame, size_t max)
{
    send_frame(channel, frame, max, false);
}

void channel_send_secret(struct channel *channel, json_t *frame, size_t max)
{
    send_frame(channel, frame, max, true);
}

bool channel_is_flushed(const struct channel *channel)
{
    return channel->pipe.write_queue_size == 0;
}

int channel_send_with(struct channel *channel, json_t *frame, size_t max, int fd, struct error *err)
{
    autobuf struct buf data = BUF_SECRET;
    int r = channel->closing ? -EPIPE : channel_is_flushed(channel) ? 0 : -EAGAIN;

    if (r == 0)
        r = frame_encode(&data, frame, max, err);
    if (r == 0)
        r = rights_send(channel_fd(channel), &data, &fd, 1);
    return r < 0 ? error_errno(err, r, "sending a frame with a descriptor") : 0;
}

void channel_close_flushed(struct channel *channel)
{
    channel->on_frame = NULL;
    channel->on_closed = NULL;
    channel->close_when_flushed = true;
    if (channel->writes == 0)
        channel_close(channel);
}

int channel_fd(const struct channel *channel)
{
    uv_os_fd_t fd = -1;

    if (uv_fileno((const uv_handle_t *) &channel->pipe, &fd) < 0)
        return -1;
    return fd;
}
