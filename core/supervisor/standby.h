/* core/supervisor/standby.h - processes that wait on instances with a connection, each for one job (standby.c).
 */
#pragma once

#include "core/supervisor/internal.h"

struct standby_process {
    struct channel *channel;
    int64_t tag, pid;
};
/* How long a probe's process is to wait once it has passed; 0 = not at all. */
int64_t standby_wait_s(const struct group *group);
/* The process takes the place of one that waits there; its channel is not the caller's any more. */
void standby_add(struct group *group, const char *instance, const struct standby_process *process);
/* False: none waits there. Its channel is the caller's. */
bool standby_take(struct group *group, const char *instance, struct standby_process *ret);
void standby_tick(struct supervisor *supervisor);
void standby_end_group(const struct group *group);
/* Also those that probes under way would become. */
void standby_end_all(struct supervisor *supervisor);
/* False when it was none of these. */
bool standby_on_exited(struct supervisor *supervisor, int64_t tag, int signal);
