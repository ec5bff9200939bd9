/* nestingd/call.h - when a client's call (backend.h) has to end, for whoever waits within one. Used by the back ends and
 * process.c.
 */
#pragma once

#include <poll.h>

#include "nestingd/backend.h"

/* A call that nobody cancels: to tidy up after one that has ended. */
struct call call_fresh(int64_t ms);
/* The same client, and no more than `ms` of its time. */
struct call call_within(const struct call *call, int64_t ms);

/* -ECANCELED "the call was cancelled" or -ETIMEDOUT "the time for it is over"; 0 while it goes on. */
int call_ended(const struct call *call, struct error *err);
/* poll() for `most_ms` at most, -1 = as long as the call. fds[0] is the call's own, to be left empty. Returns how many
 * others are ready, 0 when most_ms has passed, or as call_ended(). */
int call_poll(const struct call *call, struct pollfd *fds, nfds_t n, int64_t most_ms,
              struct error *err);
/* 0, having slept `ms`, or as call_ended(). */
int call_sleep(const struct call *call, int64_t ms, struct error *err);
