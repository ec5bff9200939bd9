/* nestingd/backends.h - the back ends that this build of the daemon has: backends.c, or a test's own.
 */
#pragma once

#include <stddef.h>

#include "nestingd/backend.h"

extern const struct backend_kind *const backends[];
extern const size_t n_backends;
