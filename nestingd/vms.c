/* nestingd/vms.c - see vms.h.
 *
 * Locking: `lock` is for what is in memory and in vms.json, and is never held while a back end works. Who works on a slot
 * or on a VM holds a claim on it. A claim on a slot is taken before that on a VM, and a VM's is never held while another is
 * waited for.
 */
#include "nestingd/vms.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/file.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/claims.h"
#include "nestingd/host.h"
#include "nestingd/id.h"
#include "nestingd/room.h"
#include "nestingd/slots.h"
#include "nestingd/turn.h"

#define LOG_TOPIC "vms"
#include "core/base/log.h"

enum {
    TIDY_MS = 60000, /* to remove what a call left that has ended */
    RECHECK_MS =
        5000, /* how often it is looked who has room and is gone, while somebody waits for it */
};

#define DOUBT_KEY "doubt"

struct vms {
    const struct backend_kind *kind;
    struct backend *backend;
    int folder_fd;
    pthread_mutex_t lock;
    struct room_limits limits; /* as configured */
    struct slots slots;
    struct room room;
    struct claims claims;
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
    (void) pthread_mutex_lock(&vms->lock);
    vms->limits = limits;
    room_set_limits(&vms->room, &limits);
    (void) pthread_mutex_unlock(&vms->lock);
    return 0;
}

struct waiting_claim {
    struct claim claim;
    struct turn turn;
};

static void on_held(struct claim *claim)
{
    turn_give(&((struct waiting_claim *) claim)->turn);
}

static void drop(struct vms *vms, struct claim *claim)
{
    (void) pthread_mutex_lock(&vms->lock);
    claims_drop(&vms->claims, claim);
    (void) pthread_mutex_unlock(&vms->lock);
}

/* Who gives a turn does so under the lock, and may not be through with it when it is noticed. */
static void close_turn(struct vms *vms, struct turn *turn)
{
    (void) pthread_mutex_lock(&vms->lock);
    turn_close(turn);
    (void) pthread_mutex_unlock(&vms->lock);
}

/* Waits until nobody else works on it; then it is ours until drop(). */
static int take(struct vms *vms, const struct call *call, struct waiting_claim *waiting,
                struct error *err)
{
    bool is_held;
    int r = turn_open(&waiting->turn, err);

    if (r < 0)
        return r;
    waiting->claim.on_held = on_held;
    (void) pthread_mutex_lock(&vms->lock);
    claims_ask(&vms->claims, &waiting->claim);
    is_held = waiting->claim.is_held;
    (void) pthread_mutex_unlock(&vms->lock);
    r = is_held ? 1 : turn_wait(&waiting->turn, call, -1, err);
    if (r < 0)
        drop(vms, &waiting->claim);
    close_turn(vms, &waiting->turn);
    return MIN(r, 0);
}

static int take_vm(struct vms *vms, const struct call *call, const char *id,
                   struct waiting_claim *waiting, struct error *err)
{
    (void) str_copy(waiting->claim.key, sizeof(waiting->claim.key), id);
    return take(vms, call, waiting, err);
}

/* Under the lock. */
static void free_room(struct vms *vms, struct record *record)
{
    if (!record->is_gone)
        room_give(&vms->room, &record->need);
    record->is_gone = true;
}

static void forget(struct vms *vms, const char *id)
{
    struct record *record;

    (void) pthread_mutex_lock(&vms->lock);
    record = slots_find(&vms->slots, id);
    if (record)
        free_room(vms, record);
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
    int r = take_vm(vms, call, id, &claim, err);

    if (r < 0)
        return error_wrap(err, r, "stopping vm (%s)", id);
    r = remove_claimed(vms, call, id, err);
    drop(vms, &claim.claim);
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
    r = take_vm(vms, call, stomped, &claim, err);
    if (r == 0 && is_in_slot(vms, slot, stomped)) {
        log_notice("slot %" PRId32 " still has VM %s, which is removed first", slot, stomped);
        r = remove_claimed(vms, call, stomped, err);
    }
    if (claim.claim.is_held)
        drop(vms, &claim.claim);
    return r < 0 ? error_wrap(err, r, "clearing slot") : 0;
}

/* What is there should be in the list that follows. */
static void doubt_all(struct vms *vms)
{
    (void) pthread_mutex_lock(&vms->lock);
    for (size_t i = 0; i < vms->slots.n; i++)
        vms->slots.records[i].is_doubted = vms->slots.records[i].is_made;
    (void) pthread_mutex_unlock(&vms->lock);
}

static int see(void *arg, const struct vm *vm)
{
    struct vms *vms = arg;
    struct record *record;

    (void) pthread_mutex_lock(&vms->lock);
    record = slots_find(&vms->slots, vm->id);
    if (record)
        record->is_doubted = false;
    (void) pthread_mutex_unlock(&vms->lock);
    return 0;
}

