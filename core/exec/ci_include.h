/* core/exec/ci_include.h - `include:` of files of the same repository.
 */
#pragma once

#include "core/exec/ci_reading.h"

/* The whole of `root` with what it includes merged under it; `root` when it is no mapping. */
const struct yaml_value *ci_include_resolve(struct ci_reading *reading,
                                            const struct yaml_value *root);
