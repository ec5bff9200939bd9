/* core/job/stream.h - the way of files for an instance that has nothing but a shell: a helper of ours is
 * brought there, and what it writes or reads passes through this connection to or from a transfer process
 * of the manager (docs/design/transfers.md "Stream"). Called by helper.c. */
#pragma once

#include "core/job/helper.h"

/* Brings the helper, whose program is read from there; END_EXIT with the reason where it cannot run there. */
struct end stream_begin(struct job *job, int program_fd);
/* One call; without a request nothing leaves the instance. */
struct end stream_run(struct job *job, const struct helper_call *call);
