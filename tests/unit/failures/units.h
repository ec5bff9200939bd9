/* tests/unit/failures/units.h - each unit's work as one operation that can be repeated while something in it fails. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"

/* What an operation brought about, as text: where it says 0, that must be all of it. Not allocated, so that writing it
 * down does not fail. */
struct result {
    char text[1 << 16];
    size_t len;
};
void result_add(struct result *result, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct place {
    const char *dir;     /* the operation's own, empty at first */
    const char *source;  /* the project's root */
    const char *plugin;  /* tests/fakes/moody_provider.so */
    const char *plugins; /* its directory */
};

struct unit {
    const char *name;
    /* 0 or a negative code; gives back all it took. */
    int (*run)(const struct place *place, struct result *result);
    bool may_leave_out; /* what is for people's eyes only */
};
extern const struct unit units[];
extern const size_t n_units;
