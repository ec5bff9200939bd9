/* helper/archive/arithmetic.h - the value of $((…)), in whole numbers of 64 bits as shells have
 * them. */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "helper/archive/expand.h"

/* Names stand for their values, 0 when unset or no number. -EINVAL with a sentence. */
int arithmetic_value(const char *text, const struct expand_source *source, int64_t *ret,
                     struct error *err);
