/* sdk/lib/file.h - a small file, read as a whole. Used by the readers of profiles and tokens of this folder.
 */
#ifndef FLOTILLA_LIB_FILE_H
#define FLOTILLA_LIB_FILE_H

#include "sdk/lib/text.h"

#include <stddef.h>
#include <stdint.h>

/* A regular file of at most `max` bytes; a NUL is put behind them, and the caller wipes (flt_wipe). FLT_E_NOT_FOUND,
 * or FLT_E_INVALID when it cannot be read, is larger or holds a NUL, or FLT_E_INTERNAL, with a sentence that
 * begins with the path in `error` (FLT_ERROR_MAX bytes). */
int32_t flt_file_read(const char *path, size_t max, char **ret, char *error);

#endif
