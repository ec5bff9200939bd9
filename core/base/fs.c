/* core/base/fs.c - whole files, replacing in one step, directories only we may use (fs.h). */
#include "core/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/secret.h"
#include "core/base/str.h"

static mode_t user_umask;

void fs_keep_private(void)
{
    user_umask = umask(077);
}

mode_t fs_user_mode(mode_t mode)
{
    return mode & ~user_umask;
}

int fs_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = io_write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t) n;
    }
    return 0;
}

/* 1 = `out` got more, 0 = the end, or negative errno. */
static int read_some(int fd, struct buf *out)
{
    char chunk[4096];
    ssize_t n;

    do
        n = io_read(fd, chunk, sizeof(chunk));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    buf_add(out, chunk, (size_t) n);
    if (out->secret)
        secret_wipe(chunk, (size_t) n);
    return n > 0;
}

int fs_read_file(int dir_fd, const char *path, size_t max, struct buf *out, struct error *err)
{
    autoclose int fd = io_openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
    int r;

    if (fd < 0)
        return error_errno(err, -errno, "%s", path);
    while ((r = read_some(fd, out)) == 1)
        if (out->len > max)
            return error_set(err, -EFBIG, "%s: is longer than %zu bytes", path, max);
    if (r < 0)
        return error_errno(err, r, "%s", path);
    if (buf_error(out))
        return error_set(err, buf_error(out), "%s: out of memory", path);
    return 0;
}

int fs_check_writers(const struct stat *st, const char *path, bool owner, struct error *err)
{
    bool sticky_dir = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);

    if (owner && st->st_uid != 0 && st->st_uid != geteuid())
        return error_set(err, -EACCES, "%s belongs to user %u, neither to root nor to us", path,
                         st->st_uid);
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !sticky_dir)
        return error_set(err, -EACCES, "%s can be written by others (mode %03o); chmod go-w it",
                         path, st->st_mode & 0777U);
    return 0;
}

int fs_check_parents(const char *path, bool owner, struct error *err)
{
    autofree char *at = realpath(path, NULL);
    struct stat st;
    char *slash;
    int r;

    if (!at)
        return error_errno(err, -errno, "%s", path);
    while ((slash = strrchr(at, '/'))) {
        slash[slash == at] = '\0'; /* of the root, the slash stays */
        if (stat(at, &st) < 0)
            return error_errno(err, -errno, "%s", at);
        r = fs_check_writers(&st, at, owner, err);
        if (r < 0 || slash == at)
            return r;
    }
    return 0;
}

/* What systemd gives to a service in files is read by it through an access list, whose mask stands where the
 * group's rights do. Nobody else gets into that folder. */
static bool is_credential(const char *path)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    return !str_empty(directory) && str_starts(path, directory) && path[strlen(directory)] == '/';
}

int fs_check_private_file(const char *path, bool *ret_readable, struct error *err)
{
    struct stat st;
    int r;

    *ret_readable = false;
    if (stat(path, &st) < 0)
        return error_errno(err, -errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return 0;
    *ret_readable = (st.st_mode & (S_IRGRP | S_IROTH)) && !is_credential(path);
    r = fs_check_writers(&st, path, false, err);
    return r < 0 ? r : fs_check_parents(path, false, err);
}

/* As `former` in whose it is, too; one who may not give it away makes nothing.
 * A failed fsync is reported, never retried: the second may lie (hardening.md P5). */
static int write_synced(int dir_fd, const char *tmp, const void *data, size_t len, mode_t mode,
                        const struct stat *former)
{
    autoclose int fd =
        io_openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return -errno;
    r = fs_write_all(fd, data, len);
    if (r == 0 && former && fchown(fd, former->st_uid, former->st_gid) < 0)
        r = -errno;
    if (r == 0 && fchmod(fd, mode) < 0)
        r = -errno;
    if (r == 0 && io_fsync(fd) < 0)
        r = -errno;
    return r;
}

/* A name beside it that nobody has. NULL: no memory. */
static char *name_beside(const char *name)
{
    char random[17];

    rng_hex(&rng_system, random, 8);
    return mem_printf(".%s.%s", name, random);
}

static int replace_file(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
                        const struct stat *former, struct error *err)
{
    autofree char *tmp = name_beside(name);
    autoclose int dir = -1;
    int r;

    if (!tmp)
        return error_set(err, -ENOMEM, "%s: out of memory", name);
    r = write_synced(dir_fd, tmp, data, len, mode, former);
    if (r == 0 && io_renameat(dir_fd, tmp, dir_fd, name) < 0)
        r = -errno;
    if (r < 0) {
        (void) unlinkat(dir_fd, tmp, 0);
        return error_errno(err, r, "%s: cannot be written", name);
    }
    dir = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || io_fsync(dir) < 0)
        return error_errno(err, -errno, "%s: its directory cannot be synced", name);
    return 0;
}

