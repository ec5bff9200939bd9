/* sdk/check/check.h - the conformance kit: whether a plugin keeps the contract of flotilla/provider.h or
 * flotilla/isolation.h. Called by `flotilla plugin check`.
 *
 * The plugin runs in a child of its own, so that a crash or a hang is a finding. The kit really
 * changes the group: it adds two instances and removes them, then one in a provider worker and one
 * inline. Of an isolation it makes three VMs and removes them.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "core/base/error.h"

struct check_options {
    const char *file;          /* the .so */
    const char *plugin_config; /* JSON objects; NULL = {}; of an isolation the vm_isolation table */
    const char *connector_config;
    const char *self_exe; /* our binary, for a provider worker */
    int64_t patience_ms;  /* how long a change may take to be listed */
};

/* Writes a line a check to `out`: "ok   NAME", "FAIL NAME: why", "skip NAME: why", "note …".
 * Returns 0 when none failed, 1 when one did, negative when the checks could not be run. */
int check_contract(const struct check_options *options, FILE *out, struct error *err);
