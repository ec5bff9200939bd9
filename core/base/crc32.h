/* core/base/crc32.h - CRC-32 (IEEE 802.3) of a job's log, as GitLab checks it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_update(uint32_t crc, const void *data, size_t len); /* start with 0 */
void crc32_format(uint32_t crc, char text[15]); /* "crc32:" and eight lower-case hex digits */
