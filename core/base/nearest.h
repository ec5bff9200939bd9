/* core/base/nearest.h - the known name that a typing error most likely meant: of a key, a runner, an
 * instance. */
#pragma once

#include <stddef.h>

struct nearest {
    const char *name;  /* as it was written */
    size_t distance;   /* no candidate further away than this counts */
    const char *found; /* the best candidate, NULL when none is near; borrowed */
};
struct nearest nearest_to(const char *name);
void nearest_try(struct nearest *nearest, const char *candidate);
