/* sdk/lib/file.c - see file.h. */
#include "sdk/lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <flotilla/provider.h>

#define PATH_BYTES 4096

static int32_t refuse(const char *path, char *error)
{
    int32_t code = errno == ENOENT || errno == ENOTDIR ? FLT_E_NOT_FOUND : FLT_E_INVALID;

    (void) snprintf(error, FLT_ERROR_MAX, "%.300s: %m", path);
    return code;
}

/* One byte more than the size tells whether the file grew meanwhile. */
static int32_t read_all(int fd, const char *path, size_t size, char *into, char *error)
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(fd, into + len, size + 1 - len)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && (len += (size_t) n) > size)
            break;
    if (n < 0)
        return refuse(path, error);
    into[len > size ? size : len] = '\0';
    if (len <= size && strlen(into) == len)
        return FLT_OK;
    (void) snprintf(error, FLT_ERROR_MAX, "%.300s: %s", path,
                    len > size ? "it grew while it was read" : "there is a NUL byte in it");
    return FLT_E_INVALID;
}

static int32_t read_open(int fd, const char *path, size_t max, char **ret, char *error)
{
    struct stat st;
    size_t size;
    int32_t code;
    char *text;

    if (fstat(fd, &st) < 0)
        return refuse(path, error);
    if (!S_ISREG(st.st_mode) || (uintmax_t) st.st_size > max) {
        (void) snprintf(error, FLT_ERROR_MAX, "%.300s: %s of at most %zu KiB is read", path,
                        S_ISREG(st.st_mode) ? "a file" : "only a regular file", max / 1024);
        return FLT_E_INVALID;
    }
    size = (size_t) st.st_size;
    text = malloc(size + 2);
    if (!text) {
        (void) snprintf(error, FLT_ERROR_MAX, "%.300s: out of memory", path);
        return FLT_E_INTERNAL;
    }
    code = read_all(fd, path, size, text, error);
    if (code == FLT_OK) {
        *ret = text;
        return FLT_OK;
    }
    explicit_bzero(text, size + 2);
    free(text);
    return code;
}

int32_t flt_file_read(const char *path, size_t max, char **ret, char *error)
{
    /* O_NONBLOCK: a pipe under that name holds nobody up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int32_t code;

    if (fd < 0)
        return refuse(path, error);
    code = read_open(fd, path, max, ret, error);
    (void) close(fd);
    return code;
}

static int32_t check_writers(const char *path, const struct stat *st, char *error)
{
    int is_sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);

    if (!(st->st_mode & (S_IWGRP | S_IWOTH)) || is_sticky)
        return FLT_OK;
    (void) snprintf(error, FLT_ERROR_MAX,
                    "%.300s can be written by others (mode %03o): chmod go-w it", path,
                    st->st_mode & 0777U);
    return FLT_E_INVALID;
}

/* `path` is real; it is cut. */
static int32_t check_folders(char *path, char *error)
{
    struct stat st;
    char *slash;

    while ((slash = strrchr(path, '/'))) {
        int32_t code;

        slash[slash == path] = '\0'; /* of the root, the slash stays */
        if (stat(path, &st) < 0)
            return refuse(path, error);
        code = check_writers(path, &st, error);
        if (code != FLT_OK || slash == path)
            return code;
    }
    return FLT_OK;
}

int32_t flt_file_check_private(const char *path, int *ret_readable, char *error)
{
    char *real = realpath(path, NULL);
    struct stat st;
    int32_t code = FLT_OK;

    *ret_readable = 0;
    if (real && stat(real, &st) == 0 && S_ISREG(st.st_mode)) {
        *ret_readable = (st.st_mode & (S_IRGRP | S_IROTH)) != 0;
        code = check_writers(path, &st, error);
        if (code == FLT_OK)
            code = check_folders(real, error);
    }
    free(real);
    return code;
}

static bool write_all(int fd, const char *text)
{
    size_t len = strlen(text), done = 0;
    ssize_t n;

    while (done < len && ((n = write(fd, text + done, len - done)) > 0 || errno == EINTR))
        done += n > 0 ? (size_t) n : 0;
    return done == len;
}

static bool write_new(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_all(fd, text) && fsync(fd) == 0;

    if (fd >= 0)
        (void) close(fd);
    return ok;
}

/* Else the name may lead to the old file after a loss of power. */
static bool sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_BYTES];
    int fd;
    bool ok;

    (void) snprintf(folder, sizeof(folder), "%.*s", slash ? (int) (slash - path) + 1 : 1,
                    slash ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void) close(fd);
    return ok;
}

int32_t flt_file_replace(const char *path, const char *text, char *error)
{
    char new_path[PATH_BYTES];
    int n = snprintf(new_path, sizeof(new_path), "%s.new", path);

    if (n < (int) sizeof(new_path) && write_new(new_path, text) && rename(new_path, path) == 0 &&
        sync_folder(path))
        return FLT_OK;
    (void) snprintf(error, FLT_ERROR_MAX, "%.300s cannot be written: %s", path,
                    n < (int) sizeof(new_path) ? strerror(errno) : "its path is too long");
    return FLT_E_INTERNAL;
}
