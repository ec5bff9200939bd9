/* helper/archive/glob_internal.h - a pattern in memory, for glob.c and glob_find.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "helper/archive/glob.h"

enum glob_kind { GLOB_LITERAL, GLOB_WILD, GLOB_ANY /* two stars */, GLOB_END };

struct glob_place {
    enum glob_kind kind;
    char *text;
};

/* Places at which one is, each once. */
struct glob_set {
    uint32_t *places; /* room for all */
    size_t n;
};

struct glob {
    struct glob_place *places;
    size_t n_places;
    uint32_t *seen; /* the round in which the place went into a set */
    uint32_t round;
    struct glob_set scratch[2]; /* of glob_match() */
};

int glob_set_room(const struct glob *glob, struct glob_set *set); /* free set->places */
void glob_set_begin(struct glob *glob, struct glob_set *set);     /* before any name */
/* Where one is after `name`. A link is not passed through by two stars. */
void glob_set_step(struct glob *glob, const struct glob_set *from, const char *name,
                   bool through_link, struct glob_set *to);
/* The pattern stands for what was passed. */
bool glob_set_ends(const struct glob *glob, const struct glob_set *set);
