/* helper/archive/beneath.h - files and folders below a directory descriptor, never outside it,
 * whatever links lie there (hardening.md Z1).
 *
 * By openat2(RESOLVE_BENEATH); where the kernel has none, component by component with O_NOFOLLOW.
 * Paths are relative and have no ".."; "." is the directory itself.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/autoclean.h"
#include "core/base/buf.h"

enum beneath_links {
    BENEATH_NO_LINKS,    /* a link anywhere in the path: -ELOOP or -ENOTDIR */
    BENEATH_INSIDE_LINKS /* links are followed that stay inside; by old kernels none */
};

/* O_CLOEXEC is added. A descriptor, or negative errno: -EXDEV when a link leads out. */
int beneath_open(int dir_fd, const char *path, int flags, mode_t mode, enum beneath_links links);

/* The folder of the path that was asked for last stays open: neighbours cost no lookup. */
struct beneath {
    int dir_fd; /* the caller's */
    enum beneath_links links;
    struct buf folder; /* that `fd` is of */
    int fd;            /* -1 = none yet */
};
#define BENEATH_INIT(dir, how) ((struct beneath) { .dir_fd = (dir), .links = (how), .fd = -1 })

/* The folder that holds `path`, and its last component in *ret_name. Borrowed until the next call;
 * negative errno. */
int beneath_parent(struct beneath *beneath, const char *path, const char **ret_name);
void beneath_done(struct beneath *beneath);

static inline void cleanup_beneath(struct beneath *beneath)
{
    int saved = errno;

    beneath_done(beneath);
    errno = saved;
}
#define autobeneath __attribute__((cleanup(cleanup_beneath)))

/* Tests: as if the kernel had no openat2(). */
void beneath_pretend_old_kernel(bool old);
