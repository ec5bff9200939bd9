/* helper/archive/unpack_tree.c - files and folders below the directory descriptor. Nothing is ever
 * written through what is there: a file gets another name until it is whole, and then takes the
 * place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/unpack_internal.h"

bool unpack_in_the_way(int r)
{
    return r == -ELOOP || r == -EXDEV || r == -ENOTDIR || r == -EISDIR || r == -EEXIST ||
           r == -ENOTEMPTY || r == -ENAMETOOLONG || r == -EINVAL || r == -EILSEQ;
}

static int refuse_or_fail(struct unpack *unpack, int r, const char *path, const char *why)
{
    if (unpack_in_the_way(r))
        return unpack_refuse(unpack, path, why);
    return error_errno(unpack->err, r, "%s", path);
}

int unpack_record(struct unpack *unpack, char sign, const char *path)
{
    buf_add_char(&unpack->made, sign);
    buf_add(&unpack->made, path, strlen(path) + 1);
    return buf_error(&unpack->made);
}

/* One folder below one that is there. */
static int make_folder(struct unpack *unpack, struct beneath *beneath, const char *path)
{
    const char *name;
    int folder = beneath_parent(beneath, path, &name);

    if (folder < 0)
        return folder;
    if (mkdirat(folder, name, 0777) < 0)
        return errno == EEXIST ? 0 : -errno;
    return unpack_record(unpack, '/', path);
}

int unpack_parent(struct unpack *unpack, struct beneath *beneath, const char *path,
                  const char **ret_name)
{
    int folder = beneath_parent(beneath, path, ret_name);
    autofree char *above = folder == -ENOENT ? mem_strdup(path) : NULL;
    int r = 0;

    if (folder != -ENOENT)
        return folder;
    if (!above)
        return -ENOMEM;
    for (char *slash = strchr(above, '/'); r == 0 && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        r = make_folder(unpack, beneath, above);
        *slash = '/';
    }
    return r < 0 ? r : beneath_parent(beneath, path, ret_name);
}

/* Of a folder that is asked for by its own name: what is no folder there makes way. */
static int make_named_folder(struct unpack *unpack, const char *path)
{
    autoclose int there =
        beneath_open(unpack->dir_fd, path, O_PATH | O_DIRECTORY, 0, BENEATH_INSIDE_LINKS);
    const char *name;
    int folder;

    if (there >= 0)
        return 0;
    folder = unpack_parent(unpack, &unpack->tree, path, &name);
    if (folder < 0)
        return folder;
    if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
        return -errno;
    return make_folder(unpack, &unpack->tree, path);
}

int unpack_folder(struct unpack *unpack, const struct unpack_entry *entry, const char *path)
{
    int r = make_named_folder(unpack, path);

    if (r < 0)
        return refuse_or_fail(unpack, r, path, "no folder can be made there");
    unpack->result.entries++;
    if (!entry->has_mode && !entry->has_time)
        return 0;
    buf_add(&unpack->folders, entry, sizeof(*entry));
    buf_add(&unpack->folders, path, strlen(path) + 1);
    return buf_error(&unpack->folders) < 0
               ? error_errno(unpack->err, buf_error(&unpack->folders), "archive")
               : 0;
}

int unpack_file_begin(struct unpack *unpack, const char *path, int *ret_fd)
{
    const char *name;
    int folder = unpack_parent(unpack, &unpack->tree, path, &name), fd;

    *ret_fd = -1;
    if (folder < 0)
        return refuse_or_fail(unpack, folder, path,
                              "a link or a file is where its folder should be");
    (void) snprintf(unpack->temporary + UNPACK_STEM, sizeof(unpack->temporary) - UNPACK_STEM,
                    "-%llu", (unsigned long long) unpack->n_temporary++);
    fd = io_openat(folder, unpack->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                   0600);
    if (fd < 0)
        return error_errno(unpack->err, -errno, "%s", path);
    unpack->file_bytes = 0;
    *ret_fd = fd;
    return 0;
}

int unpack_count(struct unpack *unpack, size_t len)
{
    unpack->file_bytes += len;
    unpack->result.bytes += len;
    if (unpack->result.bytes > unpack->limits->total_bytes)
        return unpack_too_much(unpack, "bytes in it", unpack->limits->total_bytes);
    return 0;
}

int unpack_file_write(struct unpack *unpack, int fd, const void *data, size_t len)
{
    int r = unpack_count(unpack, len);

    if (r < 0)
        return r;
    r = fs_write_all(fd, data, len);
    return r < 0 ? error_errno(unpack->err, r, "writing a file") : 0;
}

void unpack_file_drop(struct unpack *unpack, const char *path)
{
    const char *name;
    int folder = beneath_parent(&unpack->tree, path, &name);

    if (folder >= 0)
        (void) unlinkat(folder, unpack->temporary, 0);
}

/* The new file takes the name; an empty folder makes way, another does not. */
static int take_place(int folder, const char *temporary, const char *name)
{
    if (io_renameat(folder, temporary, folder, name) == 0)
        return 0;
    if (errno != EISDIR || unlinkat(folder, name, AT_REMOVEDIR) < 0)
        return -errno;
    return io_renameat(folder, temporary, folder, name) < 0 ? -errno : 0;
}

static void set_mode_and_time(const struct unpack *unpack, const struct unpack_entry *entry, int fd)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, entry->mtime };

    /* Some file systems have neither; the contents are what counts. */
    (void) fchmod(fd, entry->has_mode ? entry->mode & 0777 : 0666 & ~unpack->umask);
    if (entry->has_time)
        (void) futimens(fd, times);
}

int unpack_file_keep(struct unpack *unpack, const struct unpack_entry *entry, const char *path,
                     int fd)
{
    const char *name;
    int folder = beneath_parent(&unpack->tree, path, &name), r = folder;

    set_mode_and_time(unpack, entry, fd);
    if (folder >= 0)
        r = take_place(folder, unpack->temporary, name);
    if (r < 0) {
        unpack_file_drop(unpack, path);
        return refuse_or_fail(unpack, r, path, "a folder is in its place");
    }
    unpack->result.entries++;
    r = unpack_record(unpack, '-', path);
    return r < 0 ? error_errno(unpack->err, r, "archive") : 0;
}

/* What is a link there stays out of it. */
static int link_file(struct unpack *unpack, const char *target, const char *path)
{
    autobeneath struct beneath from = BENEATH_INIT(unpack->dir_fd, BENEATH_NO_LINKS);
    const char *old_name, *name;
    int old_folder = beneath_parent(&from, target, &old_name), folder;
    struct stat st;

    if (old_folder < 0)
        return old_folder;
    if (fstatat(old_folder, old_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    folder = unpack_parent(unpack, &unpack->exact, path, &name);
    if (folder < 0)
        return folder;
    if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
        return -errno;
    if (linkat(old_folder, old_name, folder, name, 0) < 0)
        return -errno;
    unpack->result.entries++;
    return unpack_record(unpack, '-', path);
}

int unpack_hard_link(struct unpack *unpack, const struct unpack_entry *entry, const char *path)
{
    autofree char *target = NULL;
    int r = unpack_known(unpack, entry->target, &target);

    if (r == 0 && !target)
        return unpack_refuse(unpack, entry->name,
                             "a hard link to what the archive has not brought before");
    if (r == 0)
        r = link_file(unpack, target, path);
    return r < 0 && r != -ENOMEM
               ? unpack_refuse(unpack, entry->name, "its hard link cannot be made")
               : r;
}
