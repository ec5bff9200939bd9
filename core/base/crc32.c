/* core/base/crc32.c - the checksum of a job's log, by zlib (crc32.h). */
#include "core/base/crc32.h"

#include <stdio.h>
#include <zlib.h>

uint32_t crc32_update(uint32_t crc, const void *data, size_t len)
{
    return (uint32_t) crc32_z(crc, data, len);
}

void crc32_format(uint32_t crc, char text[15])
{
    (void) snprintf(text, 15, "crc32:%08x", crc);
}
