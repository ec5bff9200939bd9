/* core/supervisor/explain.h - the answer to `flotilla explain`. */
#pragma once

#include "core/base/json.h"
#include "core/supervisor/internal.h"

/* "lines": of the runner, instance or job that the request's "name" names, else of all runners and of
 * the jobs that wait. */
json_t *explain_report(struct supervisor *supervisor, json_t *request);

/* The same of a runner without its instances, and of one job, as sentences in an array. */
void explain_runner(const struct group *group, json_t *lines);
void explain_job(const struct job *job, json_t *lines);
