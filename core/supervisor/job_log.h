/* core/supervisor/job_log.h - a job's masked log, for those who may see it: `flotilla logs`, the status
 * page. It is there from the start of the job's worker until GitLab has its final state; what is
 * kept behind that (kept_logs.h) is for the command alone. */
#pragma once

#include "core/supervisor/internal.h"

/* A descriptor for reading, which is the caller's: what it can read stays readable, also when the job is closed
 * meanwhile. -ENOENT when there is no log yet. */
int job_log_open(const struct job *job);

/* Answers a request with "name", and "seq" to mean the same job again. *ret_fd is its log, -1 where there is none. */
json_t *job_log_report(struct supervisor *supervisor, json_t *request, int *ret_fd);
