/* core/job/worker.h - the job worker's entry: called in the child that the spawner forked.
 *
 * `control_fd` is the worker's end of the socketpair, `spool_fd` the spool with its lock. Waits for
 * the start frame, runs the job, reports, returns the exit status.
 */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"

int job_worker_main(int control_fd, int spool_fd);

/* Once in the spawner, before the first fork: compiles the filter of system calls (hardening.md X4),
 * if workers are to have one, and warms up what every worker needs (SSH library, crypto, JSON), so
 * that forks share it. Negative when they would go without a filter that they should have. */
int job_worker_prepare(bool filter_calls, struct error *err);
