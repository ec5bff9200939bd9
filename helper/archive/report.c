/* helper/archive/report.c - one sentence to whoever listens. */
#include "helper/archive/report.h"

#include <stdarg.h>

#include "core/base/mem.h"

void report_say(const struct report *report, enum report_level level, const char *fmt, ...)
{
    autofree char *sentence = NULL;
    va_list args;

    if (!report || !report->say)
        return;
    va_start(args, fmt);
    sentence = mem_vprintf(fmt, args);
    va_end(args);
    if (sentence)
        report->say(report->ctx, level, sentence);
}
