/* core/job/header.c - the first lines of a job's log, which people's tools look for
 * (coordinator-protocol.md 5.6). Called by job.c. */
#include "core/job/job.h"

void header_write(struct job *job)
{
    (void) trace_line(job->trace, TRACE_PLAIN, "Running with flotilla %s", FLOTILLA_VERSION);
    (void) trace_line(job->trace, TRACE_PLAIN, "  on %s %s, system ID: %s",
                      text_of(job->runner, "name", ""), text_of(job->runner, "short_token", ""),
                      text_of(job->runner, "system_id", ""));
    if (job->skipped_variables > 0)
        (void) trace_line(job->trace, TRACE_WARNING,
                          "%zu variables have names that no shell takes and are not set",
                          job->skipped_variables);
    if (trace_short_patterns(job->trace) > 0)
        (void) trace_line(
            job->trace, TRACE_WARNING,
            "%zu masked values are shorter than 4 bytes and will hide much of this log",
            trace_short_patterns(job->trace));
}
