/* nestingd/vms.c - see vms.h. */
#include "nestingd/vms.h"

#include <errno.h>
#include <sys/file.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "nestingd/id.h"

struct vms {
    const struct backend_kind *kind;
    struct backend *backend;
    int folder_fd;
};

/* One daemon for a folder: two would not know of each other's slots. */
static int take_folder(const char *folder, int *ret_fd, struct error *err)
{
    int r = fs_open_private_dir(folder, ret_fd, err);

    if (r == 0 && flock(*ret_fd, LOCK_EX | LOCK_NB) < 0)
        r = error_set(err, -EBUSY, "another daemon keeps its state in %s: name another with -state",
                      folder);
    return r;
}

static int open_backend(struct vms *vms, const char *folder, struct error *err)
{
    autofree char *own = mem_printf("%s/%s", folder, vms->kind->name);
    autoclose int fd = -1;
    int r;

    if (!own)
        return error_set(err, -ENOMEM, "out of memory");
    r = fs_open_private_dir(own, &fd, err);
    return r < 0 ? r : vms->kind->open(own, &vms->backend, err);
}

int vms_open(const struct backend_kind *kind, const char *folder, struct vms **ret,
             struct error *err)
{
    auto_ptr(vms_close) struct vms *vms = mem_zero(sizeof(*vms));
    int r;

    if (!vms)
        return error_set(err, -ENOMEM, "out of memory");
    vms->folder_fd = -1;
    vms->kind = kind;
    r = take_folder(folder, &vms->folder_fd, err);
    if (r == 0)
        r = open_backend(vms, folder, err);
    if (r == 0)
        *ret = take_ptr(vms);
    return r;
}

void vms_close(struct vms *vms)
{
    if (!vms)
        return;
    if (vms->backend)
        vms->kind->close(vms->backend);
    if (vms->folder_fd >= 0)
        (void) close(vms->folder_fd);
    free(vms);
}

int vms_configure(struct vms *vms, const json_t *settings, struct error *err)
{
    return vms->kind->configure(vms->backend, settings, err);
}

int vms_start(struct vms *vms, const struct call *call, struct error *err)
{
    return vms->kind->start(vms->backend, call, err);
}

int vms_create(struct vms *vms, const struct call *call, const char *image, const int32_t *slot,
               struct vm *ret, char stomped[VM_ID_SIZE], struct error *err)
{
    char id[VM_ID_SIZE];
    int r;

    (void) slot;
    stomped[0] = '\0';
    id_make(&rng_system, id);
    r = vms->kind->create(vms->backend, call, id, image, ret, err);
    return r < 0 ? error_wrap(err, r, "starting vm") : 0;
}

int vms_remove(struct vms *vms, const struct call *call, const char *id, struct error *err)
{
    int r = vms->kind->remove(vms->backend, call, id, err);

    return r < 0 ? error_wrap(err, r, "stopping vm (%s)", id) : 0;
}

int vms_list(struct vms *vms, const struct call *call, int (*each)(void *arg, const struct vm *vm),
             void *arg, struct error *err)
{
    int r = vms->kind->list(vms->backend, call, each, arg, err);

    return r < 0 ? error_wrap(err, r, "fetching list") : 0;
}
