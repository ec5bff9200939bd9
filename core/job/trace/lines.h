/* core/job/trace/lines.h - timestamps before lines, and marks of sections (coordinator-protocol.md
 * 5.5 and 5.7).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/clock.h"

#define LINES_PREFIX 32     /* bytes of a timestamp with stream and flag */
#define LINES_HELD_MAX 8192 /* of a line without end, prefix included */

#define SECTIONS_MAX 256
#define SECTION_NAME_MAX 128

/* One stream's writer. Zeroed but for the first four is the beginning of a stream. */
struct lines {
    const struct clock *clock;
    bool timestamps;               /* off: text passes as it is */
    unsigned stream;               /* 00 the runner's own lines, 01 the job's */
    char type;                     /* O or E */
    bool continued;                /* the next entry continues the last one */
    struct buf held;               /* prefix and text of a line that has no end yet */
    int64_t prefix_ms;             /* the time in `prefix` */
    char prefix[LINES_PREFIX + 1]; /* empty: not made yet */
};

void lines_write(struct lines *lines, const char *data, size_t len, struct buf *out);
/* Held text gets its line feed; the next write begins a new stream. */
void lines_end(struct lines *lines, struct buf *out);
void lines_done(struct lines *lines);

/* Names of the sections that are open. Zeroed is empty. */
struct sections {
    char *names[SECTIONS_MAX];
    size_t count;
};

void sections_done(struct sections *sections);

/* Appends the mark, or nothing if too many sections are open, the name is too long or (at the end)
 * the section is not open: without its mark the text is plain text. 0 or -ENOMEM. */
int sections_start(struct sections *sections, const char *name, int64_t unix_s, struct buf *out);
int sections_end(struct sections *sections, const char *name, int64_t unix_s, struct buf *out);
