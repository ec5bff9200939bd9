/* core/job/trace/spool.h - the last stage: byte limit, file, size and CRC (coordinator-protocol.md
 * 5.2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_LIMIT_DEFAULT (4 * 1024 * 1024)

struct spool {
    int fd; /* the caller's */
    int64_t limit, size;
    uint32_t crc;
    bool full; /* the notice is written; everything later is dropped */
    int error; /* the first failure; nothing is written after it, so that no piece is missing */
};

void spool_init(struct spool *spool, int fd, int64_t limit_bytes); /* 0 = 4 MiB */

/* `data` is valid UTF-8 and ends with a whole character. 0 or the negative errno of the first
 * failed write; size and CRC are those of the bytes in the file in both cases. */
int spool_write(struct spool *spool, const char *data, size_t len);
