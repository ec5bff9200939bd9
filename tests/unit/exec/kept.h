/* tests/unit/exec/kept.h - a store of artifacts in a temporary folder, for tests of what is made of it. */
#pragma once

#include "core/exec/artifact_store.h"

struct kept {
    char root[64];
    struct artifact_store *store;
};
int kept_setup(void **state);
int kept_teardown(void **state);

/* Fails the test when it is not kept. */
void kept_add(const struct kept *kept, int64_t job, const char *type, const char *name,
              const char *data, size_t len);
