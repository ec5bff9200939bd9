/* helper/archive/beneath.h - files and folders below a directory descriptor, never outside it,
 * whatever links lie there (hardening.md Z1).
 *
 * By openat2(RESOLVE_BENEATH); where the kernel has none, component by component with O_NOFOLLOW.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum beneath_links {
    BENEATH_NO_LINKS,    /* a link anywhere in the path: -ELOOP */
    BENEATH_INSIDE_LINKS /* links are followed that stay inside, but not by old kernels */
};

/* Opens `path` ("." = the directory itself), which is relative and has no ".."; O_CLOEXEC is
 * added. A descriptor, or negative errno: -EXDEV when a link leads out, -ELOOP. */
int beneath_open(int dir_fd, const char *path, int flags, mode_t mode, enum beneath_links links);

/* Opens the folder that holds `path`, and points *ret_name at the last component. With `make`,
 * missing folders are made with mode 0777 less the umask. Descriptor or negative errno. */
int beneath_open_parent(int dir_fd, const char *path, bool make, const char **ret_name);

/* Tests: as if the kernel had no openat2(). */
void beneath_pretend_old_kernel(bool old);
