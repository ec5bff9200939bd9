/* tests/fuzz/fuzz_link_frame.c - the frames between our processes: what was encoded comes out
 * identical whatever the cuts, and hostile bytes are refused at the same place whatever the cuts.
 *
 * Input: a byte that chooses the limit, a byte that seeds the cuts, then texts, each ended by a
 * byte 0. The texts are encoded, as what they mean in JSON or as a string, and decoded again; then
 * all bytes behind the first two are given to a decoder as they are. Any difference aborts.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/frame.h"
#include "core/base/str.h"

#define HEADER 4
#define FRAMES_TRIED 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a decoder made of a stream: the frames as texts, and how it ended. */
struct outcome {
    struct buf frames;
    size_t count;
    int end; /* 0: it waits for more */
};

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_link_frame: %s\n", what);
    abort();
}

static void note_frame(struct outcome *outcome, json_t *frame)
{
    buf_add_str(&outcome->frames, json_text(frame));
    buf_add_char(&outcome->frames, '\n');
    outcome->count++;
}

/* In pieces of which `seed` decides; 0: in one. */
static void decode(const char *data, size_t len, size_t max, uint32_t seed, struct outcome *ret)
{
    struct frame_decoder decoder;
    bool whole = seed == 0;

    frame_decoder_init(&decoder, max);
    while (len > 0 && ret->end == 0) {
        size_t piece;

        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        piece = whole ? len : MIN(len, 1 + (seed >> 24 & (seed & 0x800000 ? 3 : 255)));
        require(frame_decoder_feed(&decoder, data, piece) == 0, "memory");
        data += piece;
        len -= piece;
        for (;;) {
            autojson json_t *frame = NULL;
            struct error err = { 0 };

            ret->end = frame_decoder_next(&decoder, &frame, &err);
            if (ret->end <= 0)
                break;
            require(json_object_is_type(frame, json_type_object), "a frame is no object");
            note_frame(ret, frame);
        }
        require(ret->end != 0 || decoder.in.len < HEADER + max, "more is kept than one frame has");
    }
    if (ret->end < 0) {
        autojson json_t *frame = NULL;

        require(frame_decoder_next(&decoder, &frame, NULL) == ret->end,
                "a broken stream goes on after its end");
    }
    frame_decoder_done(&decoder);
}

/* The object that a text means, else one that holds it; NULL when it can't be in JSON. */
static json_t *frame_of(const char *text, size_t len)
{
    json_t *parsed = NULL, *frame;

    if (json_parse(text, len, &parsed, NULL) == 0 && json_object_is_type(parsed, json_type_object))
        return parsed;
    json_object_put(parsed);
    if (!utf8_valid(text, len))
        return NULL;
    frame = json_frame("text");
    require(frame && json_add(frame, "text", json_object_new_string_len(text, (int) len)) == 0,
            "memory");
    return frame;
}

static void encode(const char *data, size_t len, size_t max, struct buf *stream,
                   struct outcome *want)
{
    while (len > 0 && want->count < FRAMES_TRIED) {
        const char *end = memchr(data, 0, len);
        size_t part = end ? (size_t) (end - data) : len;
        autojson json_t *frame = frame_of(data, part);
        size_t before = stream->len;

        if (frame && strlen(json_text(frame)) <= max) {
            require(frame_encode(stream, frame, max, NULL) == 0, "memory");
            note_frame(want, frame);
        } else if (frame) {
            require(frame_encode(stream, frame, max, NULL) == -EMSGSIZE && stream->len == before,
                    "a frame over the limit is encoded");
        }
        data += part + (end ? 1 : 0);
        len -= part + (end ? 1 : 0);
    }
}

static void require_same(const struct outcome *a, const struct outcome *b, const char *what)
{
    require(a->end == b->end && a->count == b->count && a->frames.len == b->frames.len &&
                strcmp(buf_str(&a->frames), buf_str(&b->frames)) == 0,
            what);
}

static void outcome_done(struct outcome *outcome)
{
    buf_done(&outcome->frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t limits[] = {
        2, 16, 64, 300, 4096, FRAME_MAX_OPERATOR, FRAME_MAX_LINK, FRAME_MAX_START
    };
    struct outcome want = { 0 }, got = { 0 }, whole = { 0 }, cut = { 0 };
    autobuf struct buf stream = BUF_INIT;
    const char *bytes;
    size_t max;

    if (size < 3 || size > 8192)
        return 0;
    max = limits[data[0] % ARRAY_LEN(limits)];
    bytes = (const char *) data + 2;
    encode(bytes, size - 2, max, &stream, &want);
    decode(buf_str(&stream), stream.len, max, data[1], &got);
    require_same(&want, &got, "what comes out is not what was encoded");
    decode(bytes, size - 2, max, 0, &whole);
    decode(bytes, size - 2, max, data[1] + 1U, &cut);
    require_same(&whole, &cut, "the cuts change what hostile bytes are taken for");
    outcome_done(&want);
    outcome_done(&got);
    outcome_done(&whole);
    outcome_done(&cut);
    return 0;
}
