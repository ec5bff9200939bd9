/* core/base/io.c - system calls whose n-th use fails or moves one byte, in test builds. */
#include "core/base/io.h"

#ifdef FLOTILLA_FAULTS
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h> /* renameat */

static atomic_size_t calls;
static atomic_size_t failing_call; /* 0 = none */
static _Atomic(enum io_fault) fault_kind;
static atomic_int fault_errno;

size_t io_fail_at(size_t n, enum io_fault fault, int error)
{
    size_t counted = atomic_exchange(&calls, 0);

    atomic_store(&fault_kind, fault);
    atomic_store(&fault_errno, error);
    atomic_store(&failing_call, n);
    return counted;
}

/* 0 = do the call; -1 = fail with errno set; 1 = move one byte only. */
static int fault_due(bool may_be_short)
{
    size_t call = atomic_fetch_add(&calls, 1) + 1;

    if (call != atomic_load(&failing_call))
        return 0;
    if (atomic_load(&fault_kind) == IO_FAULT_SHORT)
        return may_be_short ? 1 : 0;
    errno = atomic_load(&fault_errno);
    return -1;
}

static size_t cut(int fault, size_t len)
{
    return fault > 0 && len > 1 ? 1 : len;
}

int io_openat(int dir_fd, const char *path, int flags, mode_t mode)
{
    return fault_due(false) < 0 ? -1 : openat(dir_fd, path, flags, mode);
}

ssize_t io_read(int fd, void *data, size_t len)
{
    int fault = fault_due(true);

    return fault < 0 ? -1 : read(fd, data, cut(fault, len));
}

ssize_t io_write(int fd, const void *data, size_t len)
{
    int fault = fault_due(true);

    return fault < 0 ? -1 : write(fd, data, cut(fault, len));
}

ssize_t io_pread(int fd, void *data, size_t len, off_t offset)
{
    int fault = fault_due(true);

    return fault < 0 ? -1 : pread(fd, data, cut(fault, len), offset);
}

ssize_t io_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    int fault = fault_due(true);

    return fault < 0 ? -1 : pwrite(fd, data, cut(fault, len), offset);
}

int io_ftruncate(int fd, off_t length)
{
    return fault_due(false) < 0 ? -1 : ftruncate(fd, length);
}

int io_fsync(int fd)
{
    return fault_due(false) < 0 ? -1 : fsync(fd);
}

int io_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return fault_due(false) < 0 ? -1 : renameat(from_dir, from, to_dir, to);
}

int io_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return fault_due(false) < 0 ? -1 : connect(fd, address, len);
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
