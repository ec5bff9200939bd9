/* nestingd/vms_parts.h - what the files of vms.h share: vms.c makes and removes, vms_wait.c waits for a turn or for room,
 * vms_census.c compares what is known with what is there.
 *
 * Locking: `lock` is for what is in memory and in vms.json, and is never held while a back end works. Who works on a slot
 * or on a VM holds a claim on it. A claim on a slot is taken before that on a VM, and while a VM's is held nothing else
 * is waited for.
 */
#pragma once

#include <pthread.h>

#include "nestingd/claims.h"
#include "nestingd/room.h"
#include "nestingd/slots.h"
#include "nestingd/turn.h"
#include "nestingd/vms.h"

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

struct waiting_claim {
    struct claim claim;
    struct turn turn;
};

/* Waits until nobody else works on what the key names; then it is ours until vms_drop(). */
int vms_claim(struct vms *vms, const struct call *call, struct waiting_claim *waiting,
              struct error *err);
int vms_claim_vm(struct vms *vms, const struct call *call, const char *id,
                 struct waiting_claim *waiting, struct error *err);
void vms_drop(struct vms *vms, struct claim *claim);

/* Waits for room for a VM. -EDQUOT when there never will be. */
int vms_take_room(struct vms *vms, const struct call *call, const char *image,
                  const struct need *need, struct error *err);
/* Under the lock. */
void vms_free_room(struct vms *vms, struct record *record);

/* VMs that ended by themselves give their room back; `each` sees those that are there, vms_see() or more. */
int vms_recheck(struct vms *vms, const struct call *call,
                int (*each)(void *arg, const struct vm *vm), struct error *err);
/* `arg` is the struct vms. */
int vms_see(void *arg, const struct vm *vm);
/* The same, of what an earlier daemon left. */
int vms_adopt(void *arg, const struct vm *vm);
