/* core/supervisor/describe.h - a runner, an instance and a job as JSON, for status.c. New references;
 * NULL when there is no memory. */
#pragma once

#include "core/base/json.h"
#include "core/supervisor/internal.h"

json_t *describe_runner(const struct group *group);
json_t *describe_instance(const struct group *group, const struct fleet_instance *instance);
json_t *describe_job(const struct job *job);
