/* core/job/connect/remote_stream.h - what a command reads and where its output goes (remote.h), as far as no protocol is in
 * it; for ssh_*_exec.c and winrm.c.
 *
 * Neither end holds more than a piece: from a source is taken only what can be sent at once, and what a sink does
 * not take stops the channel.
 */
#pragma once

#include <poll.h>

#include "core/base/buf.h"
#include "core/job/connect/remote.h"

#define REMOTE_PIECE 32768

/* The command's input: the exec's own, then its stream's. */
struct remote_source {
    const char *next; /* to be sent */
    size_t len;
    int fd; /* 0 = no stream, or it has ended */
    char piece[REMOTE_PIECE];
};
void remote_source_init(struct remote_source *source, const struct remote_exec *exec);
/* Reads once when nothing is left to send; 0, also when nothing has come yet, or -EIO with a sentence. */
int remote_source_fill(struct remote_source *source, struct error *err);
static inline void remote_source_sent(struct remote_source *source, size_t len)
{
    source->next += len;
    source->len -= len;
}
/* Everything was sent, and nothing more will come. */
static inline bool remote_source_ended(const struct remote_source *source)
{
    return source->len == 0 && source->fd == 0;
}

/* Where stdout goes. What was put and not taken yet is held; nothing more should be put meanwhile. */
struct remote_sink {
    int fd; /* 0 = to on_output */
    struct buf held;
    size_t written;
};
void remote_sink_init(struct remote_sink *sink, const struct remote_exec *exec);
void remote_sink_done(struct remote_sink *sink);
static inline bool remote_sink_busy(const struct remote_sink *sink)
{
    return sink->held.len > 0;
}
/* 0; -ESHUTDOWN, -EIO or -ENOMEM with a sentence. */
int remote_sink_put(struct remote_sink *sink, const void *data, size_t len, struct error *err);
/* Goes on with what is held. */
int remote_sink_flush(struct remote_sink *sink, struct error *err);

/* What a wait watches for the two; fills at most two of `fds` and returns how many. */
size_t remote_stream_poll(const struct remote_source *source, bool may_send,
                          const struct remote_sink *sink, struct pollfd *fds);
