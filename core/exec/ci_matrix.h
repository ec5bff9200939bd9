/* core/exec/ci_matrix.h - `parallel:`, one job written out as several.
 */
#pragma once

#include "core/exec/ci_reading.h"

struct ci_instance {
    char *name; /* of the job */
    struct ci_variables variables;
    unsigned index, total; /* from 1; 0 of a job that is not parallel */
};
struct ci_instances {
    struct ci_instance *items;
    size_t count;
};

/* The jobs that `name` comes to; one when `parallel` is NULL. None after a finding. */
void ci_matrix_read(struct ci_reading *reading, const char *name, const struct yaml_value *parallel,
                    struct ci_instances *ret);
void ci_instances_done(struct ci_instances *instances);
