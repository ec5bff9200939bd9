/* core/exec/payload_artifacts.h - what of the payload is about files: artifacts, caches and those of earlier
 * jobs (coordinator-protocol.md 2.8, 2.9). For payload.c.
 */
#pragma once

#include "core/base/json.h"
#include "core/exec/payload.h"

/* All return 0, or something else when memory is short. */
int payload_add_lines(json_t *list, const struct ci_lines *lines);
int payload_add_artifacts(json_t *payload, const struct ci_job *job);
int payload_add_caches(json_t *payload, const struct ci_job *job);
int payload_add_dependencies(json_t *payload, const struct payload_job *job);
