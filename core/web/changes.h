/* core/web/changes.h - what has changed among many things since one looked at them last, as pieces of JSON; for
 * core/web/events.c. Pure.
 *
 * All things are put, again and again; of each, its key is kept and a number that stands for its value.
 */
#pragma once

#include <stdbool.h>

#include "core/base/buf.h"

struct web_changes;

struct web_changes *web_changes_new(void);
void web_changes_free(struct web_changes *changes); /* accepts NULL */

/* `whole`: all things are wanted, too. */
void web_changes_begin(struct web_changes *changes, bool whole);
/* `value` is JSON. */
void web_changes_put(struct web_changes *changes, const char *key, const struct buf *value);
/* What was not put is gone. True when anything is new, different or gone. Negative: there was no memory; then the next
 * round finds that everything is new. */
int web_changes_end(struct web_changes *changes);

/* After the end, until the next begin: `"key":value,…` of what is new or different, and of all, and `"key",…` of what is gone. */
const struct buf *web_changes_set(const struct web_changes *changes);
const struct buf *web_changes_gone(const struct web_changes *changes);
const struct buf *web_changes_whole(const struct web_changes *changes);
