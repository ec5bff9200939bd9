/* core/config/toml_change.h - a TOML tree changed and compared: what an edited text must mean (edit.c). */
#pragma once

#include "core/base/buf.h"
#include "core/config/toml.h"

/* As GitLab Runner finds a setting: the name that is equal, else one that is but for the case of its letters. In no
 * table (NULL) there is none. */
struct toml_value *toml_find_any_case(const struct toml_value *table, const char *key);

/* Makes `value` the last item of the array or, with a key, a member of the table, whose former one goes. What is in
 * `value` is taken. -ENOMEM leaves both as they were. */
int toml_put(struct toml_value *to, const char *key, struct toml_value *value);
void toml_remove(struct toml_value *from, struct toml_value *item);
/* Whatever the places and the order of members. */
bool toml_equal(const struct toml_value *a, const struct toml_value *b);

/* Appends the text in quotes, as a value. */
void toml_quote(struct buf *out, const char *text);
