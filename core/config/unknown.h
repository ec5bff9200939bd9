/* core/config/unknown.h - what is said of a key that nobody knows, with the nearest one that is. */
#pragma once

#include "core/config/schema.h"

/* The known name that a typing error most likely meant; begin with nearest_to(). */
struct nearest {
    const char *name;  /* as it was written */
    size_t distance;   /* no candidate further away than this counts */
    const char *found; /* the best candidate, NULL when none is near; borrowed */
};
struct nearest nearest_to(const char *name);
void nearest_try(struct nearest *nearest, const char *candidate);

/* "SECTION has no setting 'KEY', ignoring; did you mean 'MEANT'?", at the key; MEANT may be NULL. */
void unknown_key(struct config_reading *reading, const char *section,
                 const struct toml_value *value, const char *meant);
/* The same for a key that is in none of the section's rows: it may belong in another section. */
void unknown_setting(struct config_reading *reading, const struct section *section,
                     const struct toml_value *value);
