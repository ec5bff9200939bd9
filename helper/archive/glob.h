/* helper/archive/glob.h - the patterns of artifact and cache paths, as GitLab's users know them:
 * `*` and `?` within a folder, dot files included; a component `**` for any number of folders, not
 * through links; [sets] and {alternatives}. Matching never tries again: its cost is the path's length
 * times the pattern's.
 */
#pragma once

#include <stdbool.h>

#include "core/base/autoclean.h"
#include "core/base/error.h"

struct glob;

/* -EINVAL with a sentence for a pattern that cannot be read (an open [ or {) or that has more than
 * 1,000 alternatives. The pattern is relative, in clean form (no empty, "." or ".." component; "."
 * alone is the tree itself). */
int glob_new(const char *pattern, struct glob **ret, struct error *err);
void glob_free(struct glob *glob);
DEFINE_AUTO_PTR(struct glob, glob_free)

/* Does the pattern stand for the whole of `path` (relative, clean)? */
bool glob_match(const struct glob *glob, const char *path);

/* Calls `found` for each existing path below dir_fd that the pattern stands for, once each, in no
 * order. Every folder is read once at most. Links are followed where a component of the pattern names
 * them (never by `**`) and as long as they stay below dir_fd. `found` ends the search by a negative
 * code, which is returned. */
struct glob_visitor {
    int (*found)(void *ctx, const char *path);
    void *ctx;
};
int glob_find(const struct glob *glob, int dir_fd, const struct glob_visitor *visitor,
              struct error *err);
