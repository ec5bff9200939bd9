/* core/job/isolation_process.h - the process in which an isolation plugin runs (isolation.h). Frames with the worker, over
 * one socket (docs/design/processes.md "Isolation link").
 */
#pragma once

/* In the child: loads the file, confines itself, serves until the worker goes. `parent` is the worker. */
_Noreturn void isolation_process_run(int link_fd, int parent, const char *file);
