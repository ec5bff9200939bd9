/* core/job/shell/quote.h - the one way a value enters a shell script (hardening.md Q1). */
#pragma once

#include "core/base/buf.h"

/* Appends `value` as one shell word: in single quotes, each single quote as '\''. The same form in
 * bash, dash and busybox, byte for byte. NUL can't be in a C string. */
void quote_word(struct buf *out, const char *value);

/* Appends a command: the words, NULL-terminated, quoted, separated by spaces, ended by a newline.
 */
void quote_command(struct buf *out, const char *const *words);

/* Appends one word: the path of `name` in `dir`. */
void quote_path(struct buf *out, const char *dir, const char *name);
