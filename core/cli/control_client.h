/* core/cli/control_client.h - asking the running supervisor; for `flotilla status` and `explain`.
 */
#pragma once

#include "core/base/error.h"
#include "core/base/json.h"

/* The state directory that a command means: --state-dir, else the configuration's (when it can be
 * read), else the default. The caller frees. */
char *control_state_dir(const char *state_dir, const char *config_file);

/* Sends one request to STATE_DIR/control.sock and reads the answer (a new reference). An `error`
 * answer comes back as an error. */
int control_ask(const char *state_dir, json_t *request, json_t **ret, struct error *err);
