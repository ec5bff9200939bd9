/* nestingd/fd.c - see fd.h. */
#include "nestingd/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fs.h"

#ifdef __APPLE__

int fd_pipe(int ends[2])
{
    if (pipe(ends) < 0)
        return -errno;
    (void) fs_set_cloexec(ends[0]);
    (void) fs_set_cloexec(ends[1]);
    return 0;
}

int fd_unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd < 0)
        return -errno;
    (void) fs_set_cloexec(fd);
    return fd;
}

int fd_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);

    if (fd < 0)
        return -errno;
    (void) fs_set_cloexec(fd);
    (void) fs_set_nonblock(fd);
    return fd;
}

#else

int fd_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
}

int fd_unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

int fd_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

#endif