/* What nobody saw has ended by itself. In a slot it is remembered, for the next one there stomps it. */
static void believe_list(struct vms *vms)
{
    (void) pthread_mutex_lock(&vms->lock);
    for (size_t i = vms->slots.n; i-- > 0;) {
        struct record *record = &vms->slots.records[i];

        if (!record->is_doubted || record->is_gone)
            continue;
        log_notice("VM %s has ended by itself", record->id);
        free_room(vms, record);
        if (!record->has_slot)
            slots_drop(&vms->slots, record->id);
    }
    (void) pthread_mutex_unlock(&vms->lock);
}

/* VMs that ended by themselves give their room back. */
static int recheck(struct vms *vms, const struct call *call,
                   int (*each)(void *arg, const struct vm *vm), struct error *err)
{
    struct waiting_claim claim = { .claim.key = DOUBT_KEY };
    int r = take(vms, call, &claim, err);

    if (r < 0)
        return r;
    doubt_all(vms);
    r = vms->kind->list(vms->backend, call, each, vms, err);
    if (r == 0)
        believe_list(vms);
    drop(vms, &claim.claim);
    return r < 0 ? error_wrap(err, r, "fetching list") : 0;
}

/* One that an earlier daemon left and this one knows nothing of. */
static int adopt(void *arg, const struct vm *vm)
{
    struct vms *vms = arg;
    struct record record = { .is_made = true };
    struct error err;

    (void) see(vms, vm);
    (void) pthread_mutex_lock(&vms->lock);
    if (id_is_vm(vm->id) && !slots_find(&vms->slots, vm->id)) {
        (void) str_copy(record.id, sizeof(record.id), vm->id);
        if (slots_add(&vms->slots, &record, &err) == 0)
            room_take(&vms->room, &record.need);
        else
            log_warning("%s, ignoring: VM %s was there already", err.message, vm->id);
    }
    (void) pthread_mutex_unlock(&vms->lock);
    return 0;
}

int vms_start(struct vms *vms, const struct call *call, struct error *err)
{
    int r = vms->kind->start(vms->backend, call, err);

    return r < 0 ? r : recheck(vms, call, adopt, err);
}

struct waiting_room {
    struct room_asker asker;
    struct turn turn;
};

static void on_room(struct room_asker *asker)
{
    turn_give(&((struct waiting_room *) asker)->turn);
}

static int wait_for_room(struct vms *vms, const struct call *call, const char *image,
                         const struct waiting_room *waiting, struct error *err)
{
    int r = 0;

    log_info("a VM of image %s waits for room on this host", image);
    while (r == 0) {
        struct error ignored;

        (void) recheck(vms, call, see, &ignored);
        r = turn_wait(&waiting->turn, call, RECHECK_MS, err);
    }
    return MIN(r, 0);
}

static void give_up_room(struct vms *vms, struct room_asker *asker)
{
    (void) pthread_mutex_lock(&vms->lock);
    if (asker->has_room)
        room_give(&vms->room, &asker->need);
    else
        room_leave(&vms->room, asker);
    (void) pthread_mutex_unlock(&vms->lock);
}

/* Waits for it. */
static int take_room(struct vms *vms, const struct call *call, const char *image,
                     const struct need *need, struct error *err)
{
    struct waiting_room waiting = { .asker = { .need = *need, .on_room = on_room } };
    bool has_room;
    int r = turn_open(&waiting.turn, err);

    if (r < 0)
        return r;
    (void) pthread_mutex_lock(&vms->lock);
    r = room_check(&vms->room.limits, image, need, err);
    if (r == 0)
        room_ask(&vms->room, &waiting.asker);
    has_room = r < 0 || waiting.asker.has_room;
    (void) pthread_mutex_unlock(&vms->lock);
    if (!has_room) {
        r = wait_for_room(vms, call, image, &waiting, err);
        if (r < 0)
            give_up_room(vms, &waiting.asker);
    }
    close_turn(vms, &waiting.turn);
    return r;
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
        r = take_room(vms, call, image, &need, err);
    if (r == 0)
        r = record_vm(vms, &need, slot, id, err);
    if (r < 0)
        return r;
    r = take_vm(vms, call, id, &claim, err);
    if (r < 0) {
        forget(vms, id);
        return r;
    }
    r = make_vm(vms, call, id, image, ret, err);
    drop(vms, &claim.claim);
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
        r = take(vms, call, &claim, err);
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
        drop(vms, &claim.claim);
    return r;
}

int vms_list(struct vms *vms, const struct call *call, int (*each)(void *arg, const struct vm *vm),
             void *arg, struct error *err)
{
    int r = vms->kind->list(vms->backend, call, each, arg, err);

    return r < 0 ? error_wrap(err, r, "fetching list") : 0;
}
