/* core/exec/ci_only.h - `only:` and `except:`, which GitLab keeps for old files.
 */
#pragma once

#include "core/exec/ci_variables.h"

/* Whether the job is in the pipeline; either may be NULL. */
bool ci_only_admits(struct ci_reading *reading, const char *job, const struct yaml_value *only,
                    const struct yaml_value *except, const struct ci_scope *scope);
