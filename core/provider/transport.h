/* core/provider/transport.h - how a client's requests reach a session: another process or a thread.
 */
#pragma once

#include <uv.h>

#include "core/base/error.h"
#include "core/base/json.h"

struct transport;

struct transport_events {
    void (*on_frame)(void *arg, json_t *frame);  /* replies and log lines; borrowed */
    void (*on_down)(void *arg, const char *why); /* once; the transport is dead and to be freed */
    void *arg;
};

struct transport_kind {
    int (*start)(uv_loop_t *loop, const char *self_exe, const struct transport_events *events,
                 struct transport **ret, struct error *err);
    void (*send)(struct transport *transport, json_t *request); /* borrowed */
    void (*cancel)(struct transport *transport, int64_t id);
    /* No callback any more; whatever runs is killed. The memory goes when the loop is done with it.
     */
    void (*stop)(struct transport *transport);
    bool can_kill; /* a call that is overdue can be ended */
};

extern const struct transport_kind transport_process; /* process.c */
extern const struct transport_kind transport_inline;  /* inline.c */
