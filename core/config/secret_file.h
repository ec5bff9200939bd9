/* core/config/secret_file.h - secrets that stand in files of their own instead of in config.toml, and what systemd
 * hands out as such files (LoadCredential=).
 */
#pragma once

#include "core/config/schema.h"

/* The file that `value` names, without the white space at its end; checked as hardening.md P2 says. NULL where that
 * was said, or, for somebody who checks the configuration of another machine, where the file is not here. */
struct secret *secret_file_read(struct config_reading *reading, const struct toml_value *value);

/* Of settings with a SETTING_SECRET and a SETTING_SECRET_FILE for one place only one may be given. */
void secret_file_check_once(struct config_reading *reading, const struct section *section,
                            const struct toml_value *table);

/* Of the file that is meant by "$CREDENTIALS_DIRECTORY/NAME"; anything else is a path itself. NULL: no memory. */
char *credentials_path(const char *text);

/* Strings that begin with "$CREDENTIALS_DIRECTORY/" name what is there, wherever in the tree they are. */
void credentials_place(struct config_reading *reading, struct toml_value *value);
