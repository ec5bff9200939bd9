/* core/exec/ci_cache_key.h - cache:key, for ci_cache.c.
 */
#pragma once

#include "core/exec/ci_reading.h"

/* The key of the cache with this index among those of the job; `value` NULL: none is named. *ret
 * stays NULL when memory is short, which the document remembers. */
void ci_cache_key_read(struct ci_reading *reading, const char *name, const struct yaml_value *value,
                       size_t index, char **ret);
/* A '/' would lead to another cache. */
void ci_cache_key_check(struct ci_reading *reading, const char *name, const char *keyword,
                        const struct yaml_value *value);
