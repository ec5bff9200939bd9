/* core/config/edit_file.c - see edit_file.h. */
#include "core/config/edit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define FILE_MAX ((size_t) 4 * 1024 * 1024)
#define PAUSE_MS 20

struct target {
    char folder[PATH_MAX];
    const char *name;
    int dir_fd;
};

/* Where the file is at the end of its links; one that is not there is beside where its name says. */
static int find_target(const char *file, struct target *ret, struct error *err)
{
    char *slash;

    if (!realpath(file, ret->folder)) {
        if (errno != ENOENT)
            return error_errno(err, -errno, "%s", file);
        if (str_copy(ret->folder, sizeof(ret->folder), file) < 0)
            return error_set(err, -ENAMETOOLONG, "%s: the path is too long", file);
    }
    slash = strrchr(ret->folder, '/');
    ret->name = slash ? slash + 1 : file;
    if (slash)
        *slash = '\0';
    ret->dir_fd = open(!slash         ? "."
                       : *ret->folder ? ret->folder
                                      : "/",
                       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->dir_fd < 0)
        return error_errno(err, -errno, "%s: its directory", file);
    return 0;
}

static void pause_a_moment(void)
{
    const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

    (void) nanosleep(&pause, NULL);
}

/* On the directory, because a lock of the file would be gone with its replacement. */
static int lock(const struct target *target, const char *file, int wait_ms, struct error *err)
{
    while (flock(target->dir_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_errno(err, -errno, "%s: its directory cannot be locked", file);
        if (wait_ms <= 0)
            return error_set(err, -EBUSY,
                             "%s: another flotilla is changing it; try again when it is done",
                             file);
        pause_a_moment();
        wait_ms -= PAUSE_MS;
    }
    return 0;
}

static int replace(const struct target *target, const struct stat *former, const struct buf *text,
                   struct error *err)
{
    int r;

    effect_point("edit_file", "before");
    r = former ? fs_replace_file_like(target->dir_fd, target->name, buf_str(text), text->len,
                                      former, err)
               : fs_replace_file(target->dir_fd, target->name, buf_str(text), text->len, 0600, err);
    effect_point("edit_file", "after");
    return r;
}

struct request {
    const char *file;
    edit_file_fn fn;
    void *arg;
    bool only_check;
};

static bool same_text(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Its owner may be another, which only root can keep, and the disk may be full. */
static int check_replace(const struct target *target, const struct stat *former,
                         const struct buf *text, const char *file, struct error *err)
{
    int r;

    if (faccessat(target->dir_fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return error_errno(err, -errno, "%s cannot be replaced, because of its directory", file);
    r = former ? fs_try_replace_file_like(target->dir_fd, target->name, buf_str(text), text->len,
                                          former)
               : 0;
    return r < 0 ? error_errno(err, r, "%s cannot be replaced", file) : 0;
}

static int edit(const struct target *target, const struct request *request, struct error *err)
{
    autobuf struct buf text = BUF_SECRET, edited = BUF_SECRET;
    struct stat st;
    bool there = fstatat(target->dir_fd, target->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    int r = 0;

    if (there && !S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, "%s: is no regular file", request->file);
    if (there)
        r = fs_read_file(target->dir_fd, target->name, FILE_MAX, &text, err);
    if (r == 0)
        r = request->fn(request->arg, &text, &edited, err);
    if (r < 0)
        return r;
    if (request->only_check)
        return check_replace(target, there ? &st : NULL, &edited, request->file, err);
    return there && same_text(&text, &edited) ? 0
                                              : replace(target, there ? &st : NULL, &edited, err);
}

static int edit_or_check(const struct request *request, int wait_ms, struct error *err)
{
    struct target target = { .dir_fd = -1 };
    int r = find_target(request->file, &target, err);

    if (r == 0)
        r = lock(&target, request->file, wait_ms, err);
    if (r == 0)
        r = edit(&target, request, err);
    if (target.dir_fd >= 0)
        (void) close(target.dir_fd);
    return r;
}

int edit_file(const char *file, int wait_ms, edit_file_fn fn, void *arg, struct error *err)
{
    const struct request request = { .file = file, .fn = fn, .arg = arg };

    return edit_or_check(&request, wait_ms, err);
}

int edit_file_check(const char *file, int wait_ms, edit_file_fn fn, void *arg, struct error *err)
{
    const struct request request = { .file = file, .fn = fn, .arg = arg, .only_check = true };

    return edit_or_check(&request, wait_ms, err);
}
