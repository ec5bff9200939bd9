/* core/base/channel.h - one framed connection on a libuv loop: the supervisor's links to the
 * spawner, to providers, to job workers and to operators' commands.
 *
 * The owner gets whole frames and one on_closed when the peer went away or broke the rules; it comes
 * from the loop, never from a call into this file, so that an owner may send and go on. After
 * channel_close() no callback comes any more; the memory goes when the loop is done with it.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/base/error.h"
#include "core/base/json.h"

struct channel;

typedef void (*channel_frame_fn)(void *arg, json_t *frame); /* borrowed */
typedef void (*channel_closed_fn)(void *arg, const char *why);

/* Takes `fd`, also on failure. `max_in` bounds one incoming frame. */
int channel_open(uv_loop_t *loop, int fd, size_t max_in, channel_frame_fn on_frame,
                 channel_closed_fn on_closed, void *arg, struct channel **ret, struct error *err);

/* Hands the connection to another owner, as when a worker attaches over the control socket. */
void channel_set_owner(struct channel *channel, size_t max_in, channel_frame_fn on_frame,
                       channel_closed_fn on_closed, void *arg);

/* Queues one frame (borrowed) of at most `max` bytes. A frame that cannot be queued ends the
 * connection. */
void channel_send(struct channel *channel, json_t *frame, size_t max);

/* As channel_send(), but the bytes are written from memory that is wiped afterwards. */
void channel_send_secret(struct channel *channel, json_t *frame, size_t max);

/* Has everything left that was sent? */
bool channel_is_flushed(const struct channel *channel);
/* One frame with a descriptor, which stays the caller's. It is not queued: -EAGAIN when the peer does not
 * read, else another negative code; the connection goes on. */
int channel_send_with(struct channel *channel, json_t *frame, size_t max, int fd,
                      struct error *err);

/* Closes after everything queued was written; no callback comes any more. */
void channel_close_flushed(struct channel *channel);
void channel_close(struct channel *channel); /* accepts NULL */

int channel_fd(const struct channel *channel); /* for SCM_RIGHTS and peer credentials; stays ours */
