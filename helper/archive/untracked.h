/* helper/archive/untracked.h - the files that git does not track, ignored ones among them. */
#pragma once

#include "core/base/error.h"

/* Runs `git ls-files -o -z` in root and calls `found` for each path that is there, relative to it; a
 * negative code of it ends the search. A sentence when git is missing or refuses; what git itself says
 * goes to stderr. */
int untracked_find(const char *root, int root_fd, int (*found)(void *ctx, const char *path),
                   void *ctx, struct error *err);
