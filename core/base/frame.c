/* core/base/frame.c - length-prefixed JSON between our processes (frame.h). */
#include "core/base/frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/rights.h"
#include "core/base/secret.h"
#include "core/base/str.h"

#define HEADER 4

int frame_encode(struct buf *out, json_t *json, size_t max, struct error *err)
{
    const char *text = json_text(json);
    size_t len = text ? strlen(text) : 0;
    unsigned char header[HEADER] = { (unsigned char) (len >> 24), (unsigned char) (len >> 16),
                                     (unsigned char) (len >> 8), (unsigned char) len };

    if (!text)
        return error_set(err, -ENOMEM, "frame: out of memory");
    if (len > max)
        return error_set(err, -EMSGSIZE, "frame of %zu bytes is over the limit of %zu", len, max);
    (void) buf_reserve(out, HEADER + len); /* once: no copies in memory that growing gave back */
    buf_add(out, header, sizeof(header));
    buf_add(out, text, len);
    if (buf_error(out))
        return error_set(err, buf_error(out), "frame: out of memory");
    return 0;
}

void frame_decoder_init(struct frame_decoder *decoder, size_t max)
{
    *decoder = (struct frame_decoder) { .in = BUF_SECRET, .max = max };
}

void frame_decoder_done(struct frame_decoder *decoder)
{
    buf_done(&decoder->in);
}

int frame_decoder_feed(struct frame_decoder *decoder, const void *data, size_t len)
{
    decoder->in.max = decoder->max + HEADER + len;
    buf_add(&decoder->in, data, len);
    return buf_error(&decoder->in);
}

int frame_decoder_next(struct frame_decoder *decoder, json_t **ret, struct error *err)
{
    const unsigned char *in = (const unsigned char *) decoder->in.data;
    json_t *json = NULL;
    size_t len;
    int r;

    if (decoder->in.len < HEADER)
        return 0;
    len = (size_t) in[0] << 24 | (size_t) in[1] << 16 | (size_t) in[2] << 8 | in[3];
    if (len > decoder->max)
        return error_set(err, -EMSGSIZE, "the peer sent a frame of %zu bytes, the limit is %zu",
                         len, decoder->max);
    if (decoder->in.len < HEADER + len)
        return 0;
    r = json_parse(decoder->in.data + HEADER, len, &json, err);
    if (r == 0 && !json_object_is_type(json, json_type_object))
        r = error_set(err, -EPROTO, "the peer sent a frame that is no JSON object");
    if (r < 0) {
        json_object_put(json);
        return r;
    }
    /* A start frame is long and full of secrets; most are neither, and come alone. */
    if (decoder->in.len == HEADER + len)
        buf_done(&decoder->in);
    else
        buf_consume(&decoder->in, HEADER + len);
    *ret = json;
    return 1;
}

/* Waits for the descriptor; `deadline` is monotonic, negative = none. */
static int wait_for(int fd, short events, int64_t deadline)
{
    for (;;) {
        struct pollfd ready = { .fd = fd, .events = events };
        int64_t left = deadline < 0 ? -1 : deadline - clock_mono_ms(&clock_system);
        int n;

        if (deadline >= 0 && left <= 0)
            left = 0;
        n = poll(&ready, 1, (int) MIN(left, (int64_t) INT32_MAX));
        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int64_t deadline_in(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : clock_mono_ms(&clock_system) + timeout_ms;
}

static int send_bytes(int fd, const char *data, size_t len, int64_t deadline)
{
    while (len > 0) {
        ssize_t n;
        int r = wait_for(fd, POLLOUT, deadline);

        if (r < 0)
            return r;
        n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t) n;
    }
    return 0;
}

int frame_send(int fd, json_t *json, size_t max, int timeout_ms, struct error *err)
{
    autobuf struct buf data = { .max = max + HEADER, .secret = true };
    int r = frame_encode(&data, json, max, err);

    if (r == 0) {
        r = send_bytes(fd, data.data, data.len, deadline_in(timeout_ms));
        if (r < 0)
            (void) error_errno(err, r, "sending a frame");
    }
    return r;
}

/* Without blocking. Negative errno. */
static ssize_t receive(int fd, const struct frame_decoder *decoder, char *chunk, size_t size)
{
    int passed = -1;
    ssize_t n = rights_recv(fd, chunk, size, MSG_DONTWAIT, &passed, decoder->passed ? 1 : 0);

    if (decoder->passed && passed >= 0) {
        if (*decoder->passed >= 0)
            (void) close(*decoder->passed);
        *decoder->passed = passed;
    }
    return n;
}

int frame_recv(int fd, struct frame_decoder *decoder, int timeout_ms, json_t **ret,
               struct error *err)
{
    int64_t deadline = deadline_in(timeout_ms);
    char chunk[4096];

    for (;;) {
        ssize_t n;
        int r = frame_decoder_next(decoder, ret, err);

        if (r != 0)
            return r;
        r = wait_for(fd, POLLIN, deadline);
        if (r == -ETIMEDOUT)
            return error_set(err, r, "no frame came in time");
        if (r < 0)
            return error_errno(err, r, "receiving a frame");
        n = receive(fd, decoder, chunk, sizeof(chunk));
        if (n == -EAGAIN || n == -EINTR)
            continue;
        if (n < 0)
            return error_errno(err, (int) n, "receiving a frame");
        if (n == 0 && decoder->in.len > 0)
            return error_set(err, -EPROTO, "the peer closed the connection inside a frame");
        if (n == 0)
            return 0;
        r = frame_decoder_feed(decoder, chunk, (size_t) n);
        secret_wipe(chunk, (size_t) n);
        if (r < 0)
            return error_set(err, r, "receiving a frame: out of memory");
    }
}
