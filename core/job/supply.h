/* core/job/supply.h - what the supervisor supplies to a job's worker on demand: signed URLs of the
 * cache's store, and transfer processes (docs/design/transfers.md). Used by the stages of artifacts and
 * caches.
 *
 * The worker names what it wants; whose it is the supervisor knows: it acts for this worker's job only.
 * All waits end as report_stopped() says, and survive a change of the supervisor where they can: a
 * request that nobody answered is asked again, a transfer that died with its supervisor has ended as
 * SUPPLY_RETRY.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/job/report.h"

enum supply_method { SUPPLY_GET, SUPPLY_HEAD, SUPPLY_PUT };
struct supply_url {
    char *url;
    json_t *headers; /* array of "Key: value" that must be sent with it; may be NULL */
};
void supply_url_done(struct supply_url *url);
/* A URL for one method on one object: `name` is a canonical cache key (or its hash, `ab/abcd…`), put
 * below the job's own prefix. -ENOENT: no store is configured; others with a sentence. */
int supply_sign(struct report *report, const char *name, enum supply_method method,
                struct supply_url *ret, struct error *err);

/* Starts a transfer process; *ret_fd is its stream: an upload reads it to its end, a download writes
 * it. `request` is one of docs/design/transfers.md "Requests"; borrowed. One at a time. */
int supply_transfer(struct report *report, json_t *request, int *ret_fd, struct error *err);
/* After the last byte of an upload: whether the stream was whole. One that was not is not stored. */
void supply_commit(struct report *report, bool whole);

enum supply_result {
    SUPPLY_OK,
    SUPPLY_RETRY,       /* the network, or a status that may pass */
    SUPPLY_UNAVAILABLE, /* 503: tried more often */
    SUPPLY_NOT_FOUND,
    SUPPLY_DENIED,
    SUPPLY_TOO_LARGE,
    SUPPLY_FAILED, /* for good */
};
struct supply_end {
    enum supply_result result;
    int status;        /* of HTTP; 0 = none */
    char message[256]; /* for the log */
};
/* Waits for the end of the transfer. 0, or a code of report_stopped() or -ETIMEDOUT: then the process is
 * told to stop. */
int supply_wait(struct report *report, int64_t deadline_mono_ms, struct supply_end *ret,
                struct error *err);
