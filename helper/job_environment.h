/* helper/job_environment.h - what the job's scripts have written into $GITLAB_ENV, read as those scripts
 * read it (job-execution.md 2.4). */
#pragma once

#include "core/base/error.h"

/* Into our environment. Each line KEY=VALUE, blanks around it cut, a last line without its end ignored, a
 * line without `=` of no effect; a line that is empty or names no variable is -EINVAL with a sentence. A
 * file that is not there is empty. */
int job_environment_take(const char *path, struct error *err);