/* Root that registers a runner for a manager of another account, in that one's directory. */
static bool is_anothers(int dir_fd, struct stat *ret)
{
    return geteuid() == 0 && fstat(dir_fd, ret) == 0 && ret->st_uid != 0;
}

int fs_replace_file(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
                    struct error *err)
{
    struct stat dir;

    return replace_file(dir_fd, name, data, len, mode, is_anothers(dir_fd, &dir) ? &dir : NULL,
                        err);
}

int fs_replace_file_like(int dir_fd, const char *name, const void *data, size_t len,
                         const struct stat *former, struct error *err)
{
    return replace_file(dir_fd, name, data, len, former->st_mode & 0777, former, err);
}

int fs_try_replace_file_like(int dir_fd, const char *name, const void *data, size_t len,
                             const struct stat *former)
{
    autofree char *tmp = name_beside(name);
    int r;

    if (!tmp)
        return -ENOMEM;
    r = write_synced(dir_fd, tmp, data, len, former->st_mode & 0777, former);
    (void) unlinkat(dir_fd, tmp, 0);
    return r;
}

int fs_mkdirs(const char *path, mode_t mode, struct error *err)
{
    autofree char *copy = mem_strdup(path);

    if (!copy)
        return error_set(err, -ENOMEM, "%s: out of memory", path);
    for (char *at = copy + 1;; at++) {
        char end = *at;

        if (end != '/' && end != '\0')
            continue;
        *at = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return error_errno(err, -errno, "directory %s", copy);
        *at = end;
        if (end == '\0')
            return 0;
    }
}

int fs_open_private_dir(const char *path, int *ret_fd, struct error *err)
{
    autoclose int fd = -1;
    struct stat st;
    int r = fs_mkdirs(path, 0700, err);

    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, -errno, "directory %s", path);
    if (st.st_uid != geteuid())
        return error_set(err, -EPERM,
                         "directory %s belongs to user %u, not to us; chown it or choose another",
                         path, st.st_uid);
    if (st.st_mode & 077)
        return error_set(err, -EPERM, "directory %s is open to others (mode %03o); chmod 700 it",
                         path, st.st_mode & 0777U);
    *ret_fd = take_fd(&fd);
    return 0;
}

int fs_open_std_null(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* The lowest free number is this one, because those below are open.
         * lint: cloexec: children are to have these three. */
        if (open("/dev/null", O_RDWR) != fd)
            return -EBADF;
    }
    return 0;
}

int fs_set_cloexec(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    return flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0 ? -errno : 0;
}

int fs_set_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

DIR *fs_open_dir(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        (void) close(fd);
    return dir;
}

static int remove_children(int dir_fd, const char *name)
{
    autoclosedir DIR *dir = fs_open_dir(dir_fd, name);
    const struct dirent *entry;
    int r = 0;

    if (!dir)
        return -errno;
    while (r == 0 && (entry = readdir(dir)))
        if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
            r = fs_remove_tree(dirfd(dir), entry->d_name);
    return r;
}

int fs_remove_tree(int dir_fd, const char *name)
{
    int r;

    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    r = remove_children(dir_fd, name);
    if (r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        r = -errno;
    return r;
}
