/* nestingd/socket.h - the socket of the daemon, as each side opens it: serve.c and client.c.
 */
#pragma once

#include "core/base/error.h"

/* Makes the folders above it and the socket, mode 0660. One that is left of a daemon that died is replaced; -EADDRINUSE
 * where a daemon answers. */
int socket_listen(const char *path, int *ret_fd, struct error *err);
int socket_connect(const char *path, int *ret_fd, struct error *err);
