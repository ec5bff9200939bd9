/* core/base/io.c - system calls that test builds make fail (io.h). */
#include "core/base/io.h"

#ifdef FLOTILLA_FAULTS

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

static size_t calls, fail_nth;
static enum io_fault fail_how;
static int fail_error;

size_t io_fail_at(size_t n, enum io_fault fault, int error)
{
    size_t counted = calls;

    calls = 0;
    fail_nth = n;
    fail_how = fault;
    fail_error = error;
    return counted;
}

static bool hit(void)
{
    calls++;
    return fail_nth != 0 && calls == fail_nth;
}

/* True when this call must fail now; errno is set. */
static bool fails(void)
{
    if (!hit() || fail_how != IO_FAULT_FAIL)
        return false;
    errno = fail_error;
    return true;
}

/* As fails(), or the length is cut to one byte. */
static bool fails_or_shortens(size_t *len)
{
    if (!hit())
        return false;
    if (fail_how == IO_FAULT_FAIL) {
        errno = fail_error;
        return true;
    }
    if (*len > 1)
        *len = 1;
    return false;
}

int io_openat(int dir_fd, const char *path, int flags, mode_t mode)
{
    return fails() ? -1 : openat(dir_fd, path, flags, mode);
}

ssize_t io_read(int fd, void *data, size_t len)
{
    return fails_or_shortens(&len) ? -1 : read(fd, data, len);
}

ssize_t io_write(int fd, const void *data, size_t len)
{
    return fails_or_shortens(&len) ? -1 : write(fd, data, len);
}

ssize_t io_pread(int fd, void *data, size_t len, off_t offset)
{
    return fails_or_shortens(&len) ? -1 : pread(fd, data, len, offset);
}

int io_fsync(int fd)
{
    return fails() ? -1 : fsync(fd);
}

int io_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return fails() ? -1 : renameat(from_dir, from, to_dir, to);
}

int io_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return fails() ? -1 : connect(fd, address, len);
}

#else

size_t io_fail_at(size_t n, enum io_fault fault, int error)
{
    (void) n;
    (void) fault;
    (void) error;
    return 0;
}

#endif
