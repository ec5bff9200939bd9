/* tests/fuzz/fuzz_section_parser.c - a job's log as people read it: the marks of sections are gone, no
 * byte is left that drives a terminal, and where the log is cut changes nothing.
 *
 * Input: a byte that seeds the cuts, then the log. A difference aborts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/exec/job_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void) fprintf(stderr, "fuzz_section_parser: %s\n", what);
    abort();
}

static void on_line(void *arg, const char *text)
{
    struct buf *out = arg;

    for (const char *at = text; *at; at++)
        require((unsigned char) *at >= ' ' || *at == '\t', "a control byte is left");
    buf_add_str(out, text);
    buf_add_char(out, '\n');
}

/* `seed` 0: in one piece. */
static void read_log(const char *text, size_t len, uint32_t seed, struct buf *out)
{
    struct job_log log = { .on_line = on_line, .arg = out };
    bool whole = seed == 0;

    while (len > 0) {
        size_t piece;

        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        piece = whole ? len : MIN(len, 1 + (seed >> 24 & 31));
        job_log_add(&log, text, piece);
        text += piece;
        len -= piece;
    }
    job_log_end(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autobuf struct buf whole = BUF_INIT, pieces = BUF_INIT;

    if (size < 2 || size > 8192)
        return 0;
    read_log((const char *) data + 1, size - 1, 0, &whole);
    read_log((const char *) data + 1, size - 1, data[0] + 1U, &pieces);
    require(whole.len == pieces.len && memcmp(buf_str(&whole), buf_str(&pieces), whole.len) == 0,
            "the cuts change what is read");
    return 0;
}
