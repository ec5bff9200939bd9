/* tests/fuzz/fuzz_trace_masker.c - the masker against the naive definition of masking.
 *
 * Input: a byte with the head length, a byte that seeds the cuts, then
 * patterns, each ended by a byte 0, an empty one ends the list; the rest is the stream. Any
 * difference, and any held-back byte too many, aborts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/job/trace/masker.h"
#include "tests/unit/job/trace/mask_oracle.h"

#define PATTERNS_TRIED 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_trace_masker: %s\n", what);
    abort();
}

/* Reads the patterns; returns how many bytes they took. */
static size_t read_patterns(const uint8_t *data, size_t size, struct patterns *patterns)
{
    size_t at = 0;

    while (at < size && patterns->count < PATTERNS_TRIED) {
        const uint8_t *end = memchr(data + at, 0, size - at);
        size_t len = end ? (size_t) (end - (data + at)) : size - at;

        at += end ? len + 1 : len;
        if (len == 0)
            break;
        require(patterns_append(patterns, data + at - len - (end ? 1 : 0), len) == 0, "memory");
    }
    return at;
}

static void mask_in_pieces(const struct masker_rules *rules, const char *text, size_t len,
                           uint32_t seed, bool cut, struct buf *out)
{
    struct masker masker;
    size_t longest = 1;

    for (size_t i = 0; i < rules->patterns.count; i++)
        longest = MAX(longest, rules->patterns.items[i].len);
    masker_init(&masker, rules);
    while (len > 0) {
        size_t piece;

        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        piece = MIN(len, (seed & 0x80000000) ? 1 + (seed >> 28 & 3) : 1 + (seed >> 20 & 127));
        require(masker_write(&masker, text, piece, out) == 0, "memory");
        require(masker.held.len < longest, "held back more than the longest pattern less one");
        text += piece;
        len -= piece;
    }
    require(masker_end(&masker, cut, out) == 0, "memory");
    masker_done(&masker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t heads[] = { 1, 2, 3, 5, 8, 16, AUTOMATON_HEAD, AUTOMATON_HEAD_MAX };
    autobuf struct buf want = BUF_INIT, got = BUF_INIT;
    struct patterns patterns = { 0 };
    struct masker_rules rules;
    bool cut;
    size_t used;

    if (size < 3 || size > 4096)
        return 0;
    cut = data[0] & 16;
    used = 2 + read_patterns(data + 2, size - 2, &patterns);
    require(masker_rules_init(&rules, &patterns, heads[data[0] & 7]) == 0, "memory");
    oracle_mask(&rules.patterns, (const char *) data + used, size - used, cut, &want);
    mask_in_pieces(&rules, (const char *) data + used, size - used, data[1], cut, &got);
    require(got.len == want.len && memcmp(buf_str(&got), buf_str(&want), got.len) == 0,
            "the output is not the definition's");
    masker_rules_done(&rules);
    return 0;
}
