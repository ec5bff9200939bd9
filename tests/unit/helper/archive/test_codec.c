/* tests/unit/helper/archive/test_codec.c - mirrors helper/archive/codec.c and decoder.c: pieces become
 * one stream, which zlib and zstd themselves read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <unistd.h>
#include <zlib.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "helper/archive/codec.h"
#include "helper/archive/decoder.h"
#include "helper/archive/zip.h"
#include "tests/harness/harness.h"
#include "tests/unit/helper/archive/made_zip.h"

/* Words, with stretches that repeat nothing. */
static void fill(uint8_t *data, size_t len, uint64_t seed)
{
    struct rng_seeded rng;

    rng_seed(&rng, seed);
    for (size_t at = 0; at < len;) {
        bool noise = rng_below(&rng.rng, 4) == 0;
        size_t run = 1 + (size_t) rng_below(&rng.rng, 3000);

        run = MIN(run, len - at);
        for (size_t i = 0; i < run; i++)
            data[at + i] = noise ? (uint8_t) rng_u64(&rng.rng) : (uint8_t) "the word "[i % 9];
        at += run;
    }
}

static void compress_pieces(struct codec *codec, const uint8_t *data, size_t len,
                            const size_t *pieces, size_t n_pieces, struct buf *out)
{
    size_t at = 0;

    for (size_t i = 0; i < n_pieces; i++) {
        size_t piece = i + 1 < n_pieces ? pieces[i] : len - at, got;
        const void *packed;

        assert_int_equal(
            codec_compress(codec, data + at, piece, i == 0, i + 1 == n_pieces, &packed, &got), 0);
        buf_add(out, packed, got);
        at += piece;
    }
    assert_int_equal(buf_error(out), 0);
}

struct result {
    struct buf data;
};

static int on_data(void *ctx, const void *data, size_t len)
{
    struct result *result = ctx;

    buf_add(&result->data, data, len);
    return buf_error(&result->data);
}

static int decode(uint16_t method, const struct buf *packed, struct result *result,
                  struct decoder_sums *sums)
{
    struct decoder *decoder = decoder_new();
    autoclose int file = made_file(packed);
    const struct decoder_input input = { file, 0, packed->len };
    const struct decoder_output output = { on_data, result };
    int r = decoder_run(decoder, method, &input, &output, sums);

    decoder_free(decoder);
    return r;
}

static void check(struct codec *codec, uint16_t method, size_t len, const size_t *pieces, size_t n)
{
    autofree uint8_t *data = mem_alloc(len + 1);
    autobuf struct buf packed = BUF_INIT;
    struct result result = { BUF_INIT };
    struct decoder_sums sums;

    fill(data, len, len + n);
    compress_pieces(codec, data, len, pieces, n, &packed);
    assert_int_equal(decode(method, &packed, &result, &sums), 0);
    assert_int_equal(result.data.len, len);
    assert_memory_equal(buf_str(&result.data), data, len);
    assert_int_equal(sums.crc, crc32(0, data, (uInt) len));
    buf_done(&result.data);
}

/* Many short pieces: the last block ends at every bit of a byte. */
static void test_pieces_of_every_length(void **unused)
{
    (void) unused;
    for (int kind = 0; kind < 2; kind++) {
        auto_ptr(codec_free) struct codec *codec =
            codec_new(kind ? CODEC_ZSTD : CODEC_DEFLATE, kind ? 3 : 5);
        uint16_t method = kind ? ZIP_ZSTD : ZIP_DEFLATED;
        size_t pieces[200];

        for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
            pieces[i] = i * 7 % 211;
        check(codec, method, 0, pieces, 1);
        check(codec, method, 1, pieces, 1);
        check(codec, method, 30000, pieces, ARRAY_LEN(pieces));
        check(codec, method, 700000, (const size_t[]) { 350000 }, 2);
        check(codec, method, CODEC_PIECE, pieces, 1);
        check(codec, method, CODEC_PIECE + 1, (const size_t[]) { CODEC_PIECE }, 2);
    }
}

static void test_every_level(void **unused)
{
    static const int deflate[] = { 1, 5, 7, 9 }, zstd[] = { 1, 3, 7, 11 };

    (void) unused;
    for (size_t i = 0; i < 4; i++) {
        auto_ptr(codec_free) struct codec *one = codec_new(CODEC_DEFLATE, deflate[i]);
        auto_ptr(codec_free) struct codec *other = codec_new(CODEC_ZSTD, zstd[i]);
        const size_t pieces[] = { 100000, 100000, 1 };

        check(one, ZIP_DEFLATED, 250000, pieces, 4);
        check(other, ZIP_ZSTD, 250000, pieces, 4);
    }
}

/* Noise does not grow out of its room. */
static void test_noise(void **unused)
{
    autofree uint8_t *noise = mem_alloc(CODEC_PIECE);

    (void) unused;
    rng_system.fill(rng_system.ctx, noise, CODEC_PIECE);
    for (int kind = 0; kind < 2; kind++) {
        auto_ptr(codec_free) struct codec *codec =
            codec_new(kind ? CODEC_ZSTD : CODEC_DEFLATE, kind ? 11 : 9);
        autobuf struct buf packed = BUF_INIT;
        const size_t pieces[] = { CODEC_PIECE / 2 };

        compress_pieces(codec, noise, CODEC_PIECE, pieces, 2, &packed);
        assert_true(packed.len < CODEC_PIECE + CODEC_PIECE / 100);
    }
}

static void test_data_that_does_not_end_where_it_should(void **unused)
{
    static const uint16_t methods[] = { ZIP_DEFLATED, ZIP_ZSTD };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        auto_ptr(codec_free) struct codec *codec =
            codec_new(methods[i] == ZIP_ZSTD ? CODEC_ZSTD : CODEC_DEFLATE, 1);
        autobuf struct buf packed = BUF_INIT;
        struct result result = { BUF_INIT };
        struct decoder_sums sums;
        uint8_t data[1000];

        fill(data, sizeof(data), 1);
        compress_pieces(codec, data, sizeof(data), NULL, 1, &packed);
        buf_add_char(&packed, 'x');
        assert_int_equal(decode(methods[i], &packed, &result, &sums), -EBADMSG);
        packed.len -= 2;
        assert_int_equal(decode(methods[i], &packed, &result, &sums), -EBADMSG);
        packed.len = 0;
        assert_int_equal(decode(methods[i], &packed, &result, &sums), -EBADMSG);
        buf_done(&result.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_every_length),
        cmocka_unit_test(test_every_level),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_data_that_does_not_end_where_it_should),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
