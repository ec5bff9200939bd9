/* core/exec/ci_regex.h - patterns as .gitlab-ci.yml writes them: /re/flags. Used by ci_expression.c
 * and ci_only.c.
 */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"

/* It begins with a slash and has another one, behind which only flags stand. */
bool ci_regex_is_pattern(const char *text);

/* 1 when `pattern` matches somewhere in `subject`, 0 when not; negative with a sentence when it is
 * no pattern, has unknown flags or takes too long. */
int ci_regex_match(const char *pattern, const char *subject, struct error *err);
