/* sdk/lib/file.h - a small file, read or replaced as a whole. Used by the readers of profiles and tokens of this folder,
 * and by plugins.
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
/* A file that decides where secrets go. FLT_E_INVALID with a sentence when others than its owner may write it or a
 * folder above it (hardening.md P2). Whether others can read it: *ret_readable. What is not there passes. */
int32_t flt_file_check_private(const char *path, int *ret_readable, char *error);
/* Puts the text in the place of the file in one step that survives a loss of power, closed to others (0600).
 * FLT_E_INTERNAL with a sentence that begins with the path in `error` when it could not be done. */
int32_t flt_file_replace(const char *path, const char *text, char *error);

#endif
