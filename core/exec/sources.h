/* core/exec/sources.h - which jobs' artifacts and variables a job gets: by default those of all earlier
 * stages, else what its `needs` and `dependencies` say.
 */
#pragma once

#include "core/exec/payload.h"
#include "core/exec/pipeline.h"

/* In the order of stages; *ret is freed, what it points to is borrowed. 0 or -ENOMEM. */
int sources_of(const struct pipeline *pipeline, const struct artifact_store *store,
               const struct ci_job *job, struct payload_source **ret, size_t *ret_count);
