/* core/exec/report.h - a run as one page of HTML: a timeline of instances and jobs, and the same in
 * tables.
 * What all pages have in common is in core/page. */
#pragma once

#include "core/base/buf.h"
#include "core/exec/artifact_store.h"
#include "core/exec/history.h"

struct report {
    const struct pipeline *pipeline;
    const struct history *history;          /* ended */
    const struct artifact_store *artifacts; /* NULL = none were taken */
    const char *title;                      /* what ran */
    const char *when;                       /* date and time of its beginning, for people */
    const char *verdict;                    /* "passed" */
};

int report_format(const struct report *report, struct buf *out, struct error *err);
int report_write(const struct report *report, const char *file, struct error *err);
