/* core/exec/ci_job.h - one job of the file: its keywords, defaults and rules.
 */
#pragma once

#include "core/exec/ci_reading.h"

/* Adds the jobs of this pipeline that it comes to: none, one, or those of its `parallel`. */
void ci_job_read(struct ci_reading *reading, const struct yaml_pair *pair);

/* A keyword that `default` may have, too; `job` is NULL there. */
void ci_job_read_shared(struct ci_reading *reading, const char *name, const char *keyword,
                        const struct yaml_value *value, struct ci_job *job);
