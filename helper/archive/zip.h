/* helper/archive/zip.h - the records of a zip file: signatures, sizes, flags, and numbers in them,
 * lowest byte first (PKWARE's APPNOTE, and Info-ZIP's extra fields).
 */
#pragma once

#include <stdint.h>

#define ZIP_LOCAL 0x04034b50u
#define ZIP_LOCAL_SIZE 30
#define ZIP_DESCRIPTOR 0x08074b50u
#define ZIP_CENTRAL 0x02014b50u
#define ZIP_CENTRAL_SIZE 46
#define ZIP_END 0x06054b50u
#define ZIP_END_SIZE 22
#define ZIP64_END 0x06064b50u
#define ZIP64_END_SIZE 56
#define ZIP64_LOCATOR 0x07064b50u
#define ZIP64_LOCATOR_SIZE 20

#define ZIP_STORED 0
#define ZIP_DEFLATED 8
#define ZIP_ZSTD 93

#define ZIP_FLAG_ENCRYPTED 0x0001
#define ZIP_FLAG_DESCRIPTOR 0x0008 /* sum and sizes follow the data */
#define ZIP_FLAG_UTF8 0x0800

#define ZIP_EXTRA_ZIP64 0x0001
#define ZIP_EXTRA_TIME 0x5455
#define ZIP_EXTRA_OWNER 0x7875

#define ZIP_HOST_UNIX 3
#define ZIP_MAX16 0xffffu
#define ZIP_MAX32 0xffffffffu

static inline uint16_t zip_get16(const uint8_t *at)
{
    return (uint16_t) (at[0] | at[1] << 8);
}
static inline uint32_t zip_get32(const uint8_t *at)
{
    return zip_get16(at) | (uint32_t) zip_get16(at + 2) << 16;
}
static inline uint64_t zip_get64(const uint8_t *at)
{
    return zip_get32(at) | (uint64_t) zip_get32(at + 4) << 32;
}

/* Writers move on. */
static inline void zip_put16(uint8_t **at, uint32_t value)
{
    *(*at)++ = (uint8_t) value;
    *(*at)++ = (uint8_t) (value >> 8);
}
static inline void zip_put32(uint8_t **at, uint32_t value)
{
    zip_put16(at, value);
    zip_put16(at, value >> 16);
}
static inline void zip_put64(uint8_t **at, uint64_t value)
{
    zip_put32(at, (uint32_t) value);
    zip_put32(at, (uint32_t) (value >> 32));
}
