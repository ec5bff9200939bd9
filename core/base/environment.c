/* core/base/environment.c - a copy of the environment with less in it (environment.h). */
#include "core/base/environment.h"

#include <stdbool.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"

static bool begins_so(const char *entry, const char *const *prefixes)
{
    for (; *prefixes; prefixes++)
        if (str_starts(entry, *prefixes))
            return true;
    return false;
}

static char **copy_those(const char *const *prefixes, bool beginning_so)
{
    size_t n = 0, n_kept = 0;
    char **copy;

    while (environ[n])
        n++;
    copy = mem_array(n + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++)
        if (begins_so(environ[i], prefixes) == beginning_so)
            copy[n_kept++] = environ[i];
    return copy;
}

char **environment_without(const char *const *prefixes)
{
    return copy_those(prefixes, false);
}

char **environment_with(const char *const *prefixes)
{
    return copy_those(prefixes, true);
}
