/* tests/fuzz/fuzz_url_rules.c - secrets in the parameters of URLs: where a stream is cut changes
 * nothing, and what was masked once is not masked any more.
 *
 * Input: a byte that seeds the cuts, then the stream. A difference aborts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/job/trace/url_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_same(const struct buf *a, const struct buf *b, const char *what)
{
    if (a->len == b->len && memcmp(buf_str(a), buf_str(b), a->len) == 0)
        return;
    (void) fprintf(stderr, "fuzz_url_rules: %s\n", what);
    abort();
}

/* `seed` 0: in one piece. */
static void mask(const char *text, size_t len, uint32_t seed, struct buf *out)
{
    struct url_rules rules = { 0 };
    bool whole = seed == 0;

    while (len > 0) {
        size_t piece;

        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        piece = whole ? len : MIN(len, 1 + (seed >> 24 & (seed & 0x800000 ? 3 : 63)));
        url_rules_write(&rules, text, piece, out);
        text += piece;
        len -= piece;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf struct buf whole = BUF_INIT, pieces = BUF_INIT, again = BUF_INIT;

    if (size < 2 || size > 8192)
        return 0;
    mask((const char *) data + 1, size - 1, 0, &whole);
    mask((const char *) data + 1, size - 1, data[0] + 1U, &pieces);
    require_same(&whole, &pieces, "the cuts change the output");
    mask(buf_str(&whole), whole.len, 0, &again);
    require_same(&whole, &again, "masking what is masked changes it");
    return 0;
}
