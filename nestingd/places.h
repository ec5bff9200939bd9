/* nestingd/places.h - where the daemon's files lie when nobody says so. Used by serve.c and client.c.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/error.h"

/* Both are absolute, so that they hold whatever becomes of the working directory. */

/* NESTING_SOCKET, else nesting.sock in the place for such files, else in the home directory, else here. */
int places_socket(struct buf *ret, struct error *err);
/* `chosen` or NULL; STATE_DIRECTORY, which systemd sets; else flotilla-nesting in the place for such folders. */
int places_state(const char *chosen, struct buf *ret, struct error *err);
