/* core/job/connect/retry.h - connecting to an instance that may still boot: trying until it lets us in; for ssh.c and
 * winrm.c.
 */
#pragma once

#include "core/job/connect/remote.h"

/* Tries `once` until it succeeds, fails for good, or options->timeout_ms is over. */
int retry_connect(const struct remote_options *options,
                  int (*once)(const struct remote_options *options, int64_t deadline, void *arg,
                              struct error *err),
                  void *arg, struct error *err);
