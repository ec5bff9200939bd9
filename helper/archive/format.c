/* helper/archive/format.c - names and signs of formats and levels. */
#include "helper/archive/format.h"

#include <errno.h>
#include <string.h>

#include "core/base/io.h"
#include "core/base/str.h"

static const struct {
    const char *name, *suffix;
} formats[] = {
    [FORMAT_ZIP] = { "zip", ".zip" },
    [FORMAT_ZIPZSTD] = { "zipzstd", ".zip" },
    [FORMAT_TARZSTD] = { "tarzstd", ".tar.zst" },
    [FORMAT_GZIP] = { "gzip", ".gz" },
    [FORMAT_RAW] = { "raw", "" },
};

static const char *const levels[] = {
    [LEVEL_FASTEST] = "fastest", [LEVEL_FAST] = "fast",       [LEVEL_DEFAULT] = "default",
    [LEVEL_SLOW] = "slow",       [LEVEL_SLOWEST] = "slowest",
};

int pack_format_parse(const char *name, enum pack_format *ret)
{
    *ret = FORMAT_ZIP;
    if (str_empty(name))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (str_eq(name, formats[i].name)) {
            *ret = (enum pack_format) i;
            return 0;
        }
    return -EINVAL;
}

const char *pack_format_suffix(enum pack_format format)
{
    return formats[format].suffix;
}

int pack_level_parse(const char *name, enum pack_level *ret)
{
    *ret = LEVEL_DEFAULT;
    if (str_empty(name))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (str_eq(name, levels[i])) {
            *ret = (enum pack_level) i;
            return 0;
        }
    return -EINVAL;
}

int pack_format_detect(int fd, enum pack_format *ret, struct error *err)
{
    static const char zstd[] = { 0x28, (char) 0xb5, 0x2f, (char) 0xfd };
    static const char gzip[] = { 0x1f, (char) 0x8b };
    char magic[4] = "";
    ssize_t n = io_pread(fd, magic, sizeof(magic), 0);

    if (n < 0)
        return error_errno(err, -errno, "archive: its beginning cannot be read");
    if (memcmp(magic, zstd, sizeof(zstd)) == 0)
        *ret = FORMAT_TARZSTD;
    else if (memcmp(magic, gzip, sizeof(gzip)) == 0)
        *ret = FORMAT_GZIP;
    else
        *ret = FORMAT_ZIP;
    return 0;
}
