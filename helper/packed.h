/* helper/packed.h - an archive as a source of bytes: it is made by a process of its own while it is read,
 * and made anew when the reader begins again. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"
#include "helper/archive/pack.h"

struct packed {
    struct pack_request request;
    int fd; /* what the process writes; -1 = it was not started, or has ended */
    pid_t pid;
};
#define PACKED_INIT(what) ((struct packed) { .request = (what), .fd = -1, .pid = -1 })

/* The next bytes; 0 when the archive is whole; negative when it can't be made, which has been said. */
int64_t packed_read(struct packed *packed, void *data, size_t size);
/* From the first byte again: the next read makes the archive anew. */
void packed_rewind(struct packed *packed);
void packed_done(struct packed *packed);
#define auto_packed __attribute__((cleanup(packed_done)))
