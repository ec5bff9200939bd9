/* core/supervisor/audit.h - `flotilla audit`: what the clouds have against what the ledger and the
 * fleet say. For control.c. */
#pragma once

#include "core/base/json.h"
#include "core/supervisor/internal.h"

typedef void (*audit_done_fn)(void *arg, json_t *answer); /* borrowed */

/* Asks each group for a fresh list and changes nothing. `done` is called once, perhaps before this
 * returns; one audit at a time. */
int audit_start(struct supervisor *supervisor, audit_done_fn done, void *arg, struct error *err);
/* Whoever waits for the answer has gone. */
void audit_forget(struct supervisor *supervisor, const void *arg);
