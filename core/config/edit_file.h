/* core/config/edit_file.h - a configuration file that is changed in one step, by the commands that register runners
 * and by the manager that gets a new token. */
#pragma once

#include "core/base/buf.h"

/* Makes the new text of the former one, which is "" where there is no file; 0 or negative, and then the file stays. */
typedef int (*edit_file_fn)(void *arg, const struct buf *text, struct buf *ret, struct error *err);

/* One at a time: -EBUSY when another flotilla has been at it for `wait_ms`. A link is followed, and mode and owner stay;
 * a file that is new gets the mode 0600. */
int edit_file(const char *file, int wait_ms, edit_file_fn fn, void *arg, struct error *err);
/* Everything of it but the writing: would it succeed? */
int edit_file_check(const char *file, int wait_ms, edit_file_fn fn, void *arg, struct error *err);
