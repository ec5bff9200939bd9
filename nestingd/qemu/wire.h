/* nestingd/qemu/wire.h - what QEMU's monitor and the agent in a guest say: one JSON object a line. Pure; both are
 * taken for hostile, for a guest may have taken over either. Used by qmp.c.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/json.h"

#define WIRE_LINE_MAX ((size_t) 256 * 1024)

enum wire_kind {
    WIRE_GREETING, /* of the monitor, once */
    WIRE_EVENT,
    WIRE_RETURN, /* `body` is what was returned */
    WIRE_ERROR   /* `err` says what */
};

/* Takes a message out of `in`: 1 with its kind and its body, which is the caller's (NULL in an event or error); 0 when
 * there is no whole one; -EPROTO and a sentence for what is none, or longer than WIRE_LINE_MAX. */
int wire_take(struct buf *in, enum wire_kind *kind, json_t **body, struct error *err);

/* Throws away what comes before the byte 0xff, with which an agent marks where its answers begin anew: whether it
 * came. */
bool wire_skip_to_mark(struct buf *in);
