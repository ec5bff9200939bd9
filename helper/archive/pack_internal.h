/* helper/archive/pack_internal.h - what the writers of all formats share: the stream that they write
 * to, and the files that they read.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "helper/archive/beneath.h"
#include "helper/archive/pack.h"

struct pack {
    const struct pack_request *request;
    const struct pack_sink *sink;
    const struct report *report;
    struct error *err;
    struct beneath tree;
    uint64_t bytes;  /* written, the buffer included */
    uint8_t *buffer; /* PACK_BUFFER bytes: many small pieces become few calls of the sink */
    size_t buffered;
};

#define PACK_BUFFER ((size_t) 256 * 1024)

int pack_out(struct pack *pack, const void *data, size_t len);
int pack_flush(struct pack *pack);

/* zstd makes files of zeros thousands of times smaller, which whoever unpacks must take for an attack
 * (hardening.md Z5, and our own reader). Behind a whole frame, an empty one that is as long as it takes.
 * *packed grows by it. */
int pack_out_slack(struct pack *pack, uint64_t bytes, uint64_t *packed);

/* A selected path. */
struct pack_file {
    const char *path;
    struct stat st;
    int fd;       /* of a regular file; else -1 */
    char *target; /* of a link; else NULL */
};

/* Opens it; every field but the path is set. 0 and *ret_there = false for what is left out: what
 * vanished, with a warning, and what is neither file, folder nor link. */
int pack_file_open(struct pack *pack, const char *path, struct pack_file *file, bool *ret_there);
void pack_file_close(struct pack_file *file);

/* Up to `len` bytes; fewer only at the file's end. Negative errno with a sentence. */
ssize_t pack_file_read(struct pack *pack, const struct pack_file *file, void *data, size_t len);

int pack_zip(struct pack *pack);
int pack_tar(struct pack *pack);
int pack_gzip(struct pack *pack);
int pack_raw(struct pack *pack);
