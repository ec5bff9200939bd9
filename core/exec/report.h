/* core/exec/report.h - a run as one page of HTML: a timeline of instances and jobs, and the same in
 * tables.
 *
 * Nothing is loaded and no script is needed; the page's own policy forbids both. All that comes from
 * files, jobs and clouds is escaped (hardening.md, case 17).
 */
#pragma once

#include "core/base/buf.h"
#include "core/exec/history.h"

struct report {
    const struct pipeline *pipeline;
    const struct history *history; /* ended */
    const char *title;             /* what ran */
    const char *when;              /* date and time of its beginning, for people */
    const char *verdict;           /* "passed" */
};

/* Finds out before the run whether the file can be written after it. */
int report_check(const char *file, struct error *err);

int report_format(const struct report *report, struct buf *out, struct error *err);
/* In one step: a file that was there stays or is replaced as a whole. */
int report_write(const struct report *report, const char *file, struct error *err);
