/* core/job/hold.h - whether a job's instance, and its VM, stay for somebody who wants to look at them. For job.c. */
#pragma once

#include "core/job/job.h"

/* Asks the supervisor where an operator wants it or the job failed and its runner's rule may apply, and tells the log. True
 * when they stay. */
bool hold_wanted(struct job *job, const struct end *end);
