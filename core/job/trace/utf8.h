/* core/job/trace/utf8.h - makes a stream valid UTF-8: each byte that cannot be part of a valid
 * sequence becomes U+FFFD, as the peer does it (coordinator-protocol.md 5.2).
 */
#pragma once

#include <stddef.h>

#include "core/base/buf.h"

/* Zeroed is the beginning of a stream. */
struct utf8_repair {
    unsigned char held[4]; /* the beginning of a character */
    size_t n_held;
};

void utf8_repair_write(struct utf8_repair *repair, const char *data, size_t len, struct buf *out);
void utf8_repair_end(struct utf8_repair *repair, struct buf *out);

/* How many bytes at the end (0 to 3) are the beginning of a character that may still be completed.
 */
size_t utf8_open_tail(const char *data, size_t len);
