/* nestingd/settings.h - files of settings, in JSON or TOML. Used by serve.c and init.c.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/json.h"

#define SETTINGS_MAX ((size_t) 256 * 1024)

/* The file as JSON text: of one whose name ends in .toml what it says, of any other its bytes, whatever they are. */
int settings_read(const char *path, struct buf *ret, struct error *err);
/* An object; NULL for no bytes at all and for null. */
int settings_parse(const char *text, size_t len, json_t **ret, struct error *err);
