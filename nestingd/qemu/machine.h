/* nestingd/qemu/machine.h - a QEMU that we started: until its VM is handed out, or frozen. It goes on when it is let
 * go of; what is in its folder then leads back to it (folder.h).
 */
#pragma once

#include "nestingd/qemu/arguments.h"
#include "nestingd/qemu/qmp.h"

struct machine;

/* Returns once its monitor answers. -EIO and what QEMU said when it ended instead. */
int machine_start(const char *const *argv, const char *folder, const struct call *call,
                  struct machine **ret, struct error *err);
void machine_free(struct machine *machine); /* NULL is allowed */
struct qmp *machine_monitor(struct machine *machine);

/* The port of 127.0.0.1 that leads to the guest's. */
int machine_find_port(struct machine *machine, const struct call *call, unsigned *ret,
                      struct error *err);
/* Until an SSH server there says its first word. */
int machine_wait_answer(struct machine *machine, const struct call *call, const char *host,
                        unsigned port, struct error *err);
/* Until there is anything on its console. */
int machine_wait_console(struct machine *machine, const struct call *call, struct error *err);
/* Puts the last line of its console behind the sentence, where there is one. Returns err->code. */
int machine_explain(struct machine *machine, struct error *err);

/* Stops it and writes its state to a file: it can go on nowhere but in another that is thawed from that. */
int machine_freeze(struct machine *machine, const struct call *call, const char *state,
                   struct error *err);
int machine_thaw(struct machine *machine, const struct call *call, const char *state,
                 struct error *err);

DEFINE_AUTO_PTR(struct machine, machine_free)
