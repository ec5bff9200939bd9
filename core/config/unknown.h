/* core/config/unknown.h - what is said of a key that nobody knows, with the nearest one that is. */
#pragma once

#include "core/base/nearest.h"
#include "core/config/schema.h"

/* "SECTION has no setting 'KEY', ignoring; did you mean 'MEANT'?", at the key; MEANT may be NULL. */
void unknown_key(struct config_reading *reading, const char *section,
                 const struct toml_value *value, const char *meant);
/* The same for a key that is in none of the section's rows: it may belong in another section. */
void unknown_setting(struct config_reading *reading, const struct section *section,
                     const struct toml_value *value);
