/* nestingd/backends.c - see backends.h. The first is the default. */
#include "nestingd/backends.h"

#include "core/base/str.h"

const struct backend_kind *const backends[] = {
    &backend_tart,
};
const size_t n_backends = sizeof(backends) / sizeof(backends[0]);
