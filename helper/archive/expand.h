/* helper/archive/expand.h - $V, ${V:-d}, ${V%p}, $((1+2)) in the paths and names of artifacts, read
 * as a shell reads a here-document: no quotes, no splitting, no ~, a backslash guards $, ` and
 * itself. Commands are never run. Pure but for the lookup.
 */
#pragma once

#include "core/base/error.h"

struct expand_source {
    /* The value, borrowed until the next call; NULL = unset. An empty value counts as unset. */
    const char *(*lookup)(void *ctx, const char *name);
    void *ctx;
};

extern const struct expand_source expand_environment; /* getenv() */

/* The caller frees *ret. -EINVAL with a sentence when the text cannot be expanded ($(…), `…`, an
 * unfinished ${): *ret is untouched, and GitLab's users expect the text itself to be used. */
int expand_text(const char *text, const struct expand_source *source, char **ret,
                struct error *err);
