/* tests/fuzz/fuzz_tar_reader.c - the same of a tar: the input is what zstd has compressed, so that fuzzing need
 * not find its way through that first. */
#include <zstd.h>

#include "core/base/mem.h"
#include "tests/fuzz/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = ZSTD_compressBound(size), len;
    autofree void *packed = mem_alloc(room);

    if (size > 262144 || !packed)
        return 0;
    len = ZSTD_compress(packed, room, data, size, 1);
    if (!ZSTD_isError(len))
        extract_anything(packed, len);
    return 0;
}
