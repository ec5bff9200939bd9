/* nestingd/qemu/agent.h - what is asked of the QEMU guest agent. What it answers is a guest's word.
 */
#pragma once

#include "nestingd/qemu/qmp.h"

/* Waits until what the guest does at its first boot is done: then it may be frozen. */
int agent_settle(struct qmp *agent, const struct call *call, struct error *err);
/* Makes what no two guests may share anew, in a guest that was restored from a frozen one: clock, random seed, machine
 * id, host keys. Both: -ENOTSUP and a sentence when the guest can't. */
int agent_refresh(struct qmp *agent, const struct call *call, struct error *err);

/* Its first IPv4 address on the card with this MAC address: 0, -ENOENT while there is none. */
int agent_find_address(struct qmp *agent, const struct call *call, const char *mac,
                       char addr[VM_ADDR_SIZE], struct error *err);

/* What /bin/sh -c runs for these; refresh_script with the seconds since 1970 and a random seed. */
extern const char settle_script[], refresh_script[];
