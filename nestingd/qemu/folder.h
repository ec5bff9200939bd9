/* nestingd/qemu/folder.h - a guest's folder: its disk, the sockets of its QEMU, and record.json, which says what it
 * is. While the folder is there the guest may run; it leads a later daemon to it.
 */
#pragma once

#include "nestingd/call.h"
#include "nestingd/qemu/settings.h"

/* Makes it, with what cloud-init is to know where the image says so. `id` is the guest's own there. */
int folder_make(const char *folder, const char *id, const struct settings *image,
                struct error *err);
/* Its disk: what is written to it; the rest is `base`'s. size 0 = as large as that. */
int folder_make_disk(const char *folder, const struct settings *image, const char *base,
                     const char *format, int64_t size, const struct call *call, struct error *err);

/* `addr` is "" as long as nobody may reach the guest. What can't be read is "", and so is the address of a guest that
 * has ended. */
int folder_write_record(const char *folder, const char *image, const char *addr, struct error *err);
void folder_read_record(const char *folder, struct vm *vm);

/* Kills the guest and removes its folder, which is first renamed to `gone`: a QEMU that was just being started finds no
 * place for its sockets and ends. When it fails, `gone` is there, for another try. 0 also when neither is there. */
int folder_discard(const char *folder, const char *gone, const struct call *call,
                   struct error *err);
