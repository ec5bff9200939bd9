/* helper/archive/format.h - the archive formats and compression levels, by their names and magic
 * bytes (job-execution.md 5.5, 6.1, 6.6).
 */
#pragma once

#include "core/base/error.h"

enum archive_format {
    ARCHIVE_FORMAT_ZIP,
    ARCHIVE_FORMAT_ZIPZSTD, /* a zip whose entries are compressed by zstd (method 93) */
    ARCHIVE_FORMAT_TARZSTD,
    ARCHIVE_FORMAT_GZIP, /* one gzip member a file */
    ARCHIVE_FORMAT_RAW   /* one file, as it is */
};

enum archive_level {
    ARCHIVE_LEVEL_FASTEST,
    ARCHIVE_LEVEL_FAST,
    ARCHIVE_LEVEL_DEFAULT,
    ARCHIVE_LEVEL_SLOW,
    ARCHIVE_LEVEL_SLOWEST
};

/* "zip", "zipzstd", "tarzstd", "gzip", "raw"; "" and NULL are zip. -EINVAL: unknown, *ret is zip. */
int archive_format_parse(const char *name, enum archive_format *ret);
/* Of the file name that is sent: ".zip", ".zip", ".tar.zst", ".gz", "". Static. */
const char *archive_format_suffix(enum archive_format format);

/* "fastest", "fast", "default", "slow", "slowest"; "" and NULL are default. -EINVAL: unknown, *ret is
 * the default level; the command warns "compression level "<x>" is invalid, falling back to
 * default". */
int archive_level_parse(const char *name, enum archive_level *ret);

/* What the file at `fd` is, by its first bytes; its offset does not move. A zstd frame is tar+zstd,
 * gzip's magic gzip, anything else zip. */
int archive_format_detect(int fd, enum archive_format *ret, struct error *err);
