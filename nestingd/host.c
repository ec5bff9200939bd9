/* nestingd/host.c - see host.h. */
#include "nestingd/host.h"

#include <sys/statvfs.h>
#include <unistd.h>

static int64_t product(int64_t a, int64_t b)
{
    int64_t ret;

    return a <= 0 || b <= 0 || __builtin_mul_overflow(a, b, &ret) ? 0 : ret;
}

struct room_limits host_limits(int folder_fd)
{
    struct room_limits ret = { 0 };
    struct statvfs disk;

    ret.most.cpus = (unsigned) product(sysconf(_SC_NPROCESSORS_ONLN), 2);
    ret.most.memory_bytes = product(sysconf(_SC_PHYS_PAGES), sysconf(_SC_PAGESIZE));
    if (fstatvfs(folder_fd, &disk) == 0)
        ret.most.disk_bytes = product((int64_t) disk.f_bavail, (int64_t) disk.f_frsize);
    return ret;
}
