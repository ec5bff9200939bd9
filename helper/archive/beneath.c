/* helper/archive/beneath.c - opening below a directory; see the header. */
#include "helper/archive/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "core/base/io.h"
#include "core/base/str.h"

#define RACES_MAX 16 /* openat2() gives EAGAIN while somebody renames */

static bool old_kernel;

void beneath_pretend_old_kernel(bool old)
{
    old_kernel = old;
}

static bool goes_up(const char *path)
{
    const char *at = path;

    do {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
            return true;
        at = strchr(at, '/');
    } while (at);
    return *path == '/';
}

/* Each component by itself, none of them a link. */
static int open_by_components(int dir_fd, const char *path, int flags, mode_t mode)
{
    autoclose int folder = -1;
    int at_fd = dir_fd;
    const char *slash;

    while ((slash = strchr(path, '/')) != NULL) {
        char name[NAME_MAX + 1];
        int next;

        if ((size_t) (slash - path) >= sizeof(name))
            return -ENAMETOOLONG;
        memcpy(name, path, (size_t) (slash - path));
        name[slash - path] = '\0';
        next = io_openat(at_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
        if (next < 0)
            return -errno;
        cleanup_close(&folder);
        at_fd = folder = next;
        path = slash + 1;
    }
    at_fd = io_openat(at_fd, path, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    return at_fd < 0 ? -errno : at_fd;
}

static int open_at_once(int dir_fd, const char *path, int flags, mode_t mode,
                        enum beneath_links links)
{
    struct open_how how = {
        .flags = (unsigned) (flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
                   (links == BENEATH_NO_LINKS ? RESOLVE_NO_SYMLINKS : 0),
    };
    long fd = -1;

    for (int i = 0; i < RACES_MAX; i++) {
        fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    return fd < 0 ? -errno : (int) fd;
}

int beneath_open(int dir_fd, const char *path, int flags, mode_t mode, enum beneath_links links)
{
    int r = -ENOSYS;

    if (goes_up(path))
        return -EXDEV;
    if (!old_kernel)
        r = open_at_once(dir_fd, path, flags, mode, links);
    /* Filters of containers answer a call that they do not know with EPERM. */
    if (r == -ENOSYS || r == -EPERM)
        r = open_by_components(dir_fd, path, flags, mode);
    return r;
}

int beneath_parent(struct beneath *beneath, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t) (slash - path) : 0;

    *ret_name = slash ? slash + 1 : path;
    if (beneath->fd >= 0 && beneath->folder.len == len &&
        memcmp(buf_str(&beneath->folder), path, len) == 0)
        return beneath->fd;

    cleanup_close(&beneath->fd);
    buf_clear(&beneath->folder);
    buf_add(&beneath->folder, path, len);
    if (buf_error(&beneath->folder) < 0)
        return beneath->fd = -1, buf_error(&beneath->folder);
    beneath->fd = beneath_open(beneath->dir_fd, len > 0 ? buf_str(&beneath->folder) : ".",
                               O_PATH | O_DIRECTORY, 0, beneath->links);
    return beneath->fd;
}

void beneath_done(struct beneath *beneath)
{
    cleanup_close(&beneath->fd);
    beneath->fd = -1;
    buf_done(&beneath->folder);
}
