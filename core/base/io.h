/* core/base/io.h - the system calls whose failure we must survive, behind one table so that tests
 * make the n-th fail, shorten or stall.
 *
 * Return values and errno as the system's. Without -Dfaults=true these are the calls themselves.
 */
#pragma once

#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#ifdef FLOTILLA_FAULTS
int io_openat(int dir_fd, const char *path, int flags, mode_t mode);
ssize_t io_read(int fd, void *data, size_t len);
ssize_t io_write(int fd, const void *data, size_t len);
ssize_t io_pread(int fd, void *data, size_t len, off_t offset);
ssize_t io_pwrite(int fd, const void *data, size_t len, off_t offset);
int io_ftruncate(int fd, off_t length);
int io_fsync(int fd);
int io_renameat(int from_dir, const char *from, int to_dir, const char *to);
int io_connect(int fd, const struct sockaddr *address, socklen_t len);
#else
#define io_openat openat
#define io_read read
#define io_write write
#define io_pread pread
#define io_pwrite pwrite
#define io_ftruncate ftruncate
#define io_fsync fsync
#define io_renameat renameat
#define io_connect connect
#endif

enum io_fault { IO_FAULT_FAIL, IO_FAULT_SHORT };
/* Tests: from now on the n-th call (1 = the next) fails with `error`, or moves one byte only. 0
 * switches off. Returns the calls counted since. No-op without -Dfaults=true. */
size_t io_fail_at(size_t n, enum io_fault fault, int error);
