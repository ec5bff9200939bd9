/* core/exec/ci_expression.h - the language of rules:if and only:variables:
 * $A == "b" && ($C =~ /re/i || $D != null). Pure; used by ci_rules.c.
 */
#pragma once

#include "core/base/error.h"

/* NULL: there is no such variable. The text stays valid until the evaluation is over. */
typedef const char *ci_lookup(void *arg, const char *name);

/* 1 or 0; negative with a sentence that says what is wrong and where. */
int ci_expression_evaluate(const char *text, ci_lookup *lookup, void *arg, struct error *err);
