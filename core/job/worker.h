/* core/job/worker.h - the entries of job workers and probes: called in the child that the spawner
 * forked.
 *
 * `control_fd` is the worker's end of the socketpair, `spool_fd` the spool with its lock, `isolation` the plugin's
 * file where the job is to run in a VM, else NULL. Waits for the start frame, runs the job, reports, returns the exit
 * status.
 */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/json.h"

int job_worker_main(int control_fd, int spool_fd, const char *isolation);

/* A probe of an instance: the ready gate, a heartbeat (probe_worker.c). Takes one start frame, runs its
 * command through the login shell there and tells the verdict; then it ends, or waits for a job with its
 * connection (standby.h); frames in docs/design/processes.md. It ends, too, when its supervisor goes, and whatever becomes of it after so
 * many seconds: the kernel sees to that. */
int probe_worker_main(int control_fd, unsigned seconds, const char *isolation);

struct job;
/* The same from the start frame on, in a process that is confined. `connect` is NULL for one that connects
 * itself; else job->remote is a connection that was made by it, and the sandbox is narrowed to that. */
int job_worker_serve(struct job *job, int spool_fd, json_t *connect);

/* What every process of the spawner's does before it reads its start frame, with the plugin's process where there is one:
 * 0 or negative errno. */
struct isolation;
int worker_confine(const char *name, const char *isolation_file, struct isolation **ret_isolation);

/* Once in the spawner, before the first fork: compiles the filter of system calls (hardening.md X4),
 * if workers are to have one, and warms up what every worker needs (SSH library, crypto, JSON), so
 * that forks share it. Negative when they would go without a filter that they should have. */
int job_worker_prepare(bool filter_calls, struct error *err);
