/* core/config/values.h - one value of the file against one row of a table, by the row's kind.
 *
 * schema.c calls it while it walks the tree; sections and arrays of sections are its own.
 */
#pragma once

#include "core/config/schema.h"

/* Puts the value at the row's place in `record`, or says what it must be. */
void value_fill(struct config_reading *reading, const struct section *section,
                const struct setting *setting, const struct toml_value *value, void *record);
void value_wrong_type(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value);
/* Memory for an array's items, each of `size`; NULL and said when it is no array. */
void *value_array(struct config_reading *reading, const struct section *section,
                  const struct setting *setting, const struct toml_value *value, size_t size);
void value_store_text(struct config_reading *reading, char **member, const char *text);
