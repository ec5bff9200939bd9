/* nestingd/backends.c - see backends.h. The first is the default. */
#include "nestingd/backends.h"

const struct backend_kind *const backends[] = {
#ifdef __linux__
    &backend_qemu,
#endif
    &backend_tart,
};
const size_t n_backends = sizeof(backends) / sizeof(backends[0]);
