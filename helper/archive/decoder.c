/* helper/archive/decoder.c - zlib and zstd behind one loop: input is read when it is used up, output
 * is handed on when there is some.
 */
#include "helper/archive/decoder.h"

#include <errno.h>
#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/zip.h"

#define IN_SIZE ((size_t) 128 * 1024)
#define OUT_SIZE ((size_t) 256 * 1024)
#define ZSTD_WINDOW_LOG 25 /* 32 MiB: larger ones would not leave a small machine its memory */

struct decoder {
    z_stream zlib;
    bool zlib_ready;
    ZSTD_DCtx *zstd;
    uint8_t *in, *out;
    /* Of the entry that is read now. */
    const struct decoder_input *input;
    const struct decoder_output *output;
    struct decoder_sums *sums;
    uint64_t taken;       /* of the input */
    size_t in_at, in_len; /* what of `in` is still to be used */
    bool ended;           /* the stream says so */
};

static bool init(struct decoder *decoder)
{
    decoder->in = mem_alloc(IN_SIZE);
    decoder->out = mem_alloc(OUT_SIZE);
    decoder->zlib_ready = inflateInit2(&decoder->zlib, -MAX_WBITS) == Z_OK;
    decoder->zstd = ZSTD_createDCtx();
    return decoder->in && decoder->out && decoder->zlib_ready && decoder->zstd &&
           !ZSTD_isError(
               ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
}

struct decoder *decoder_new(void)
{
    struct decoder *decoder = mem_zero(sizeof(*decoder));

    if (decoder && init(decoder))
        return decoder;
    decoder_free(decoder);
    return NULL;
}

void decoder_free(struct decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->zlib_ready)
        (void) inflateEnd(&decoder->zlib);
    (void) ZSTD_freeDCtx(decoder->zstd);
    free(decoder->in);
    free(decoder->out);
    free(decoder);
}

static int hand_on(struct decoder *decoder, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    decoder->sums->crc = libdeflate_crc32(decoder->sums->crc, data, len);
    decoder->sums->bytes += len;
    return decoder->output->data(decoder->output->ctx, data, len);
}

/* More input, when there is none. */
static int fill(struct decoder *decoder)
{
    const struct decoder_input *input = decoder->input;
    size_t want = (size_t) MIN(input->len - decoder->taken, IN_SIZE);
    ssize_t n = 0;

    if (decoder->in_at < decoder->in_len || want == 0)
        return 0;
    do
        n = io_pread(input->fd, decoder->in, want, (off_t) (input->offset + decoder->taken));
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : -EBADMSG;
    decoder->in_at = 0;
    decoder->in_len = (size_t) n;
    decoder->taken += (uint64_t) n;
    return 0;
}

static int step_stored(struct decoder *decoder)
{
    size_t at = decoder->in_at;

    decoder->in_at = decoder->in_len;
    decoder->ended = decoder->taken == decoder->input->len;
    return hand_on(decoder, decoder->in + at, decoder->in_len - at);
}

static int step_deflate(struct decoder *decoder)
{
    z_stream *zlib = &decoder->zlib;
    int r;

    zlib->next_in = decoder->in + decoder->in_at;
    zlib->avail_in = (uInt) (decoder->in_len - decoder->in_at);
    zlib->next_out = decoder->out;
    zlib->avail_out = (uInt) OUT_SIZE;
    r = inflate(zlib, Z_NO_FLUSH);
    decoder->in_at = decoder->in_len - zlib->avail_in;
    decoder->ended = r == Z_STREAM_END;
    if (r != Z_OK && r != Z_STREAM_END)
        return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
    return hand_on(decoder, decoder->out, OUT_SIZE - zlib->avail_out);
}

/* Several frames may follow each other. */
static int step_zstd(struct decoder *decoder)
{
    ZSTD_inBuffer in = { decoder->in, decoder->in_len, decoder->in_at };
    ZSTD_outBuffer out = { decoder->out, OUT_SIZE, 0 };
    size_t left = ZSTD_decompressStream(decoder->zstd, &out, &in);

    if (ZSTD_isError(left))
        return -EBADMSG;
    if (in.pos == decoder->in_at && out.pos == 0)
        return -EBADMSG; /* it waits for what is not there */
    decoder->in_at = in.pos;
    decoder->ended = left == 0 && in.pos == in.size && decoder->taken == decoder->input->len;
    return hand_on(decoder, decoder->out, out.pos);
}

bool decoder_knows(uint16_t method)
{
    return method == ZIP_STORED || method == ZIP_DEFLATED || method == ZIP_ZSTD;
}

static int run(struct decoder *decoder, int (*step)(struct decoder *))
{
    int r = 0;

    while (r == 0 && !decoder->ended) {
        r = fill(decoder);
        if (r == 0)
            r = step(decoder);
    }
    return r;
}

int decoder_run(struct decoder *decoder, uint16_t method, const struct decoder_input *input,
                const struct decoder_output *output, struct decoder_sums *sums)
{
    int (*step)(struct decoder *) = method == ZIP_STORED     ? step_stored
                                    : method == ZIP_DEFLATED ? step_deflate
                                                             : step_zstd;
    int r;

    *sums = (struct decoder_sums) { 0 };
    decoder->input = input;
    decoder->output = output;
    decoder->sums = sums;
    decoder->taken = decoder->in_at = decoder->in_len = 0;
    decoder->ended = method == ZIP_STORED && input->len == 0;
    (void) inflateReset(&decoder->zlib);
    (void) ZSTD_DCtx_reset(decoder->zstd, ZSTD_reset_session_only);
    r = run(decoder, step);
    if (r == 0 && (decoder->taken != input->len || decoder->in_at != decoder->in_len))
        r = -EBADMSG;
    return r;
}
