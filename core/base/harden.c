/* core/base/harden.c - the rules of harden.h. */
#include "core/base/harden.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/str.h"

int harden_process(void)
{
    static const struct rlimit no_core = { 0, 0 };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        setrlimit(RLIMIT_CORE, &no_core) < 0)
        return -errno;
    return 0;
}

int harden_limit(int resource, uint64_t most)
{
    struct rlimit limit;

    if (getrlimit((__rlimit_resource_t) resource, &limit) < 0)
        return -errno;
    limit.rlim_max = MIN(limit.rlim_max, (rlim_t) most);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit((__rlimit_resource_t) resource, &limit) < 0 ? -errno : 0;
}

int harden_drop_capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };
    const uint32_t kept = UINT32_C(1) << CAP_DAC_READ_SEARCH;

    if (syscall(SYS_capget, &header, sets) < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        sets[i].permitted &= i == 0 ? kept : 0;
        sets[i].effective = sets[i].permitted;
        sets[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}
