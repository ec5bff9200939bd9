/* core/supervisor/settle.h - what is not known after a crash must not have been told to anybody: so a turn of the loop ends
 * with one sync for all that its jobs changed in the ledger, and only then what waits for that is done. One for each job
 * would hold up the loop where hundreds of them come, or end, in one turn.
 *
 * This is about late rows (ledger_settle() in ledger.h); other changes are on the disk as they are made. job.c lets the
 * acknowledgement of a job and the start of its worker wait, worker_link.c the word to a worker that its result is stored.
 * reporter.c cannot wait, and settles before it sends. */
#pragma once

#include "core/base/error.h"

struct job;
struct settle;
struct supervisor;

/* Once, with an open ledger; gone when the loop turns next. */
int settle_start(struct supervisor *supervisor, struct settle **ret, struct error *err);
void settle_stop(struct settle *settle); /* accepts NULL */

/* job_settled() is called for the job at this turn's end, when all that was changed is on the disk. */
void settle_then(struct job *job);
/* Before somebody hears of what the job changed, where that cannot wait. Where the disk fails, the manager ends. */
void settle_before(struct job *job);
