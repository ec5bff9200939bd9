/* nestingd/tart/command.h - each command of `tart` that the back end uses, with its time limit. Used by tart.c.
 *
 * Errors name the command as upstream's daemon does: "clone IMAGE ID: exit status 1 (...)"; what was to be done, "starting
 * vm: ", is put in front by vms.c.
 */
#pragma once

#include "nestingd/process.h"
#include "nestingd/tart/answer.h"
#include "nestingd/tart/settings.h"

/* Makes a VM of an image, which Tart pulls where it has to: as long as the call. How far it is, is logged. */
int tart_clone(const struct tart_settings *settings, const struct call *call, const char *image,
               const char *id, struct error *err);
/* Runs it in the background; what it prints goes to output_fd. */
int tart_start(const struct tart_settings *settings, const char *id, int output_fd,
               struct process **ret, struct error *err);
/* How tart_start() is named in a sentence. */
int tart_start_failed(const struct tart_settings *settings, int code, const char *id,
                      struct error *err);
/* Waits until the VM has an address; -ESRCH when `vm` ends first. */
int tart_wait_address(const struct tart_settings *settings, const struct call *call, const char *id,
                      const struct process *vm, char ret[VM_ADDR_SIZE], struct error *err);
/* Looks once whether it has one. */
int tart_find_address(const struct tart_settings *settings, const struct call *call, const char *id,
                      char ret[VM_ADDR_SIZE], struct error *err);
int tart_list(const struct call *call, int (*each)(void *arg, const struct tart_machine *machine),
              void *arg, struct error *err);
int tart_get(const struct call *call, const char *image, struct need *ret, struct error *err);
int tart_stop(const struct call *call, const char *id, struct error *err);
int tart_delete(const struct call *call, const char *id, struct error *err);
