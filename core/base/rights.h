/* core/base/rights.h - descriptors that travel beside bytes over a UNIX socket (SCM_RIGHTS): to the
 * spawner, and the stream of a transfer to its worker.
 */
#pragma once

#include <sys/types.h>

#include "core/base/buf.h"

#define RIGHTS_MAX 2

/* The bytes with up to RIGHTS_MAX descriptors on their first, without blocking; they stay the caller's.
 * 0, or a negative errno: then nothing was sent. */
int rights_send(int fd, const struct buf *data, const int *fds, size_t n_fds);

/* recv() that fills `fds` with what came along, close-on-exec, else -1. Descriptors beyond n_fds are
 * not taken. Negative errno. */
ssize_t rights_recv(int fd, void *data, size_t len, int flags, int *fds, size_t n_fds);
