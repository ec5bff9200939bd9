/* core/provider/memory.c - the limit of memory.h, as a soft one that is lifted and put back. */
#include "core/provider/memory.h"

#include <errno.h>
#include <sys/resource.h>

#include "core/base/str.h"

#define MEMORY_MAX ((rlim_t) 1024 * 1024 * 1024)

/* The process's before and now; equal without a limit of ours. Its own memory alone counts: not what
 * a plugin's runtime merely reserves. */
static struct rlimit given, own;

int memory_limit(void)
{
#ifndef FLOTILLA_SANITIZED /* which takes terabytes for its shadow */
    if (getrlimit(RLIMIT_DATA, &given) < 0)
        return -errno;
    own = given;
    own.rlim_cur = MIN(own.rlim_cur, MEMORY_MAX);
    if (setrlimit(RLIMIT_DATA, &own) < 0)
        return -errno;
#endif
    return 0;
}

void memory_limit_lift(void)
{
    if (own.rlim_cur != given.rlim_cur)
        (void) setrlimit(RLIMIT_DATA, &given);
}

void memory_limit_restore(void)
{
    if (own.rlim_cur != given.rlim_cur)
        (void) setrlimit(RLIMIT_DATA, &own);
}
