/* core/base/descriptors.c - asks the kernel by trying (descriptors.h). */
#include "core/base/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"

int descriptors_raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -errno;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

bool descriptors_left(unsigned n)
{
    autofree int *tried = mem_array(n + 1, sizeof(*tried));
    unsigned got = 0;
    bool enough;

    if (!tried)
        return false;
    tried[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (got < n && tried[got] >= 0) {
        got++;
        tried[got] = fcntl(tried[0], F_DUPFD_CLOEXEC, 0);
    }
    enough = got == n;
    for (unsigned i = 0; i <= got; i++)
        if (tried[i] >= 0)
            (void) close(tried[i]);
    return enough;
}

unsigned long descriptors_limit(void)
{
    struct rlimit files = { 0 };

    (void) getrlimit(RLIMIT_NOFILE, &files);
    return (unsigned long) files.rlim_cur;
}

bool descriptors_were_short(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -EAGAIN || error == -ENOMEM ||
           error == -ENOBUFS || error == -ETOOMANYREFS;
}
