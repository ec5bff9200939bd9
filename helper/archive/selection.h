/* helper/archive/selection.h - which files and folders go into an archive: paths, excludes and what
 * git does not track, below the working directory (job-execution.md 6.2, hardening.md Z7).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/base/error.h"
#include "helper/archive/expand.h"
#include "helper/archive/report.h"

#define SELECTION_FILES_MAX 1000000 /* more is an error: hardening.md Z5 would not unpack it */

struct selection_request {
    const char *root;                           /* the working directory: absolute, without links */
    int root_fd;                                /* the same; stays the caller's */
    const char *const *paths, *const *excludes; /* as given to the command: not yet expanded */
    size_t n_paths, n_excludes;
    bool untracked;   /* `git ls-files -o -z` in root */
    size_t files_max; /* 0 = SELECTION_FILES_MAX */
    const struct expand_source *variables;
};

struct selection {
    char **paths; /* relative, '/' between components, sorted by bytes, no duplicates */
    size_t n_paths;
};

/* Says each sentence of job-execution.md 6.2 but "No files to upload", which is the command's. Folders
 * count and are listed without a final '/'; "." is not listed. The caller frees *ret by
 * selection_free(), with n_paths 0 when nothing matched. Negative code only without memory, when
 * the root cannot be read or there are too many files. */
int selection_make(const struct selection_request *request, const struct report *report,
                   struct selection **ret, struct error *err);
void selection_free(struct selection *selection);
DEFINE_AUTO_PTR(struct selection, selection_free)

/* Adds one path, in its place; there already: nothing changes. */
int selection_add(struct selection *selection, const char *path);

/* The newest modification time of all selected, in nanoseconds since 1970; INT64_MIN when none is
 * there (the cache is archived anew only when a file is newer than the archive). */
int64_t selection_newest_ns(const struct selection *selection, int root_fd);
