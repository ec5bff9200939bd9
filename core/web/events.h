/* core/web/events.h - many things, told to all who watch as server-sent events: a snapshot, then what changes. For
 * core/supervisor/web_page.c.
 *
 * All watchers get the same bytes, which are made once. A watcher that takes them slower than they come gets a new
 * snapshot when it is ready for one; nothing is kept for it meanwhile but the piece under way. Nobody watching costs
 * nothing: then no round is made.
 */
#pragma once

#include "core/base/random.h"
#include "core/web/server.h"

struct web_events;
/* Puts all things there are. */
typedef void (*web_events_fill_fn)(void *arg, struct web_events *events);

struct web_events *web_events_new(web_events_fill_fn fill, void *arg, const struct rng *rng);
/* After the server, whose requests end in on_gone. Accepts NULL. */
void web_events_free(struct web_events *events);

/* Inside `fill`: `value` is JSON. Keys are sent as they are. */
void web_events_put(struct web_events *events, const char *key, const struct buf *value);

struct web_events_time {
    int64_t mono_ms, wall_ms;
};
/* A watcher; one that comes back ("Last-Event-ID", or "?after=") gets what it missed, if that is still there. */
void web_events_watch(struct web_events *events, struct web_request *request,
                      struct web_events_time now);
/* To be called about once a second; what changed since the last round is told. */
void web_events_turn(struct web_events *events, struct web_events_time now);
