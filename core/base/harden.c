/* core/base/harden.c - the rules of harden.h. */
#include "core/base/harden.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "core/base/str.h"

int harden_process(void)
{
    static const struct rlimit no_core = { 0, 0 };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        setrlimit(RLIMIT_CORE, &no_core) < 0)
        return -errno;
    return 0;
}

int harden_limit_files(uint32_t most)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -errno;
    files.rlim_max = MIN(files.rlim_max, (rlim_t) most);
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}
