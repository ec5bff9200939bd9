/* helper/archive/format.h - the archive formats and compression levels, by their names and magic
 * bytes (job-execution.md 5.5, 6.1, 6.6).
 */
#pragma once

#include "core/base/error.h"

enum pack_format {
    FORMAT_ZIP,
    FORMAT_ZIPZSTD, /* a zip whose entries are compressed by zstd (method 93) */
    FORMAT_TARZSTD,
    FORMAT_GZIP, /* one gzip member a file */
    FORMAT_RAW   /* one file, as it is */
};

enum pack_level { LEVEL_FASTEST, LEVEL_FAST, LEVEL_DEFAULT, LEVEL_SLOW, LEVEL_SLOWEST };

/* "zip", "zipzstd", "tarzstd", "gzip", "raw"; "" and NULL are zip. -EINVAL: unknown, *ret is zip. */
int pack_format_parse(const char *name, enum pack_format *ret);
/* Of the file name that is sent: ".zip", ".zip", ".tar.zst", ".gz", "". Static. */
const char *pack_format_suffix(enum pack_format format);

/* "fastest", "fast", "default", "slow", "slowest"; "" and NULL are default. -EINVAL: unknown, *ret is
 * the default level; the command warns "compression level "<x>" is invalid, falling back to
 * default". */
int pack_level_parse(const char *name, enum pack_level *ret);

/* What the file at `fd` is, by its first bytes; its offset does not move. A zstd frame is tar+zstd,
 * gzip's magic gzip, anything else zip. */
int pack_format_detect(int fd, enum pack_format *ret, struct error *err);
