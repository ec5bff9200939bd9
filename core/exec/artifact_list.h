/* core/exec/artifact_list.h - what was kept, for people: lines at the end of `flotilla exec`, and what they
 * and the report (report.c) walk over.
 */
#pragma once

#include "core/base/buf.h"
#include "core/exec/artifact_store.h"
#include "core/exec/pipeline.h"

/* In the order of stages. */
typedef void (*artifact_list_fn)(void *arg, const char *job, const struct artifact_file *file);
void artifact_list_walk(const struct pipeline *pipeline, const struct artifact_store *store,
                        artifact_list_fn call, void *arg);

/* One line a file; `stays` says whether the folder outlives the run. Nothing when nothing was kept. */
void artifact_list_format(struct buf *out, const struct pipeline *pipeline,
                          const struct artifact_store *store, bool stays);
