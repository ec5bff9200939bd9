/* tests/unit/helper/archive/made_zip.h - zips as no decent program writes them: every number can be
 * another than it should be. */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include <stdbool.h>

struct made_entry {
    const char *name;
    size_t name_len;        /* 0: as long as the text */
    const char *local_name; /* NULL: the same */
    uint32_t mode;          /* 0: of a system that has none */
    const void *data;
    size_t len;      /* 0: as long as the text */
    uint16_t method; /* stored or deflated */
    uint16_t flags, local_flags;
    uint16_t central_method; /* 0: the same */
    bool wrong_crc;
    int64_t size_off, packed_off; /* added to what both headers say */
    int64_t local_size_off;       /* added to what the local one says */
    int64_t offset_off;           /* added to where the directory says that it is */
    const void *extra;            /* of the directory */
    size_t extra_len;
};

struct made_quirks {
    int count_off, central_off, central_size_off; /* added to what the end says */
    const char *comment;
    bool cut; /* the last byte is missing */
};

void made_zip(struct buf *out, const struct made_entry *entries, size_t n,
              const struct made_quirks *quirks);

/* A file that has them, without a name; the caller closes it. */
int made_file(const struct buf *bytes);
