/* helper/archive/unpack_last.c - what comes after all files: links, so that none of them redirects a
 * file; then the modes and times of folders, which the files would have changed. And the way back.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/base/str.h"
#include "helper/archive/unpack_internal.h"

#define TARGET_MAX 4096

/* Relative, and going up only at its beginning, not further than to the tree itself. A ".." behind a
 * name would go up from wherever a link of that name leads. */
static bool target_stays_inside(const char *path, const char *target)
{
    size_t depth = 0, up = 0;
    bool down = false;

    for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/'))
        depth++;
    if (!*target || *target == '/' || strlen(target) > TARGET_MAX)
        return false;
    for (const char *at = target, *end; *at; at = *end ? end + 1 : end) {
        size_t len;

        end = strchrnul(at, '/');
        len = (size_t) (end - at);
        if (len == 2 && memcmp(at, "..", 2) == 0) {
            if (down || ++up > depth)
                return false;
        } else if (len > 0 && !(len == 1 && *at == '.')) {
            down = true;
        }
    }
    return true;
}

int unpack_link(struct unpack *unpack, const struct unpack_entry *entry, const char *path)
{
    if (!target_stays_inside(path, entry->target))
        return unpack_refuse(unpack, entry->name, "a link that leads out of the directory");
    buf_add(&unpack->links, entry, sizeof(*entry));
    buf_add(&unpack->links, path, strlen(path) + 1);
    buf_add(&unpack->links, entry->target, strlen(entry->target) + 1);
    return buf_error(&unpack->links) < 0
               ? error_errno(unpack->err, buf_error(&unpack->links), "archive")
               : 0;
}

static int make_link(struct unpack *unpack, const struct unpack_entry *entry, const char *path,
                     const char *target)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, entry->mtime };
    const char *name;
    int folder = unpack_parent(unpack, &unpack->exact, path, &name);

    if (folder < 0)
        return folder;
    /* An empty folder makes way, as it does for a file. */
    if (unlinkat(folder, name, 0) < 0 && errno == EISDIR)
        (void) unlinkat(folder, name, AT_REMOVEDIR);
    if (symlinkat(target, folder, name) < 0)
        return -errno;
    if (entry->has_time)
        (void) utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW);
    unpack->result.entries++;
    return unpack_record(unpack, '-', path);
}

static int make_links(struct unpack *unpack)
{
    const struct buf *links = &unpack->links;
    int r = 0;

    for (size_t at = 0; r == 0 && at < links->len;) {
        struct unpack_entry entry;
        const char *path, *target;

        memcpy(&entry, links->data + at, sizeof(entry));
        path = links->data + at + sizeof(entry);
        target = path + strlen(path) + 1;
        at = (size_t) (target + strlen(target) + 1 - links->data);
        r = make_link(unpack, &entry, path, target);
        if (unpack_in_the_way(r))
            r = unpack_refuse(unpack, path, "a folder is where the link should be");
        else if (r < 0)
            r = error_errno(unpack->err, r, "%s", path);
    }
    return r;
}

/* Not through a link: what lies there may be of an earlier archive. */
static void finish_folder(struct unpack *unpack, const struct unpack_entry *entry, const char *path)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, entry->mtime };
    autoclose int fd = beneath_open(unpack->dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                                    BENEATH_NO_LINKS);

    if (fd < 0)
        return;
    if (entry->has_mode)
        (void) fchmod(fd, entry->mode & 0777);
    if (entry->has_time)
        (void) futimens(fd, times);
}

/* From the last to the first, so that a folder that shuts itself is reached before. */
static int finish_folders(struct unpack *unpack)
{
    const struct buf *folders = &unpack->folders;
    autobuf struct buf starts = { .max = folders->len * 2 + 64 };

    for (size_t at = 0; at < folders->len;) {
        buf_add(&starts, &at, sizeof(at));
        at += sizeof(struct unpack_entry);
        at += strlen(folders->data + at) + 1;
    }
    if (buf_error(&starts) < 0)
        return error_errno(unpack->err, buf_error(&starts), "archive");
    for (size_t n = starts.len / sizeof(size_t); n > 0; n--) {
        struct unpack_entry entry;
        size_t at;

        memcpy(&at, starts.data + (n - 1) * sizeof(at), sizeof(at));
        memcpy(&entry, folders->data + at, sizeof(entry));
        finish_folder(unpack, &entry, folders->data + at + sizeof(entry));
    }
    return 0;
}

int unpack_do_last(struct unpack *unpack)
{
    int r = make_links(unpack);

    return r < 0 ? r : finish_folders(unpack);
}

void unpack_undo(struct unpack *unpack)
{
    const struct buf *made = &unpack->made;
    size_t end = made->len;

    while (end > 0) {
        const char *nul = end > 1 ? memrchr(made->data, '\0', end - 1) : NULL;
        const char *record = nul ? nul + 1 : made->data, *name;
        int folder = beneath_parent(&unpack->tree, record + 1, &name);

        if (folder >= 0)
            (void) unlinkat(folder, name, *record == '/' ? AT_REMOVEDIR : 0);
        end = (size_t) (record - made->data);
    }
}
