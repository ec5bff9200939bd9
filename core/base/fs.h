/* core/base/fs.h - files: whole reads and writes, replacing in one step, the state directory
 * (hardening.md P1 to P5).
 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "core/base/buf.h"
#include "core/base/error.h"

int fs_write_all(int fd, const void *data,
                 size_t len); /* 0 or negative errno; retries short writes and EINTR */
int fs_read_file(int dir_fd, const char *path, size_t max, struct buf *out,
                 struct error *err); /* O_NOFOLLOW is not set: `path` may be the operator's */
int fs_replace_file(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
                    struct error *err); /* write, fsync, rename, fsync of the directory; the mode
                                           holds whatever the umask is; what root writes belongs
                                           to whom the directory does */
/* The same with the mode, the owner and the group of the file before it. */
int fs_replace_file_like(int dir_fd, const char *name, const void *data, size_t len,
                         const struct stat *former, struct error *err);
/* Could that be done? All but the last step of it. 0 or negative errno. */
int fs_try_replace_file_like(int dir_fd, const char *name, const void *data, size_t len,
                             const struct stat *former);

/* What we create from here on is for us alone (umask 077). */
void fs_keep_private(void);
/* The mode of a file that is for people: what the umask of who started us leaves of `mode`. */
mode_t fs_user_mode(mode_t mode);

/* Creates (with parents) and opens a directory that only we may use: owner checked, group and
 * others without rights, else an error that says what to do. */
int fs_open_private_dir(const char *path, int *ret_fd, struct error *err);

/* Who else decides what is in a file (hardening.md P2): -EACCES and a sentence that says what to do
 * when others can write `path`, which `st` is of; with `owner`, also when it belongs to neither
 * root nor us. Nobody can replace what is in a sticky directory. */
int fs_check_writers(const struct stat *st, const char *path, bool owner, struct error *err);
/* The directories above, up to the root. */
int fs_check_parents(const char *path, bool owner, struct error *err);
/* File and parents, of a file with secrets; *ret_readable: others can read it. What is no regular
 * file passes. */
int fs_check_private_file(const char *path, bool *ret_readable, struct error *err);

int fs_mkdirs(const char *path, mode_t mode, struct error *err);
int fs_open_std_null(void); /* opens the null device on 0, 1, 2 where closed (P4) */
int fs_set_cloexec(int fd);
int fs_set_nonblock(int fd);
/* The entries of `name` below dir_fd ("." = its own), which stays the caller's; NULL with errno.
 * Does not follow a link. */
DIR *fs_open_dir(int dir_fd, const char *name);
int fs_remove_tree(int dir_fd, const char *name); /* does not follow links */
