/* core/supervisor/settle.h - the end of a turn of the loop: what its jobs changed in the ledger goes to the disk with
 * one sync, and then what waits for that is done. Hundreds of jobs may come, or end, in one turn.
 *
 * Only late rows (ledger.h) wait, and nobody outside hears of one before: job.c lets its acknowledgement wait,
 * worker_link.c its word that a result is stored; reporter.c settles before it sends. */
#pragma once

#include "core/base/error.h"

struct job;
struct settle;
struct supervisor;

/* Once, with an open ledger; gone when the loop turns next. */
int settle_start(struct supervisor *supervisor, struct settle **ret, struct error *err);
void settle_stop(struct settle *settle); /* accepts NULL */

/* What the job changed is on the disk when job_settled() is called for it: before this turn's end. */
void settle_then(struct job *job);
/* All that was changed is on the disk when this returns; where that fails the manager ends. */
void settle_now(struct supervisor *supervisor);
