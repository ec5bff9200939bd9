/* helper/archive/report.h - what an archive's making or unpacking has to say to the job's people.
 *
 * Sentences are whole, in the words of GitLab Runner where it has some, without level, colour or
 * line end: the command that runs prints them. Pieces from outside are as they are: printing makes
 * them safe.
 */
#pragma once

#include "core/base/autoclean.h"
#include "core/base/error.h"

enum report_level { REPORT_INFO, REPORT_WARNING, REPORT_ERROR };

struct report {
    void (*say)(void *ctx, enum report_level level, const char *sentence); /* NULL = nobody hears */
    void *ctx;
};

/* `report` may be NULL. A sentence for which there is no memory is not said. */
void report_say(const struct report *report, enum report_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
