/* core/base/nearest.c - a third of a word may be wrong, three letters at most, and all that are small
 * for large (nearest.h). */
#include "core/base/nearest.h"

#include <strings.h>

#include "core/base/str.h"

struct nearest nearest_to(const char *name)
{
    return (struct nearest) { .name = name, .distance = MIN(strlen(name) / 3 + 1, (size_t) 3) };
}

void nearest_try(struct nearest *nearest, const char *candidate)
{
    bool same_letters = strcasecmp(candidate, nearest->name) == 0;
    size_t distance = same_letters ? 0 : str_distance(candidate, nearest->name, nearest->distance);

    if (distance > nearest->distance || (distance == nearest->distance && nearest->found))
        return;
    nearest->distance = distance;
    nearest->found = candidate;
}
