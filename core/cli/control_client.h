/* core/cli/control_client.h - asking the running supervisor; for ask.c. */
#pragma once

#include "core/base/error.h"
#include "core/base/json.h"

/* The state directory that a command means: --state-dir, else the configuration's, else the default.
 * `config_file` NULL is the usual one, which may be missing. The caller frees; NULL after an error. */
char *control_state_dir(const char *state_dir, const char *config_file, struct error *err);

/* Sends one request to STATE_DIR/control.sock and waits `timeout_ms` for the answer (a new
 * reference). An `error` answer comes back as an error. A descriptor that comes along is the caller's, -1 = none; with
 * `ret_fd` NULL it is closed. */
int control_ask(const char *state_dir, json_t *request, int timeout_ms, json_t **ret, int *ret_fd,
                struct error *err);
