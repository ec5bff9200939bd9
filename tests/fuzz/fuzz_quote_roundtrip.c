/* tests/fuzz/fuzz_quote_roundtrip.c - a quoted value is one word of a shell and comes out of it byte
 * for byte, also when it is quoted twice, as a stage's body is (hardening.md Q1).
 *
 * Input: the value, up to its first byte 0. The shell is POSIX's rule for single quotes and
 * backslashes, and no other character may stand outside of them; real shells read the values of
 * tests/unit/job/shell/test_quote.c. (The C library's wordexp() makes an empty word of each pair of
 * quotes.)
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/job/shell/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_quote_roundtrip: %s\n", what);
    abort();
}

/* The word must mean this value. */
static void require_means(const struct buf *word, const char *value)
{
    autobuf struct buf meant = BUF_INIT;

    require(buf_error(word) == 0 && word->len > 0, "memory, or nothing");
    for (const char *at = buf_str(word); *at;) {
        size_t len = *at == '\'' ? strcspn(at + 1, "'") : 1;

        require((*at == '\'' && at[1 + len] == '\'') || (*at == '\\' && at[1]),
                "a character stands outside of quotes, or a quote has no end");
        buf_add(&meant, at + 1, len);
        at += *at == '\'' ? len + 2 : 2;
    }
    require(strcmp(buf_str(&meant), value) == 0, "it is another value");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf struct buf value = BUF_INIT, once = BUF_INIT, twice = BUF_INIT;

    if (size > 4096)
        return 0;
    buf_add(&value, data, strnlen((const char *) data, size));
    quote_word(&once, buf_str(&value));
    quote_word(&twice, buf_str(&once));
    require_means(&once, buf_str(&value));
    require_means(&twice, buf_str(&once));
    return 0;
}
