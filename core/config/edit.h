/* core/config/edit.h - config.toml changed as a person would: what is not meant stays as it is written, byte for byte,
 * with its comments, its order, its blank lines and its quotes.
 *
 * Pure functions on the text. The result was read again and means what the former text meant but for the change, or
 * there is none: a file that is written in another way than these know is refused with a sentence. `file` is its name
 * there. An entry is known by its number, from 0, in the order of the file.
 */
#pragma once

#include "core/base/buf.h"

/* A value in the words of TOML, such as "\"a\"" (toml_quote()) or "2026-11-26T10:00:00Z". A string keeps the quotes of
 * the one before it; a key that is new comes behind the others of its entry. */
int edit_set(const struct buf *text, const char *file, size_t runner, const char *key,
             const char *value, struct buf *ret, struct error *err);
/* A key that is not there is no error. */
int edit_unset(const struct buf *text, const char *file, size_t runner, const char *key,
               struct buf *ret, struct error *err);
/* `entry` is one [[runners]] with all that is its own, and goes to the end. */
int edit_add_runner(const struct buf *text, const char *file, const char *entry, struct buf *ret,
                    struct error *err);
/* With the comments within it; one above it stays. */
int edit_remove_runner(const struct buf *text, const char *file, size_t runner, struct buf *ret,
                       struct error *err);
/* One entry alone, with all that is its own: a text that edit_add_runner() takes. */
int edit_extract_runner(const struct buf *text, const char *file, size_t runner, struct buf *ret,
                        struct error *err);
