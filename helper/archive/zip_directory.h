/* helper/archive/zip_directory.h - a zip's central directory, read and compared with the rest of the
 * file before any entry is used (hardening.md Z6).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

struct zip_item {
    const char *name; /* name_len bytes, not terminated */
    uint16_t name_len, method, flags;
    uint8_t host; /* ZIP_HOST_UNIX: `attributes` has a mode */
    uint32_t crc, attributes;
    uint64_t packed, size;
    uint64_t offset;  /* of its local header */
    uint64_t data_at; /* of what is compressed */
    const uint8_t *extra;
    uint16_t extra_len;
};

struct zip_directory {
    struct zip_item *items; /* in the directory's order */
    size_t n_items;
    uint8_t *bytes; /* of the directory, which the items point into */
};

/* -EBADMSG with a sentence for what is damaged or contradicts itself; -EFBIG when there are more than
 * items_max entries or names_max bytes. */
int zip_directory_read(int fd, uint64_t items_max, uint64_t names_max,
                       struct zip_directory *directory, struct error *err);
void zip_directory_done(struct zip_directory *directory);

/* The contents of an extra field in `extra`, at least `len` bytes; NULL when there is none. */
const uint8_t *zip_extra_find(const uint8_t *extra, size_t extra_len, uint16_t id, size_t len,
                              size_t *ret_len);
