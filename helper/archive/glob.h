/* helper/archive/glob.h - the patterns of artifact and cache paths, as GitLab's users know them:
 * `*` and `?` within a folder, dot files included; a component `**` for any number of folders, not
 * through links; [sets] and {alternatives}.
 *
 * A pattern is a set of places in it where one may be, and a name moves that set on: nothing is tried
 * twice, neither names nor folders, whatever the pattern.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/base/error.h"

struct glob;

/* -EINVAL with a sentence for a pattern that cannot be read (an open [ or {), that goes up by ".." or
 * has more than 1,000 alternatives. It is relative; "." is the tree itself. */
int glob_new(const char *pattern, struct glob **ret, struct error *err);
void glob_free(struct glob *glob);
DEFINE_AUTO_PTR(struct glob, glob_free)

/* Does the pattern stand for the whole of `path`, which is relative and clean? */
bool glob_match(struct glob *glob, const char *path);

struct glob_found {
    const char *path; /* relative; "." is the tree itself */
    bool matched;     /* the pattern stands for it; else it lies in a folder that is */
    uint32_t times;   /* how many of its folders and itself are matched */
};

struct glob_visitor {
    /* A negative code ends the search and is returned by it. */
    int (*found)(void *ctx, const struct glob_found *found);
    void *ctx;
};

/* Visits what is below dir_fd and matched, and all that lies in matched folders, once each, in no
 * order. Links are followed only where a component of the pattern other than `**` stands for them, and
 * as long as they stay below dir_fd (hardening.md Z7). Folders that vanish meanwhile are passed by. */
int glob_find(struct glob *glob, int dir_fd, const struct glob_visitor *visitor, struct error *err);
