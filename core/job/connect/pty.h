/* core/job/connect/pty.h - a person's terminal on the instance: a command with a PTY there, in a channel beside those of the
 * job, and a local stream to whoever sits in front of it.
 *
 * Nothing runs by itself: what goes through is moved by every remote_wait() whose watch names the terminal. Neither side
 * holds more than a piece; one that takes nothing stops the other. Everything that comes is hostile.
 */
#pragma once

#include <poll.h>

#include "core/base/buf.h"
#include "core/job/connect/ssh.h"

#define PTY_FDS 1

/* What the instance printed on its way to the person. `show` may hold bytes back; when nothing has followed for a moment
 * `echo` gives those that the person typed on this line, and `end` the rest when nothing follows any more. They append to
 * `out`; negative ends the terminal. */
struct pty_screen {
    int (*show)(void *arg, const void *data, size_t len, struct buf *out);
    int (*echo)(void *arg, const char *typed, size_t len, struct buf *out);
    int (*end)(void *arg, struct buf *out);
    void *arg;
};

struct pty;
struct pty *pty_new(struct pty_screen screen); /* NULL when memory is short */
void pty_free(struct pty *pty);                /* accepts NULL */

/* Opens a terminal on the connection, which outlives it; `fd` is the person's end, a socket, and is taken if it succeeds.
 * Only while pty_is_idle(). */
int pty_begin(struct pty *pty, struct ssh_conn *conn, const char *command, int fd,
              struct error *err);
bool pty_is_idle(const struct pty *pty);      /* there is none, nor the rest of a former one */
bool pty_is_connected(const struct pty *pty); /* a person is there */
/* Tells the person why and hangs up; the channel goes when the instance lets it. Nothing if there is nobody. */
void pty_end(struct pty *pty, const char *why);
/* Before its connection is closed: there is none any more. */
void pty_drop(struct pty *pty);
/* Tells whoever is at a terminal's end a line, as far as it is taken at once. */
void pty_say(int fd, const char *line);

/* For remote_wait(): moves what came, returns how many of `fds` it filled, and shortens the wait. */
size_t pty_poll(struct pty *pty, struct pollfd *fds, int64_t *wait_ms);
