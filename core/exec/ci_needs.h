/* core/exec/ci_needs.h - `needs:` and `dependencies:`, when all jobs are known.
 */
#pragma once

#include "core/exec/ci_reading.h"

/* Fills ci_job.needs from reading->links. */
void ci_needs_resolve(struct ci_reading *reading);
