/* core/job/sandbox.h - what a job worker can still do once it meets its instance, whoever has taken
 * it over by then (hardening.md §5, X2 to X5).
 *
 * Three steps: the spawner prepares what its forks share; a worker enters before it reads its job;
 * it narrows the rest down when it knows its instance, before the first byte from there. A build
 * with sanitizers keeps its limits of descriptors and files alone: the rest would stop those.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/job/connect/remote.h"

/* Once, in the spawner. 0 also where the kernel, or the build, has no filter of system calls. */
int sandbox_prepare(bool filter_calls, struct error *err);
/* In the worker: limits, no privileges, the filter of system calls. Negative errno. */
int sandbox_enter(void);
/* Files and ports, once the connection to that instance has been prepared (remote.h); `output_limit` is that of the log,
 * in bytes. */
int sandbox_narrow(const struct remote_options *instance, int64_t output_limit, struct error *err);

/* Both for a process that has all it needs: no file, no socket of its own (isolation_process.c). Negative errno. */
int sandbox_enter_sealed(void);

/* For the log, what this machine offers: "... Landlock (level 7)". False when a part is missing
 * that was wanted. */
bool sandbox_describe(bool filter_calls, struct buf *out);
