/* core/exec/ci_artifacts.h - `artifacts:` of a job or of `default`.
 */
#pragma once

#include "core/exec/ci_reading.h"

/* `name` NULL: of `default`. Adds one entry for the archive and one for each report. */
void ci_artifacts_read(struct ci_reading *reading, const char *name, const struct yaml_value *value,
                       struct ci_artifacts *ret);
