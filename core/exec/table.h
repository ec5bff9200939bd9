/* core/exec/table.h - the closing table of `flotilla exec`. */
#pragma once

#include "core/base/buf.h"
#include "core/exec/pipeline.h"

/* One row a job in the order of stages, then a line with the verdict. */
void table_format(struct buf *out, const struct pipeline *pipeline, int64_t took_ms);

/* "12.3", or "-" when one of the two did not happen. */
void table_seconds(char *out, size_t size, int64_t from_ms, int64_t to_ms);
const char *table_verdict(const struct pipeline *pipeline); /* "passed" */
