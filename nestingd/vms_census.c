/* nestingd/vms_census.c - which VMs are there, against those that are known (vms_parts.h). */
#include "core/base/str.h"
#include "nestingd/id.h"
#include "nestingd/vms_parts.h"

#define LOG_TOPIC "vms"
#include "core/base/log.h"

#define DOUBT_KEY "doubt"

/* What is there should be in the list that follows. */
static void doubt_all(struct vms *vms)
{
    (void) pthread_mutex_lock(&vms->lock);
    for (size_t i = 0; i < vms->slots.n; i++)
        vms->slots.records[i].is_doubted = vms->slots.records[i].is_made;
    (void) pthread_mutex_unlock(&vms->lock);
}

int vms_see(void *arg, const struct vm *vm)
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
        vms_free_room(vms, record);
        if (!record->has_slot)
            slots_drop(&vms->slots, record->id);
    }
    (void) pthread_mutex_unlock(&vms->lock);
}

int vms_recheck(struct vms *vms, const struct call *call,
                int (*each)(void *arg, const struct vm *vm), struct error *err)
{
    struct waiting_claim claim = { .claim.key = DOUBT_KEY };
    int r = vms_claim(vms, call, &claim, err);

    if (r < 0)
        return r;
    doubt_all(vms);
    r = vms->kind->list(vms->backend, call, each, vms, err);
    if (r == 0)
        believe_list(vms);
    vms_drop(vms, &claim.claim);
    return r < 0 ? error_wrap(err, r, "fetching list") : 0;
}

/* One that an earlier daemon left and this one knows nothing of. */
int vms_adopt(void *arg, const struct vm *vm)
{
    struct vms *vms = arg;
    struct record record = { .is_made = true };
    struct error err;

    (void) vms_see(vms, vm);
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
