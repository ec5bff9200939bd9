/* core/base/regex.h - regular expressions, PCRE2 behind two calls. What GitLab and GitLab Runner use is
 * RE2, whose expressions are a part of PCRE2's but for a few. Used by core/exec/ci_regex.c,
 * core/config/schedules.c and core/supervisor/queuing.c.
 */
#pragma once

#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/base/error.h"

/* What PCRE2 alone can do may take for ever, so the steps from each byte of a text are counted. */
#define REGEX_STEPS_MAX 1000000

struct regex;

/* `len` bytes; flags: the letters i, s, m, U or none. -EINVAL: "broken behind 2 bytes: missing …",
 * or too long. */
int regex_new(const char *text, size_t len, const char *flags, struct regex **ret,
              struct error *err);
void regex_free(struct regex *regex);
DEFINE_AUTO_PTR(struct regex, regex_free)

/* 1 when it matches somewhere in `text`, 0 when not; -EINVAL: more than `steps_max` steps, or the text is
 * no UTF-8. */
int regex_match(const struct regex *regex, const char *text, uint32_t steps_max, struct error *err);
