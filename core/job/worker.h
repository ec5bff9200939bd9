/* core/job/worker.h - the job worker's entry: called in the child that the spawner forked.
 *
 * `control_fd` is the worker's end of the socketpair, `spool_fd` the spool with its lock. Waits for
 * the start frame, runs the job, reports, returns the exit status.
 */
#pragma once

int job_worker_main(int control_fd, int spool_fd);

/* Once in the spawner, before the first fork: initialises and warms what every worker needs (SSH
 * library, crypto, JSON), so that forks share it. */
void job_worker_warm_up(void);
