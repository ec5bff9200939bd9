/* helper/archive/names.h - the names of an archive's entries, each once; and those of what was made,
 * to be unmade. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

struct names {
    struct buf text; /* one after the other, each with its NUL */
    uint32_t *slots; /* hashed; where the name begins, plus one */
    size_t n_slots, used;
    uint64_t seed; /* so that nobody can choose names that fall together */
};

/* *ret_new: it was not there. -ENOMEM. */
int names_add(struct names *names, const char *name, bool *ret_new);
bool names_has(const struct names *names, const char *name);
void names_done(struct names *names);
