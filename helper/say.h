/* helper/say.h - the lines of flotilla-helper on stderr, in the form of GitLab Runner's
 * (job-execution.md 8.5): people search logs for them. What is not printable is escaped. */
#pragma once

#include <stddef.h>

#include "core/base/error.h"
#include "helper/archive/report.h"

enum say_level { SAY_FATAL, SAY_ERROR, SAY_WARNING, SAY_INFO, SAY_DEBUG };

void say_set_level(enum say_level most);
/* "debug", "info", "warn", "warning", "error", "fatal", "panic"; -EINVAL for another. */
int say_parse_level(const char *text, enum say_level *ret);

void say(enum say_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Returns 1, the exit status of whoever has nothing more to do. */
int say_fatal(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Behind the sentence, as " key=value"; sorted by key. Those without a value are left out. */
struct say_field {
    const char *key, *value;
};
void say_with(enum say_level level, const struct say_field *fields, size_t n_fields,
              const char *fmt, ...) PRINTF_LIKE(4, 5);

/* What an archive's making or unpacking has to say. */
extern const struct report say_report;
