/* core/job/probe_vms.h - the VMs that a ready gate finds on an instance: all go but those of jobs that run (probe_worker.c,
 * hardening.md R11).
 */
#pragma once

#include "core/job/connect/remote.h"
#include "core/job/isolation.h"

/* `settings` are the start frame's `isolation`; `on_removed` hears of each. The connection becomes the relay's, and ends.
 * 0 when a list lacks all others; -EREMOTEIO with a sentence when they could not be listed or removed, or the watch's
 * code. */
int probe_vms_clean(struct isolation *isolation, struct remote *remote, json_t *settings,
                    const struct isolation_wait *wait,
                    void (*on_removed)(void *arg, const char *id), void *arg, struct error *err);
