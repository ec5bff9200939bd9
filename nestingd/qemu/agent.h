/* nestingd/qemu/agent.h - what is asked of the QEMU guest agent. What it answers is a guest's word.
 */
#pragma once

#include "nestingd/qemu/qmp.h"

/* Makes what no two guests may share anew, in a guest that was restored from a frozen one: clock, random seed,
 * machine id, host keys (refresh.c). -ENOTSUP and a sentence when the guest can't. */
int agent_refresh(struct qmp *agent, const struct call *call, struct error *err);

/* Its first IPv4 address on the card with this MAC address: 0, -ENOENT while there is none. */
int agent_find_address(struct qmp *agent, const struct call *call, const char *mac,
                       char addr[VM_ADDR_SIZE], struct error *err);

/* For agent_refresh(), run by /bin/sh -c with the seconds since 1970 and a random seed. */
extern const char refresh_script[];
