/* core/exec/vm_daemon.h - a nesting daemon for `flotilla exec --isolate vm`: flotilla-nesting with QEMU, from the start of a
 * run to its end. On the loop's thread.
 */
#pragma once

#include <uv.h>

#include "core/base/error.h"

struct vm_daemon;

struct vm_daemon_options {
    const char *self_exe; /* it is looked for beside our own program, then in PATH */
    const char *folder;   /* for its files; absolute, and private to the run */
    const char *settings; /* a file; NULL = none */
    const char *image_directory;
    /* It ended by itself, for the reason that `why` says. */
    void (*on_end)(void *arg, const char *why);
    void *arg;
};

/* Waits until it can make VMs; what it lacks is said in its words. */
int vm_daemon_start(uv_loop_t *loop, const struct vm_daemon_options *options,
                    struct vm_daemon **ret, struct error *err);
/* Where it listens: an absolute path. */
const char *vm_daemon_socket(const struct vm_daemon *daemon);
/* Ends it; the loop goes on until it has ended. NULL is allowed. */
void vm_daemon_stop(struct vm_daemon *daemon);
