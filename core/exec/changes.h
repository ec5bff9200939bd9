/* core/exec/changes.h - the files of the snapshot, and which of them changed: what rules:exists and
 * rules:changes ask.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/exec/ci_config.h"
#include "core/exec/snapshot.h"

/* All files of the snapshot, relative to its top. */
int changes_files(const struct snapshot *snapshot, struct ci_lines *ret, struct error *err);

/* The id of each of them, in the same order. 0 or negative. */
int changes_ids(const struct snapshot *snapshot, struct ci_lines *ret);

/* The last commit that changed the file; adds nothing when there is none. */
void changes_last_commit(const struct snapshot *snapshot, const char *path, struct buf *ret);

/* What changed since the snapshot left `since`, a branch, tag or commit; NULL = since the last push,
 * which is what the branch follows, or the commit before when nothing is new since. 0, or 1 when
 * that is not known and everything counts as changed, as in GitLab for a new branch. */
int changes_since(const struct snapshot *snapshot, const char *since, struct ci_lines *ret,
                  struct error *err);
