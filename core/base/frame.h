/* core/base/frame.h - frames between our own processes: 4 bytes big-endian length, then one JSON
 * object (docs/design/processes.md).
 *
 * The decoder is fed by whoever reads the descriptor (the supervisor's loop); frame_send() and
 * frame_recv() serve the straight-line processes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/json.h"

#define FRAME_MAX_LINK (1024 * 1024)
#define FRAME_MAX_OPERATOR (64 * 1024)
/* An answer to the operator: the status of 10,000 instances is 3 MiB. */
#define FRAME_MAX_ANSWER (16 * 1024 * 1024)
#define FRAME_MAX_START (24 * 1024 * 1024)

/* What a job worker and its supervisor say to each other, by number; the worker tells it when it attaches. It rises
 * with a change that one of the version before would take wrongly, not with a field that it may overlook. A supervisor
 * takes workers from the oldest on, so that an upgrade costs no job. None at all is 1. */
#define WORKER_PROTOCOL 1
#define WORKER_PROTOCOL_OLDEST 1

/* Appends one encoded frame to `out`. */
int frame_encode(struct buf *out, json_t *json, size_t max, struct error *err);

struct frame_decoder {
    struct buf in;
    size_t max;
    int *
        passed; /* frame_recv() puts the latest descriptor there that came along, and closes the one
                  * before; NULL = none is taken */
};
void frame_decoder_init(struct frame_decoder *decoder, size_t max);
void frame_decoder_done(struct frame_decoder *decoder);
int frame_decoder_feed(struct frame_decoder *decoder, const void *data, size_t len);
/* 1 and a new reference in *ret when a whole frame is there, 0 when more bytes are needed, negative
 * when the peer broke the rules. */
int frame_decoder_next(struct frame_decoder *decoder, json_t **ret, struct error *err);

/* Blocking, with a deadline in milliseconds from now (-1 = none). frame_recv: 1 = a frame, 0 = the
 * peer closed, -ETIMEDOUT, other negative = broken. Descriptors stay the caller's. */
int frame_send(int fd, json_t *json, size_t max, int timeout_ms, struct error *err);
int frame_recv(int fd, struct frame_decoder *decoder, int timeout_ms, json_t **ret,
               struct error *err);
