/* nestingd/qemu/creation.h - making one VM: booted, or restored from the frozen guest of its image. Used by backend.c.
 */
#pragma once

#include "nestingd/call.h"
#include "nestingd/qemu/settings.h"

/* Where things are; of the back end. */
struct places {
    char *vms, *gone; /* a folder for each VM; and while it is being removed */
    char *making;     /* guests that are to be frozen */
    char *templates;  /* frozen ones */
};

struct creation {
    const struct places *places;
    const struct call *call;
    const char *id, *name; /* of the VM; of its image */
    struct settings image;
    const char *qemu_version;
    bool kvm;
};

/* The text that says what a frozen guest of this image would be made from; the caller frees. NULL and a sentence. */
char *creation_made_from(const struct creation *creation, struct error *err);

/* The VM is running and answers at `addr`; or it has failed, and something of it may be left. */
int creation_boot(const struct creation *creation, char addr[VM_ADDR_SIZE], struct error *err);
/* The same by way of a frozen guest, which is made when there is none. *ret_unfit says why none can be, which is no
 * failure: the VM was booted. */
int creation_restore(const struct creation *creation, const char *made_from,
                     char addr[VM_ADDR_SIZE], struct error *ret_unfit, struct error *err);
/* What may be left of the VM is removed. */
int creation_undo(const struct places *places, const char *id, const struct call *call,
                  struct error *err);
