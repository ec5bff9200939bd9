/* sdk/lib/state_file.h - a file that a provider keeps for a group in the host's state directory: its path, and what is
 * in it. file.h replaces it. Used by plugins/aws and plugins/gcp.
 */
#ifndef FLOTILLA_LIB_STATE_FILE_H
#define FLOTILLA_LIB_STATE_FILE_H

#include <flotilla/provider.h>
#include <stddef.h>

#define FLT_STATE_PATH_MAX 1024

/* "STATE_DIR/HASH.ENDING", the hash being that of `group`, whatever names it for good; the folder must be closed to
 * others. FLT_OK, or FLT_E_INVALID with a sentence in `error` (FLT_ERROR_MAX bytes, as below). */
int32_t flt_state_path(const struct flt_host *host, flt_call *call, const char *group,
                       const char *ending, char ret[FLT_STATE_PATH_MAX], char *error);
/* flt_file_replace() writes it. Wiped by the caller; FLT_E_NOT_FOUND when there is none yet. */
int32_t flt_state_read(const char *path, char **ret, char *error);

#endif
