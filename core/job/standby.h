/* core/job/standby.h - the wait of a probe's process for its instance's next job (standby.c). */
#pragma once

#include "core/job/job.h"

/* `job` has the connection, the report and the helpers' files, and nothing else yet; `connect` is what the
 * connection was made by. Waits for so long, then returns the process's exit status: 0 also where no job
 * came. The caller frees `job`. */
int standby_run(struct job *job, json_t *connect, int64_t seconds);
