/* core/job/syscalls.h - the system calls that a job worker may make (hardening.md X4), as a seccomp
 * filter.
 *
 * Compiled once, by the spawner, because that takes memory and time; its forks only load it.
 */
#pragma once

#include <linux/filter.h>

#include "core/base/error.h"

#ifdef FLOTILLA_SECCOMP
/* -ENOTSUP and a sentence: the kernel has no such filters. */
int syscalls_available(struct error *err);
/* The caller frees ret->filter. */
int syscalls_compile(struct sock_fprog *ret, struct error *err);
/* For good; what is not on the list ends the process with SIGSYS. Negative errno. */
int syscalls_confine(const struct sock_fprog *program);
/* On top, before that: no socket is opened any more. Negative errno. */
int syscalls_forbid_sockets(void);
#else /* built without libseccomp */
static inline int syscalls_available(struct error *err)
{
    return error_set(err, -ENOTSUP, "built without libseccomp");
}
static inline int syscalls_compile(struct sock_fprog *ret, struct error *err)
{
    (void) ret;
    return syscalls_available(err);
}
static inline int syscalls_confine(const struct sock_fprog *program)
{
    (void) program;
    return -ENOTSUP;
}
static inline int syscalls_forbid_sockets(void)
{
    return -ENOTSUP;
}
#endif
