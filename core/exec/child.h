/* core/exec/child.h - running a program to its end: no shell, what it prints given back. Used by git.c and vm_daemon.c.
 */
#pragma once

#include "core/base/buf.h"

struct child {
    const char *const *argv;        /* argv[0] is looked for in PATH unless it has a slash */
    const char *const *environment; /* NAME=VALUE; NULL = our own */
    size_t max;                     /* bytes of output; 0 = 1 MiB */
};

/* Waits for the end, and returns its exit status (128 and the number of a signal), with the output in *out (may be
 * NULL) and the last words on standard error, in one line, in *words. Negative when it can't be run or read: -ENOENT
 * when there is none, -EFBIG for too much output. */
int child_run(const struct child *child, struct buf *out, struct buf *words);
