/* core/supervisor/describe.h - a runner, an instance and a job as JSON, for status.c. New references;
 * NULL when there is no memory. */
#pragma once

#include "core/base/json.h"
#include "core/supervisor/internal.h"

json_t *describe_runner(const struct group *group);
json_t *describe_instance(const struct group *group, const struct fleet_instance *instance);
json_t *describe_job(const struct job *job);
json_t *describe_problems(const struct supervisor *supervisor); /* of the manager as a whole */

/* What is wrong with a group, the worst first; "" when nothing is. */
void describe_group_problem(const struct group *group, struct buf *out);
/* Where an instance is in its life, in the word that people and scripts get. */
const char *describe_condition(const struct fleet_instance *instance);
/* Why it goes, or gets no jobs; "" when it does. Returns the reason's name, or NULL. */
const char *describe_instance_reason(const struct group *group,
                                     const struct fleet_instance *instance, struct buf *out);
/* What the group's instances cost an hour; 0 = not known. */
int64_t describe_price_micros(const struct group *group);
