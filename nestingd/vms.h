/* nestingd/vms.h - the VMs of this host: which one is in which slot, how much room they leave, who works on which at the
 * moment. Used by service.c, from many threads at once.
 *
 * What is known of a VM is on the disk before there is one, so that a daemon that was killed leaves none in a slot that
 * the next one does not know of.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nestingd/backend.h"

struct vms;

/* `folder` is absolute and private to the daemon; what the back end keeps goes to a folder of its name in it. */
int vms_open(const struct backend_kind *kind, const char *folder, struct vms **ret,
             struct error *err);
void vms_close(struct vms *vms); /* VMs go on */

/* Settings laid over those there are; -EINVAL and nothing is changed. */
int vms_configure(struct vms *vms, const json_t *settings, struct error *err);
/* Once, before the rest; it may be tried again after a failure. */
int vms_start(struct vms *vms, const struct call *call, struct error *err);

/* slot NULL = none. `stomped` is the id of the VM that had been in the slot, or "". */
int vms_create(struct vms *vms, const struct call *call, const char *image, const int32_t *slot,
               struct vm *ret, char stomped[VM_ID_SIZE], struct error *err);
int vms_remove(struct vms *vms, const struct call *call, const char *id, struct error *err);
int vms_list(struct vms *vms, const struct call *call, int (*each)(void *arg, const struct vm *vm),
             void *arg, struct error *err);

DEFINE_AUTO_PTR(struct vms, vms_close)
