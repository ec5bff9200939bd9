/* core/config/toml_json.h - a TOML value as JSON: how settings reach a plugin, or the nesting daemon.
 */
#pragma once

#include "core/base/json.h"
#include "core/config/toml.h"

/* Dates become strings. What JSON can't say is -EINVAL: *where is the place of it. */
int toml_json(const struct toml_value *value, json_t **ret, struct toml_place *where,
              struct error *err);
