/* core/exec/ci_context.h - what a pipeline is made for: the variables, files and changes that rules
 * ask about. Filled by exec.c from the snapshot; a test fills it with what it likes.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/exec/ci_config.h"

struct ci_context {
    struct ci_variables variables; /* predefined ones, CI_COMMIT_BRANCH and so on */
    const char *top;       /* of the work tree, where included files are; NULL = there are none */
    struct ci_lines files; /* of the commit, relative to the top */
    /* The files that changed since `since`, a branch, tag or commit (NULL = the last push). Returns
     * 0, or 1 when everything counts as changed, or negative with a sentence. NULL = always 1. */
    int (*changes)(void *arg, const char *since, struct ci_lines *ret, struct error *err);
    /* For keys of caches: the ids of what is in `files`, one each, and the last commit that changed a
     * file, nothing when there is none. NULL = none is known. */
    int (*ids)(void *arg, struct ci_lines *ret);
    void (*last_commit)(void *arg, const char *path, struct buf *ret);
    void *arg;
};
void ci_context_done(struct ci_context *context);
