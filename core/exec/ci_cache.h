/* core/exec/ci_cache.h - `cache:` of a job, of `default` or of the whole file.
 */
#pragma once

#include "core/exec/ci_reading.h"

/* One cache or a list of them; `name` NULL: of no job. */
void ci_caches_read(struct ci_reading *reading, const char *name, const struct yaml_value *value,
                    struct ci_caches *ret);
