/* core/exec/exec_context.c - predefined.c and changes.c put together for the readers. */
#include "core/exec/exec_context.h"

#include <errno.h>

#include "core/exec/changes.h"

static int changes(void *arg, const char *since, struct ci_lines *ret, struct error *err)
{
    return changes_since(arg, since, ret, err);
}

static int ids(void *arg, struct ci_lines *ret)
{
    return changes_ids(arg, ret);
}

static void last_commit(void *arg, const char *path, struct buf *ret)
{
    changes_last_commit(arg, path, ret);
}

int exec_context_fill(const struct payload_pipeline *pipeline, const struct snapshot *snapshot,
                      struct ci_context *ret, struct error *err)
{
    *ret = (struct ci_context) { .top = snapshot->top,
                                 .changes = changes,
                                 .ids = ids,
                                 .last_commit = last_commit,
                                 .arg = (void *) (uintptr_t) snapshot };
    if (predefined_of_pipeline(pipeline, &ret->variables) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    return changes_files(snapshot, &ret->files, err);
}
