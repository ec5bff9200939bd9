/* core/base/log.h - what the operator reads on stderr: as text, as one JSON object a line, or as GitLab
 * Runner writes it (`runner`), with colours on a terminal.
 *
 * A function is either a logging function or not: leaf code returns errors and at most debugs. A
 * file defines LOG_TOPIC before including this header. Scopes add fields (runner, job, instance) to
 * every line written while they are open. Writing never blocks: a bounded queue drops and counts
 * (hardening.md P8). Text from outside is escaped by the logger. Lines go to `fd`; processes that
 * are not the supervisor log to their inherited stderr.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_RUNNER };

void log_open(int fd, enum log_format format, enum log_level level);
int log_parse_level(const char *text,
                    enum log_level *ret); /* error, warning (warn), notice, info, debug */
int log_parse_format(const char *text, enum log_format *ret); /* text, json, runner */
const char *log_level_name(enum log_level level);
const char *log_format_name(enum log_format format);
bool log_enabled(enum log_level level);
uint64_t log_count(enum log_level level); /* lines of this level so far, wanted or not */
void log_flush(void);                     /* tries to empty the queue without blocking */

void log_line(enum log_level level, const char *topic, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_error(...) log_line(LOG_LEVEL_ERROR, LOG_TOPIC, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, LOG_TOPIC, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, LOG_TOPIC, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, LOG_TOPIC, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                          \
            log_line(LOG_LEVEL_DEBUG, LOG_TOPIC, __VA_ARGS__);                                     \
    } while (0)

/* A field of the current scope; `value` is copied. `auto_log_scope struct log_scope s =
 * log_scope_open("job", "%lld", id);` */
struct log_scope {
    int depth;
};
struct log_scope log_scope_open(const char *key, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_scope_close(struct log_scope *scope);
/* A scope is opened for what it does until it ends: clang misses a use of the variable. */
#define auto_log_scope __attribute__((unused, cleanup(log_scope_close)))
