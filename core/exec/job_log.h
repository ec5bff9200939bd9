/* core/exec/job_log.h - a job's log, as a person reads it: whole lines, without section markers and
 * without anything that could move the terminal's cursor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"

struct job_log {
    struct buf pending; /* a line that has not ended */
    bool colours;       /* keep colour sequences; everything else is removed in any case */
    void (*on_line)(void *arg, const char *text);
    void *arg;
};

void job_log_add(struct job_log *log, const char *data, size_t len);
void job_log_end(struct job_log *log); /* a last line without an end; frees what is held */
