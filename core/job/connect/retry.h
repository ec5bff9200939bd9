/* core/job/connect/retry.h - connecting to an instance that may still boot: trying until it lets us in; for ssh.c and
 * winrm.c.
 */
#pragma once

#include "core/job/connect/ssh.h"

/* Tries `once` until it succeeds, fails for good, or options->timeout_ms is over. */
int retry_connect(const struct ssh_options *options,
                  int (*once)(const struct ssh_options *options, int64_t deadline, void *arg,
                              struct error *err),
                  void *arg, struct error *err);
