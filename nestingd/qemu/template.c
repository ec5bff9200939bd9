/* nestingd/qemu/template.c - see template.h.
 *
 * Who restores from it holds the lock shared until its QEMU has opened the disk; who makes or removes one holds it
 * alone. The lock is on the open file: threads count as others, and a daemon that dies leaves none.
 */
#include "nestingd/qemu/template.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

enum { MADE_FROM_MAX = 256 * 1024 };

static int set_paths(struct template *template, const char *parent, const char *image)
{
    autofree char *name = mem_strdup(image);

    if (!name)
        return -ENOMEM;
    for (char *c = name; *c; c++) /* no image's name has a '%' */
        if (*c == '/')
            *c = '%';
    template->folder = mem_printf("%s/%s", parent, name);
    template->frozen = mem_printf("%s/%s/frozen", parent, name);
    template->disk = mem_printf("%s/%s/frozen/disk.qcow2", parent, name);
    template->state = mem_printf("%s/%s/frozen/state", parent, name);
    template->made_from = mem_printf("%s/%s/frozen/made-from", parent, name);
    return template->folder && template->frozen && template->disk && template->state &&
                   template->made_from
               ? 0
               : -ENOMEM;
}

static bool is_made_from(const struct template *template, const char *made_from)
{
    autobuf struct buf text = BUF_INIT;

    return fs_read_file(AT_FDCWD, template->made_from, MADE_FROM_MAX, &text, NULL) == 0 &&
           str_eq(buf_str(&text), made_from);
}

static bool lock(const struct template *template, int how)
{
    return flock(template->lock_fd, how | LOCK_NB) == 0;
}

static enum template_state look(const struct template *template, const char *made_from)
{
    if (!lock(template, LOCK_SH))
        return TEMPLATE_BUSY;
    if (is_made_from(template, made_from))
        return TEMPLATE_READY;
    /* On the way from one lock to the other there is none: another may have made it meanwhile. */
    if (!lock(template, LOCK_EX))
        return TEMPLATE_BUSY;
    if (!is_made_from(template, made_from))
        return TEMPLATE_ABSENT;
    return lock(template, LOCK_SH) ? TEMPLATE_READY : TEMPLATE_BUSY;
}

int template_take(const char *parent, const char *image, const char *made_from,
                  struct template *ret, struct error *err)
{
    autofree char *path = NULL;

    *ret = (struct template) { .lock_fd = -1 };
    if (set_paths(ret, parent, image) < 0)
        return error_errno(err, -ENOMEM, "frozen guest");
    path = mem_printf("%s/lock", ret->folder);
    if (!path)
        return error_errno(err, -ENOMEM, "frozen guest");
    if (mkdir(ret->folder, 0700) < 0 && errno != EEXIST)
        return error_errno(err, -errno, "%s", ret->folder);
    ret->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (ret->lock_fd < 0)
        return error_errno(err, -errno, "%s", path);
    ret->is = look(ret, made_from);
    return 0;
}

static int write_made_from(const char *guest, const char *made_from, struct error *err)
{
    autoclose int fd = open(guest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return error_errno(err, -errno, "%s", guest);
    return fs_replace_file(fd, "made-from", made_from, strlen(made_from), 0600, err);
}

/* The files must be whole on the disk before the name says that they are. */
static int keep(const char *guest, const char *name, struct error *err)
{
    autofree char *path = mem_printf("%s/%s", guest, name);
    autoclose int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0 || fsync(fd) < 0)
        return error_errno(err, -errno, "%s", name);
    return 0;
}

int template_fill(struct template *template, const char *guest, const char *made_from,
                  struct error *err)
{
    int r = keep(guest, "disk.qcow2", err) ?: keep(guest, "state", err) ?: write_made_from(guest, made_from, err);

    if (r < 0)
        return r;
    r = fs_remove_tree(AT_FDCWD, template->frozen);
    if (r < 0)
        return error_errno(err, r, "%s", template->frozen);
    if (rename(guest, template->frozen) < 0)
        return error_errno(err, -errno, "%s", template->frozen);
    template->is = look(template, made_from);
    return 0;
}

void template_drop(struct template *template)
{
    if (lock(template, LOCK_EX))
        (void) fs_remove_tree(AT_FDCWD, template->frozen);
    template->is = TEMPLATE_BUSY;
}

void template_release(struct template *template)
{
    if (template->lock_fd >= 0)
        (void) close(template->lock_fd);
    free(template->folder);
    free(template->frozen);
    free(template->disk);
    free(template->state);
    free(template->made_from);
    *template = (struct template) { .lock_fd = -1 };
}
