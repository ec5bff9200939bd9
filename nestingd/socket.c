/* nestingd/socket.c - see socket.h. */
#include "nestingd/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/fd.h"

#define BACKLOG 64

static int set_address(const char *path, struct sockaddr_un *ret, struct error *err)
{
    *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
    if (str_copy(ret->sun_path, sizeof(ret->sun_path), path) < 0)
        return error_set(err, -ENAMETOOLONG,
                         "the path of a socket has at most %zu bytes and %s has %zu: set "
                         "NESTING_SOCKET to a shorter one",
                         sizeof(ret->sun_path) - 1, path, strlen(path));
    return 0;
}

int socket_connect(const char *path, int *ret_fd, struct error *err)
{
    autoclose int fd = fd_unix_socket();
    struct sockaddr_un address;
    int r = set_address(path, &address, err);

    if (r < 0)
        return r;
    if (fd < 0)
        return error_errno(err, fd, "a socket");
    if (io_connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
        return error_errno(err, -errno, "%s", path);
    *ret_fd = take_fd(&fd);
    return 0;
}

/* A folder that we have to make is for us, and for the group that may use the socket. */
static int make_parents(const char *path, struct error *err)
{
    autofree char *folder = mem_strdup(path);
    mode_t before;
    int r;

    if (!folder)
        return error_set(err, -ENOMEM, "out of memory");
    *strrchr(folder, '/') = '\0';
    before = umask(0);
    r = *folder ? fs_mkdirs(folder, 0750, err) : 0;
    (void) umask(before);
    return r;
}

/* Nobody answers there: what is left goes, if it is a socket. */
static int remove_stale(const char *path, struct error *err)
{
    autoclose int fd = -1;
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : error_errno(err, -errno, "%s", path);
    if (!S_ISSOCK(st.st_mode))
        return error_set(err, -EADDRINUSE,
                         "%s is there and is no socket: remove it, or set NESTING_SOCKET", path);
    if (socket_connect(path, &fd, err) == 0)
        return error_set(err, -EADDRINUSE, "%s: address already in use by another daemon", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return error_errno(err, -errno, "%s", path);
    return 0;
}

static int bind_and_listen(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0117); /* 0660 from birth */
    int r = bind(fd, (const struct sockaddr *) address, sizeof(*address));

    r = r < 0 ? -errno : 0;
    (void) umask(before);
    if (r == 0 && listen(fd, BACKLOG) < 0)
        r = -errno;
    return r;
}

int socket_listen(const char *path, int *ret_fd, struct error *err)
{
    autoclose int fd = fd_unix_socket();
    struct sockaddr_un address;
    int r = set_address(path, &address, err);

    if (r == 0)
        r = make_parents(path, err);
    if (r == 0)
        r = remove_stale(path, err);
    if (r < 0)
        return error_wrap(err, r, "creating listener");
    if (fd < 0)
        return error_errno(err, fd, "creating listener");
    r = bind_and_listen(fd, &address);
    if (r == 0)
        r = fs_set_nonblock(fd);
    if (r < 0)
        return error_errno(err, r, "creating listener: %s", path);
    *ret_fd = take_fd(&fd);
    return 0;
}
