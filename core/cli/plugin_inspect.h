/* core/cli/plugin_inspect.h - what a plugin says of itself, asked in a process of its own. */
#pragma once

#include "core/base/error.h"
#include "core/base/json.h"

/* Loads the file in a child that lives for this question only: a plugin whose constructor crashes
 * or hangs is a refusal, not our end. *ret is the reply to `inspect` (docs/design/processes.md). */
int plugin_inspect(const char *file, json_t **ret, struct error *err);
/* The same where only a provider will do; the reply is that to `load`. */
int plugin_inspect_provider(const char *file, json_t **ret, struct error *err);
