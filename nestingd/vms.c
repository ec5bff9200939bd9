/* nestingd/vms.c - see vms.h; vms_parts.h says who may hold what. */
#include "nestingd/vms.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/file.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/host.h"
#include "nestingd/id.h"
#include "nestingd/vms_parts.h"

#define LOG_TOPIC "vms"
#include "core/base/log.h"

enum { TIDY_MS = 60000 }; /* to remove what a call left that has ended */

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

/* The VMs of an earlier daemon have their room already. */
static void set_first_limits(struct vms *vms)
{
    vms->limits = host_limits(vms->folder_fd);
    vms->limits.vms = vms->kind->most_vms;
    room_set_limits(&vms->room, &vms->limits);
    for (size_t i = 0; i < vms->slots.n; i++)
        room_take(&vms->room, &vms->slots.records[i].need);
}

int vms_open(const struct backend_kind *kind, const char *folder, struct vms **ret,
             struct error *err)
{
    auto_ptr(vms_close) struct vms *vms = mem_zero(sizeof(*vms));
    int r;

    if (!vms)
        return error_set(err, -ENOMEM, "out of memory");
    (void) pthread_mutex_init(&vms->lock, NULL);
    vms->folder_fd = -1;
    vms->kind = kind;
    r = take_folder(folder, &vms->folder_fd, err);
    if (r == 0)
        r = slots_load(&vms->slots, vms->folder_fd, err);
    if (r == 0)
        r = open_backend(vms, folder, err);
    if (r < 0)
        return r;
    set_first_limits(vms);
    *ret = take_ptr(vms);
    return 0;
}

void vms_close(struct vms *vms)
{
    if (!vms)
        return;
    if (vms->backend)
        vms->kind->close(vms->backend);
    slots_done(&vms->slots);
    if (vms->folder_fd >= 0)
        (void) close(vms->folder_fd);
    (void) pthread_mutex_destroy(&vms->lock);
    free(vms);
}

static int check_limits(const struct vms *vms, const struct room_limits *limits, struct error *err)
{
    unsigned most = vms->kind->most_vms;

    if (most > 0 && (limits->vms == 0 || limits->vms > most))
        return error_set(err, -EINVAL, "max_vms: must be from 1 to %u, for %s has no more", most,
                         vms->kind->name);
    return 0;
}

/* A file or a manager may be for another daemon, too, so this is no failure; but it may be a slip. */
static void tell_unknown(const struct vms *vms, const json_t *settings)
{
    json_object_object_foreach((json_t *) (uintptr_t) settings, key, value)
    {
        (void) value;
        if (!room_limits_know(key) && !vms->kind->knows(key))
            log_warning("setting '%.100s' is not known with %s, ignoring", key, vms->kind->name);
    }
}

int vms_configure(struct vms *vms, const json_t *settings, struct error *err)
{
    struct room_limits limits = vms->limits;
    int r = room_limits_configure(&limits, settings, err);

    if (r == 0)
        r = check_limits(vms, &limits, err);
    if (r == 0)
        r = vms->kind->configure(vms->backend, settings, err);
    if (r < 0)
        return r;
    tell_unknown(vms, settings);
    (void) pthread_mutex_lock(&vms->lock);
    vms->limits = limits;
    room_set_limits(&vms->room, &limits);
    (void) pthread_mutex_unlock(&vms->lock);
    return 0;
}

static void forget(struct vms *vms, const char *id)
{
    struct record *record;

    (void) pthread_mutex_lock(&vms->lock);
    record = slots_find(&vms->slots, id);
    if (record)
        vms_free_room(vms, record);
    slots_drop(&vms->slots, id);
    (void) pthread_mutex_unlock(&vms->lock);
}

/* With a claim on it. */
static int remove_claimed(struct vms *vms, const struct call *call, const char *id,
                          struct error *err)
{
    int r = vms->kind->remove(vms->backend, call, id, err);

    if (r < 0)
        return error_wrap(err, r, "stopping vm (%s)", id);
    forget(vms, id);
    log_info("VM %s is removed", id);
    return 0;
}

int vms_remove(struct vms *vms, const struct call *call, const char *id, struct error *err)
{
    struct waiting_claim claim = { 0 };
    int r = vms_claim_vm(vms, call, id, &claim, err);

    if (r < 0)
        return error_wrap(err, r, "stopping vm (%s)", id);
    r = remove_claimed(vms, call, id, err);
    vms_drop(vms, &claim.claim);
    return r;
}

static bool is_in_slot(struct vms *vms, int32_t slot, char id[VM_ID_SIZE])
{
    const struct record *record;

    (void) pthread_mutex_lock(&vms->lock);
    record = slots_at(&vms->slots, slot);
    (void) str_copy(id, VM_ID_SIZE, record ? record->id : "");
    (void) pthread_mutex_unlock(&vms->lock);
    return *id != '\0';
}

