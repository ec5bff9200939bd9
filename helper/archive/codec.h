/* helper/archive/codec.h - compressing a file piece by piece: deflate by libdeflate, and zstd.
 *
 * libdeflate is twice as fast as zlib at the same ratio, but compresses only what is in memory. So a
 * file is cut into pieces of CODEC_PIECE, and what comes out is joined to one stream of deflate.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"

#define CODEC_PIECE ((size_t) 1024 * 1024)

enum codec_kind { CODEC_DEFLATE, CODEC_ZSTD };

struct codec;

/* NULL without memory. `level` is the library's own. */
struct codec *codec_new(enum codec_kind kind, int level);
void codec_free(struct codec *codec);
DEFINE_AUTO_PTR(struct codec, codec_free)

/* Compresses up to CODEC_PIECE bytes; `first` begins a stream anew and `last` ends it. The result is
 * borrowed until the next call. Negative errno. */
int codec_compress(struct codec *codec, const void *data, size_t len, bool first, bool last,
                   const void **ret, size_t *ret_len);
