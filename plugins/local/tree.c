/* tree.c - removing a directory tree that a job has filled.
 *
 * The tree may be of any depth, have directories without rights and links to anywhere. Links are
 * removed, never followed. Called for the trash only, when nothing runs on the instance any more.
 */

#include "local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each level of the recursion holds a descriptor; a deeper directory is first moved to the top. */
#define DEPTH_MAX 32u

struct removal {
    int top_fd; /* where `name` lies */
    unsigned moved;
    bool (*keep_going)(void *arg);
    void *arg;
};

static int remove_at(struct removal *r, int dir_fd, const char *name, unsigned depth);

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int move_up(struct removal *r, int dir_fd, const char *name)
{
    char up[64];

    do
        (void) snprintf(up, sizeof(up), "deep-%ld-%u", (long) getpid(), r->moved++);
    while (faccessat(r->top_fd, up, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    return renameat(dir_fd, name, r->top_fd, up);
}

static int empty_dir(struct removal *r, DIR *dir, unsigned depth)
{
    int result = 0;

    for (;;) {
        struct dirent *entry;

        if (!r->keep_going(r->arg))
            return -1;
        errno = 0;
        entry = readdir(dir);
        if (!entry)
            return errno == 0 ? result : -1;
        if (!is_dots(entry->d_name) && remove_at(r, dirfd(dir), entry->d_name, depth + 1) < 0)
            result = -1;
    }
}

static int remove_at(struct removal *r, int dir_fd, const char *name, unsigned depth)
{
    struct stat st;
    DIR *dir;
    int fd, result;

    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
        return -1;
    /* A job may have left directories that even their owner may not read or write. */
    if ((st.st_mode & S_IRWXU) != S_IRWXU && fchmodat(dir_fd, name, S_IRWXU, 0) < 0)
        return -1;
    if (depth >= DEPTH_MAX)
        return move_up(r, dir_fd, name);
    fd = open_dir_at(dir_fd, name);
    if (fd < 0)
        return -1;
    dir = fdopendir(fd);
    if (!dir) {
        (void) close(fd);
        return -1;
    }
    result = empty_dir(r, dir, depth);
    (void) closedir(dir);
    if (result == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        result = -1;
    return result;
}

int tree_remove(int dir_fd, const char *name, bool (*keep_going)(void *arg), void *arg)
{
    struct removal r = { .top_fd = dir_fd, .keep_going = keep_going, .arg = arg };

    return remove_at(&r, dir_fd, name, 0);
}
