/* core/config/migrate.h - a configuration of GitLab Runner as one of ours: `flotilla migrate`.
 *
 * Pure, on the text: what means the same stays as it is written, with its comments; what does not is commented out, and
 * a comment at that place says why and what is there instead. */
#pragma once

#include "core/base/buf.h"

/* Each of these comments once more, with the line of the former text that it is about. */
typedef void (*migrate_say_fn)(void *arg, int line, const char *sentence);

/* `file` is its name in errors. -EINVAL when it is no TOML, -ENOTSUP when its runners are written in a way that cannot
 * be changed without harm. */
int migrate(const struct buf *text, const char *file, migrate_say_fn say, void *arg,
            struct buf *ret, struct error *err);
