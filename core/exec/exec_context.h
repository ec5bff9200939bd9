/* core/exec/exec_context.h - the snapshot as what rules look at, and as what jobs are told of it.
 */
#pragma once

#include "core/exec/ci_context.h"
#include "core/exec/predefined.h"
#include "core/exec/snapshot.h"

/* Fills *ret from `pipeline` and `snapshot`, which it borrows; ci_context_done() ends it. */
int exec_context_fill(const struct payload_pipeline *pipeline, const struct snapshot *snapshot,
                      struct ci_context *ret, struct error *err);
