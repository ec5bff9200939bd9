/* nestingd/process.h - a program that a back end runs: found in PATH, started without a shell in a session of its own,
 * its standard input empty. Used by tart/ and qemu/. Any thread.
 *
 * process_run() is for what is awaited: its output is kept, and its whole group is killed when the call ends.
 * process_start() is for what goes on: a VM. It survives the daemon, so its output goes to a file and not to a pipe that
 * would break.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/base/buf.h"
#include "nestingd/call.h"

#define PROCESS_OUTPUT_MAX ((size_t) 1024 * 1024)

struct process;

/* What goes on while a program is awaited; all zero = nothing. */
struct process_listener {
    void (*line)(
        void *arg,
        const char
            *line); /* what it prints on either output, at once and without its end; a long one
                                                  in pieces */
    void *arg;
    const struct process
        *beside; /* when that one ends first, there is nothing left to wait for: -ESRCH */
};

/* Runs it to its end: 0 when it ends with exit status 0, and what it printed on its standard output in `out` (may be
 * NULL; more than PROCESS_OUTPUT_MAX is -EFBIG). Else negative, and a sentence: -ENOENT "exec: "tart": executable file
 * not found in $PATH", -EIO "exit status 1 (the end of its error output)" or "signal 9 (...)", or as call_ended(). The
 * last of argv is NULL; `listener` may be. */
int process_run(const char *const *argv, const struct call *call, struct buf *out,
                const struct process_listener *listener, struct error *err);
/* Puts the end of what a program said behind a sentence, in one line: " (no such VM)". `said` is changed. */
void process_quote(struct error *err, char *said, size_t len);

/* Both outputs go to output_fd, which stays the caller's; -1 = nowhere. */
int process_start(const char *const *argv, int output_fd, struct process **ret, struct error *err);
pid_t process_pid(const struct process *process);
/* Readable from then on that it has ended. */
int process_exit_fd(const struct process *process);
/* 0 when it ended with exit status 0, -EIO "exit status 1" or "signal 9" when it ended otherwise, -EAGAIN while it
 * runs. */
int process_result(const struct process *process, struct error *err);
/* 0 once it has ended, or as call_ended(). */
int process_wait(const struct process *process, const struct call *call, struct error *err);
/* To its whole group; nothing when it has ended. */
void process_signal(struct process *process, int signal);
/* Asks it alone with SIGINT, kills its group after grace_ms, and returns when it has ended. 0 = kill at once. */
void process_stop(struct process *process, int64_t grace_ms);
/* Lets go of it: it goes on if it runs. NULL is allowed. */
void process_free(struct process *process);

DEFINE_AUTO_PTR(struct process, process_free)