/* With a claim on the slot, so that no other VM comes into it; but the one that is there may be removed by its id. */
static int clear_slot(struct vms *vms, const struct call *call, int32_t slot,
                      char stomped[VM_ID_SIZE], struct error *err)
{
    struct waiting_claim claim = { 0 };
    int r = 0;

    if (!is_in_slot(vms, slot, stomped))
        return 0;
    r = vms_claim_vm(vms, call, stomped, &claim, err);
    if (r == 0 && is_in_slot(vms, slot, stomped)) {
        log_notice("slot %" PRId32 " still has VM %s, which is removed first", slot, stomped);
        r = remove_claimed(vms, call, stomped, err);
    }
    if (claim.claim.is_held)
        vms_drop(vms, &claim.claim);
    return r < 0 ? error_wrap(err, r, "clearing slot") : 0;
}

int vms_start(struct vms *vms, const struct call *call, struct error *err)
{
    int r = vms->kind->start(vms->backend, call, err);

    return r < 0 ? r : vms_recheck(vms, call, vms_adopt, err);
}

/* In vms.json before there is a VM. */
static int record_vm(struct vms *vms, const struct need *need, const int32_t *slot,
                     char id[VM_ID_SIZE], struct error *err)
{
    struct record record = { .need = *need, .has_slot = slot != NULL, .slot = slot ? *slot : 0 };
    int r;

    (void) pthread_mutex_lock(&vms->lock);
    do
        id_make(&rng_system, record.id);
    while (slots_find(&vms->slots, record.id));
    r = slots_add(&vms->slots, &record, err);
    if (r < 0)
        room_give(&vms->room, need);
    (void) pthread_mutex_unlock(&vms->lock);
    (void) str_copy(id, VM_ID_SIZE, record.id);
    return r;
}

static void set_made(struct vms *vms, const char *id)
{
    (void) pthread_mutex_lock(&vms->lock);
    slots_find(&vms->slots, id)->is_made = true;
    (void) pthread_mutex_unlock(&vms->lock);
}

/* The call may have ended: what is left goes in a time of its own. What can't be removed keeps its slot and its room. */
static void clear_away(struct vms *vms, const char *id, struct error *err)
{
    const struct call fresh = call_fresh(TIDY_MS);
    struct error why;

    if (vms->kind->remove(vms->backend, &fresh, id, &why) == 0) {
        forget(vms, id);
        return;
    }
    (void) error_set(err, err->code, "%s; VM %s is left over: %s", err->message, id, why.message);
    set_made(vms, id);
}

static int make_vm(struct vms *vms, const struct call *call, const char *id, const char *image,
                   struct vm *ret, struct error *err)
{
    int r = vms->kind->create(vms->backend, call, id, image, ret, err);

    if (r == 0)
        r = call_ended(call, err); /* nobody would hear of it */
    if (r < 0) {
        clear_away(vms, id, err);
        return r;
    }
    set_made(vms, id);
    (void) str_copy(ret->id, sizeof(ret->id), id);
    (void) str_copy(ret->name, sizeof(ret->name), image);
    log_info("VM %s of image %s is there, at %s", id, image, ret->addr);
    return 0;
}

static int start_vm(struct vms *vms, const struct call *call, const char *image,
                    const int32_t *slot, struct vm *ret, struct error *err)
{
    struct waiting_claim claim = { 0 };
    struct need need = { 0 };
    char id[VM_ID_SIZE];
    int r = vms->kind->need(vms->backend, call, image, &need, err);

    if (r == 0)
        r = vms_take_room(vms, call, image, &need, err);
    if (r == 0)
        r = record_vm(vms, &need, slot, id, err);
    if (r < 0)
        return r;
    r = vms_claim_vm(vms, call, id, &claim, err);
    if (r < 0) {
        forget(vms, id);
        return r;
    }
    r = make_vm(vms, call, id, image, ret, err);
    vms_drop(vms, &claim.claim);
    return r;
}

int vms_create(struct vms *vms, const struct call *call, const char *image, const int32_t *slot,
               struct vm *ret, char stomped[VM_ID_SIZE], struct error *err)
{
    struct waiting_claim claim = { 0 };
    int r = 0;

    stomped[0] = '\0';
    if (slot) {
        (void) snprintf(claim.claim.key, sizeof(claim.claim.key), "slot %" PRId32, *slot);
        r = vms_claim(vms, call, &claim, err);
        if (r < 0)
            return error_wrap(err, r, "slot %" PRId32, *slot);
        r = clear_slot(vms, call, *slot, stomped, err);
    }
    if (r == 0) {
        r = start_vm(vms, call, image, slot, ret, err);
        if (r < 0)
            (void) error_wrap(err, r, "starting vm");
    }
    if (slot)
        vms_drop(vms, &claim.claim);
    return r;
}

int vms_list(struct vms *vms, const struct call *call, int (*each)(void *arg, const struct vm *vm),
             void *arg, struct error *err)
{
    int r = vms->kind->list(vms->backend, call, each, arg, err);

    return r < 0 ? error_wrap(err, r, "fetching list") : 0;
}
