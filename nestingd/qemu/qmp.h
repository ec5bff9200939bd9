/* nestingd/qemu/qmp.h - asking QEMU's monitor, and the agent in a guest, over their UNIX sockets. One client at a time
 * each; any thread, one at a time.
 */
#pragma once

#include <stdbool.h>

#include "core/base/json.h"
#include "nestingd/call.h"

struct qmp;

/* -ENOENT or -ECONNREFUSED: there is none, or its QEMU has ended. */
int qmp_open_monitor(const char *path, const struct call *call, struct qmp **ret,
                     struct error *err);
/* Waits until the guest's agent answers. */
int qmp_open_agent(const char *path, const struct call *call, struct qmp **ret, struct error *err);
void qmp_close(struct qmp *qmp); /* NULL is allowed */

/* `arguments` is taken, also on failure; NULL = none. *ret is the caller's; NULL = not wanted. -EREMOTEIO: it refused;
 * -EPIPE: it has gone. */
int qmp_ask(struct qmp *qmp, const struct call *call, const char *command, json_t *arguments,
            json_t **ret, struct error *err);
/* Gives it a descriptor by a name. */
int qmp_give_fd(struct qmp *qmp, const struct call *call, const char *name, int fd,
                struct error *err);

/* Whether a process listens at the socket: its QEMU lives. */
bool qmp_is_heard(const char *path);

/* Kills the process that listens at the monitor's socket, whether or not it answers, and waits for its end. 0 also when
 * there is none. */
int qmp_kill(const char *path, const struct call *call, struct error *err);

DEFINE_AUTO_PTR(struct qmp, qmp_close)
