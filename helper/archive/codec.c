/* helper/archive/codec.c - libdeflate's pieces joined, zstd's as they come.
 *
 * Every result of libdeflate ends in a block that says that it is the last, somewhere in the middle of
 * a byte. To go on behind it, that sign is taken away, and an empty stored block is put behind it, which
 * ends at a byte. zlib finds the place: it can be asked to stop between blocks. That costs a
 * decompression, and is still faster than its compression.
 */
#include "helper/archive/codec.h"

#include <errno.h>
#include <libdeflate.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "core/base/mem.h"

#define ROOM (CODEC_PIECE + CODEC_PIECE / 4)

struct codec {
    struct libdeflate_compressor *deflate;
    z_stream blocks;
    bool blocks_ready;
    ZSTD_CCtx *zstd;
    uint8_t *out;     /* ROOM bytes */
    uint8_t *scratch; /* CODEC_PIECE bytes, in which blocks are passed over */
};

static bool init_deflate(struct codec *codec, int level)
{
    codec->deflate = libdeflate_alloc_compressor(level);
    codec->scratch = mem_alloc(CODEC_PIECE);
    codec->blocks_ready = inflateInit2(&codec->blocks, -MAX_WBITS) == Z_OK;
    return codec->deflate && codec->scratch && codec->blocks_ready;
}

static bool init_zstd(struct codec *codec, int level)
{
    codec->zstd = ZSTD_createCCtx();
    return codec->zstd &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(codec->zstd, ZSTD_c_compressionLevel, level));
}

struct codec *codec_new(enum codec_kind kind, int level)
{
    auto_ptr(codec_free) struct codec *codec = mem_zero(sizeof(*codec));

    if (!codec)
        return NULL;
    codec->out = mem_alloc(ROOM);
    if (!codec->out)
        return NULL;
    if (!(kind == CODEC_DEFLATE ? init_deflate(codec, level) : init_zstd(codec, level)))
        return NULL;
    return take_ptr(codec);
}

void codec_free(struct codec *codec)
{
    if (!codec)
        return;
    if (codec->deflate)
        libdeflate_free_compressor(codec->deflate);
    if (codec->blocks_ready)
        (void) inflateEnd(&codec->blocks);
    ZSTD_freeCCtx(codec->zstd);
    free(codec->out);
    free(codec->scratch);
    free(codec);
}

/* Where the last block begins and where it ends, in bits. */
static int find_last_block(struct codec *codec, size_t len, size_t *ret_begin, size_t *ret_end)
{
    z_stream *blocks = &codec->blocks;
    const int between = 128, in_last = 64;
    int state;

    *ret_begin = 0;
    (void) inflateReset(blocks);
    blocks->next_in = codec->out;
    blocks->avail_in = (uInt) len;
    blocks->next_out = codec->scratch;
    blocks->avail_out = (uInt) CODEC_PIECE;
    for (;;) {
        int r = inflate(blocks, Z_BLOCK);

        state = blocks->data_type;
        *ret_end = (len - blocks->avail_in) * 8 - (size_t) (state & 7);
        if (r != Z_OK || (state & between) == 0)
            return -EIO; /* libdeflate's own output: it cannot be */
        if (state & in_last)
            return 0;
        *ret_begin = *ret_end;
    }
}

/* The stream in codec->out goes on behind its end, which is at a byte then. */
static int leave_open(struct codec *codec, size_t *len)
{
    static const uint8_t empty_block[] = { 0x00, 0x00, 0xff, 0xff };
    size_t begin, end;
    int r = find_last_block(codec, *len, &begin, &end);

    if (r < 0)
        return r;
    codec->out[begin / 8] &= (uint8_t) ~(1u << begin % 8);
    /* What is left of the last byte is zero, and so are the three bits of the new block's head. */
    if ((end + 3 + 7) / 8 > *len)
        codec->out[(*len)++] = 0;
    memcpy(codec->out + *len, empty_block, sizeof(empty_block));
    *len += sizeof(empty_block);
    return 0;
}

static int compress_deflate(struct codec *codec, const void *data, size_t len, bool last,
                            size_t *ret_len)
{
    *ret_len = libdeflate_deflate_compress(codec->deflate, data, len, codec->out, ROOM - 16);
    if (*ret_len == 0)
        return -EIO; /* ROOM is more than it ever needs */
    return last ? 0 : leave_open(codec, ret_len);
}

static int compress_zstd(struct codec *codec, const void *data, size_t len, bool first, bool last,
                         size_t *ret_len)
{
    ZSTD_inBuffer in = { data, len, 0 };
    ZSTD_outBuffer out = { codec->out, ROOM, 0 };
    size_t left;

    if (first)
        (void) ZSTD_CCtx_reset(codec->zstd, ZSTD_reset_session_only);
    do {
        left = ZSTD_compressStream2(codec->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return -ENOMEM;
        if (out.pos == out.size)
            return -EIO; /* ROOM is more than it ever needs */
    } while (last ? left > 0 : in.pos < in.size);
    *ret_len = out.pos;
    return 0;
}

int codec_compress(struct codec *codec, const void *data, size_t len, bool first, bool last,
                   const void **ret, size_t *ret_len)
{
    *ret = codec->out;
    if (codec->deflate)
        return compress_deflate(codec, data, len, last, ret_len);
    return compress_zstd(codec, data, len, first, last, ret_len);
}
