/* core/job/connect/ssh_stream.h - what a command reads and where its output goes (ssh.h), as far as no SSH library
 * is in it; for the back ends' ssh_*_exec.c.
 *
 * Neither end holds more than a piece: from a source is taken only what can be sent at once, and what a sink does
 * not take stops the channel.
 */
#pragma once

#include <poll.h>

#include "core/base/buf.h"
#include "core/job/connect/ssh.h"

#define SSH_PIECE 32768

/* The command's input: the exec's own, then its stream's. */
struct ssh_source {
    const char *next; /* to be sent */
    size_t len;
    int fd; /* 0 = no stream, or it has ended */
    char piece[SSH_PIECE];
};
void ssh_source_init(struct ssh_source *source, const struct ssh_exec *exec);
/* Reads once when nothing is left to send; 0, also when nothing has come yet, or -EIO with a sentence. */
int ssh_source_fill(struct ssh_source *source, struct error *err);
static inline void ssh_source_sent(struct ssh_source *source, size_t len)
{
    source->next += len;
    source->len -= len;
}
/* Everything was sent, and nothing more will come. */
static inline bool ssh_source_ended(const struct ssh_source *source)
{
    return source->len == 0 && source->fd == 0;
}

/* Where stdout goes. What was put and not taken yet is held; nothing more should be put meanwhile. */
struct ssh_sink {
    int fd; /* 0 = to on_output */
    struct buf held;
    size_t written;
};
void ssh_sink_init(struct ssh_sink *sink, const struct ssh_exec *exec);
void ssh_sink_done(struct ssh_sink *sink);
static inline bool ssh_sink_busy(const struct ssh_sink *sink)
{
    return sink->held.len > 0;
}
/* 0; -ESHUTDOWN, -EIO or -ENOMEM with a sentence. */
int ssh_sink_put(struct ssh_sink *sink, const void *data, size_t len, struct error *err);
/* Goes on with what is held. */
int ssh_sink_flush(struct ssh_sink *sink, struct error *err);

/* What a wait watches for the two; fills at most two of `fds` and returns how many. */
size_t ssh_stream_poll(const struct ssh_source *source, bool may_send, const struct ssh_sink *sink,
                       struct pollfd *fds);
