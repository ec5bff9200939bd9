/* core/base/descriptors.c - asks the kernel by trying (descriptors.h). */
#include "core/base/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

/* Above all that were ever open; 0 = the kernel does not say. */
static unsigned long table_size(void)
{
    autoclose int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    char text[2048];
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    const char *line;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    line = strstr(text, "\nFDSize:");
    return line ? strtoul(line + strlen("\nFDSize:"), NULL, 10) : 0;
}

/* Mostly there is far more room than anybody asks for, and trying costs two calls a descriptor. */
static bool is_far_from_limit(unsigned n)
{
    unsigned long size = table_size(), limit = descriptors_limit();

    return size > 0 && size < limit && limit - size >= n;
}

bool descriptors_left(unsigned n)
{
    autofree int *tried = mem_array(n + 1, sizeof(*tried));
    unsigned got = 0;
    bool enough;

    if (!tried)
        return false;
    tried[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (tried[0] >= 0 && is_far_from_limit(n)) {
        (void) close(tried[0]);
        return true;
    }
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
