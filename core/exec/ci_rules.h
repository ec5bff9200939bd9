/* core/exec/ci_rules.h - `rules:` of jobs, workflow and include: which of them holds.
 */
#pragma once

#include "core/exec/ci_variables.h"

/* The first rule that holds, which is a mapping; NULL when none does. `place` says which keywords a
 * rule may have, `job` is NULL for rules that are no job's. */
const struct yaml_value *ci_rules_match(struct ci_reading *reading, enum ci_place place,
                                        const char *job, const struct yaml_value *rules,
                                        const struct ci_scope *scope);

/* One condition, 1 or 0 or negative after a finding; for only and except, too. */
int ci_rules_if(struct ci_reading *reading, const char *job, const struct yaml_value *condition,
                const struct ci_scope *scope);
int ci_rules_changes(struct ci_reading *reading, const char *job, const struct yaml_value *changes,
                     const struct ci_scope *scope);
