/* core/base/crc32.c - the checksum of a job's log, by libdeflate (crc32.h), which uses the processor's
 * own multiplication where zlib walks tables: that was a tenth of what a long log costs. */
#include "core/base/crc32.h"

#include <libdeflate.h>
#include <stdio.h>

uint32_t crc32_update(uint32_t crc, const void *data, size_t len)
{
    return libdeflate_crc32(crc, data, len);
}

void crc32_format(uint32_t crc, char text[15])
{
    (void) snprintf(text, 15, "crc32:%08x", crc);
}
