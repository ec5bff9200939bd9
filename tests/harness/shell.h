/* tests/harness/shell.h - runs a generated script as an instance's shell does: fed on stdin, in a
 * directory, with an environment of nothing but HOME and PATH.
 *
 * Include it after cmocka.h. A shell that can't be started fails the running test. */
#pragma once

#include <stddef.h>

#include "core/base/buf.h"

/* The shells that must all read a script alike. */
enum harness_shell { HARNESS_BASH, HARNESS_DASH, HARNESS_BUSYBOX, HARNESS_SHELLS };
extern const char *const harness_shell_names[HARNESS_SHELLS];

/* The exit status, 128 + signal for a death by one. What it printed is added to `out` and `errors`.
 */
int harness_run_shell(enum harness_shell shell, const char *dir, const struct buf *script,
                      struct buf *out, struct buf *errors);
