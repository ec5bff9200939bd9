/* core/job/connect/ssh_exit.h - how a command ended, as its server tells it: what is said first counts
 * (hardening.md N7). For both back ends.
 */
#pragma once

#include <stdint.h>

#include "core/job/connect/remote.h"

void ssh_exit_status(struct remote_exit *exit, uint32_t status);
/* `name` as in "KILL"; NULL or an unknown one gives 128. */
void ssh_exit_signal(struct remote_exit *exit, const char *name);
