/* helper/archive/glob_find.c - what of a tree a pattern stands for, folder by folder.
 *
 * A folder is read as a whole and closed before the next is opened, so that the depth of a tree costs
 * no descriptors.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "helper/archive/beneath.h"
#include "helper/archive/glob_internal.h"

struct search {
    struct glob *glob;
    int dir_fd;
    const struct glob_visitor *visitor;
    struct buf path; /* of what is looked at; empty = the tree itself */
    struct error *err;
};

/* The folders that lead to this one, to see when one comes again (bind mounts). */
struct level {
    const struct level *above;
    dev_t dev;
    ino_t ino;
};

static int search_folder(struct search *search, const struct glob_set *at, uint32_t times,
                         const struct level *above);

static const char *shown_path(const struct search *search)
{
    return search->path.len > 0 ? buf_str(&search->path) : ".";
}

static int tell(struct search *search, bool matched, uint32_t times)
{
    const struct glob_found found = { shown_path(search), matched, times };

    return times > 0 ? search->visitor->found(search->visitor->ctx, &found) : 0;
}

static unsigned char type_of(int fd, const char *name, unsigned char told)
{
    struct stat st;

    if (told != DT_UNKNOWN)
        return told;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    return S_ISDIR(st.st_mode) ? DT_DIR : S_ISLNK(st.st_mode) ? DT_LNK : DT_REG;
}

/* An entry is a byte of its type and its name. */
static void add_entry(int fd, const char *name, unsigned char told, struct buf *entries)
{
    unsigned char type = type_of(fd, name, told);

    if (type == DT_UNKNOWN)
        return;
    buf_add_char(entries, (char) type);
    buf_add(entries, name, strlen(name) + 1);
}

static int read_entries(int fd, struct buf *entries)
{
    autoclosedir DIR *dir = fs_open_dir(fd, ".");
    const struct dirent *entry;

    if (!dir)
        return -errno;
    while ((errno = 0, entry = readdir(dir)) != NULL)
        if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
            add_entry(fd, entry->d_name, entry->d_type, entries);
    return errno ? -errno : buf_error(entries);
}

/* Only names are asked for: they are looked up, however large the folder is. */
static bool asks_for_names(const struct search *search, const struct glob_set *at, uint32_t times)
{
    if (times > 0 || at->n > 8)
        return false;
    for (size_t i = 0; i < at->n; i++) {
        enum glob_kind kind = search->glob->places[at->places[i]].kind;

        if (kind != GLOB_LITERAL && kind != GLOB_END)
            return false;
    }
    return true;
}

static void look_up_entries(struct search *search, const struct glob_set *at, int fd,
                            struct buf *entries)
{
    for (size_t i = 0; i < at->n; i++) {
        const char *name = search->glob->places[at->places[i]].text;
        bool again = false;

        for (size_t j = 0; name && j < i; j++)
            again = again || str_eq(search->glob->places[at->places[j]].text, name);
        if (name && !again)
            add_entry(fd, name, DT_UNKNOWN, entries);
    }
}

static bool goes_on(const struct search *search, const struct glob_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (search->glob->places[set->places[i]].kind != GLOB_END)
            return true;
    return false;
}

static int visit_entry(struct search *search, const struct glob_set *at, uint32_t times,
                       const char *entry, struct glob_set *next, const struct level *level)
{
    const char *name = entry + 1;
    bool matched;
    int r;

    glob_set_step(search->glob, at, name, false, next);
    matched = glob_set_ends(search->glob, next);
    r = tell(search, matched, times + matched);
    if (r < 0)
        return r;
    if (*entry == DT_DIR && (times + matched > 0 || next->n > 0))
        return search_folder(search, next, times + matched, level);
    if (*entry != DT_LNK)
        return 0;
    glob_set_step(search->glob, at, name, true, next);
    return goes_on(search, next) ? search_folder(search, next, 0, NULL) : 0;
}

static int visit_entries(struct search *search, const struct glob_set *at, uint32_t times,
                         const struct buf *entries, const struct level *level)
{
    struct glob_set next = { 0 };
    size_t len = search->path.len;
    int r = glob_set_room(search->glob, &next);

    for (size_t i = 0; r == 0 && i < entries->len; i += strlen(entries->data + i) + 1) {
        if (len > 0)
            buf_add_char(&search->path, '/');
        buf_add_str(&search->path, entries->data + i + 1);
        r = buf_error(&search->path);
        if (r == 0)
            r = visit_entry(search, at, times, entries->data + i, &next, level);
        search->path.len = len;
        if (search->path.data)
            search->path.data[len] = '\0';
    }
    free(next.places);
    return r;
}

static bool comes_again(const struct level *level)
{
    for (const struct level *above = level->above; above; above = above->above)
        if (above->dev == level->dev && above->ino == level->ino)
            return true;
    return false;
}

static int list_folder(struct search *search, const struct glob_set *at, uint32_t times,
                       struct level *level, struct buf *entries)
{
    autoclose int fd = beneath_open(search->dir_fd, shown_path(search), O_RDONLY | O_DIRECTORY, 0,
                                    BENEATH_INSIDE_LINKS);
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    level->dev = st.st_dev;
    level->ino = st.st_ino;
    if (comes_again(level))
        return 0;
    if (!asks_for_names(search, at, times))
        return read_entries(fd, entries);
    look_up_entries(search, at, fd, entries);
    return buf_error(entries);
}

static int search_folder(struct search *search, const struct glob_set *at, uint32_t times,
                         const struct level *above)
{
    autobuf struct buf entries = BUF_INIT;
    struct level level = { .above = above };
    int r = list_folder(search, at, times, &level, &entries);

    /* What no pattern stands for need not be readable, and what vanished is not there. */
    if (r < 0 && r != -ENOMEM && (times == 0 || r == -ENOENT))
        return 0;
    if (r < 0)
        return error_errno(search->err, r, "%s", shown_path(search));
    return visit_entries(search, at, times, &entries, &level);
}

int glob_find(struct glob *glob, int dir_fd, const struct glob_visitor *visitor, struct error *err)
{
    struct search search = { .glob = glob, .dir_fd = dir_fd, .visitor = visitor, .err = err };
    struct glob_set begin = { 0 };
    int r = glob_set_room(glob, &begin);

    if (r < 0)
        return error_errno(err, r, "pattern");
    glob_set_begin(glob, &begin);
    r = tell(&search, glob_set_ends(glob, &begin), glob_set_ends(glob, &begin));
    if (r == 0)
        r = search_folder(&search, &begin, glob_set_ends(glob, &begin), NULL);
    free(begin.places);
    buf_done(&search.path);
    return r;
}
