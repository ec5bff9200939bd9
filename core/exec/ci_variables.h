/* core/exec/ci_variables.h - `variables:` in its forms, and $NAME within other values.
 */
#pragma once

#include "core/base/buf.h"
#include "core/exec/ci_expression.h"
#include "core/exec/ci_reading.h"

/* Of the file when `job` is NULL. What is there already is replaced. */
void ci_read_variables(struct ci_reading *reading, const char *job, const struct yaml_value *value,
                       struct ci_variables *ret);

/* Several lists, of which later ones win: what a rule or an include sees. */
#define CI_SCOPE_MAX 4
struct ci_scope {
    const struct ci_variables *lists[CI_SCOPE_MAX];
    const struct ci_job *job; /* whose inheritance counts for `global`; may be NULL */
    const struct ci_variables *global;
};
const struct ci_variable *ci_scope_find(const struct ci_scope *scope, const char *name);

/* `text` with $NAME and ${NAME} replaced, in their values too; unknown ones give nothing, $$ stays as
 * it is. */
void ci_expand(struct buf *out, const struct ci_scope *scope, const char *text);
/* The variable's value, expanded unless it is raw; false when there is none. */
bool ci_scope_value(struct buf *out, const struct ci_scope *scope, const char *name);
