/* core/base/nearest.c - a third of a word may be wrong, three letters at most (nearest.h). */
#include "core/base/nearest.h"

#include "core/base/str.h"

struct nearest nearest_to(const char *name)
{
    return (struct nearest) { .name = name, .distance = MIN(strlen(name) / 3 + 1, (size_t) 3) };
}

void nearest_try(struct nearest *nearest, const char *candidate)
{
    size_t distance = str_distance(candidate, nearest->name, nearest->distance);

    if (distance > nearest->distance || (distance == nearest->distance && nearest->found))
        return;
    nearest->distance = distance;
    nearest->found = candidate;
}
