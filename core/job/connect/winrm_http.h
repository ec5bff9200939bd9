/* core/job/connect/winrm_http.h - an HTTP connection to an instance's WinRM, logged in and encrypted; for winrm.c.
 *
 * One request at a time. A request is sent once: when its connection breaks, nobody knows whether it was taken. Between
 * two of them a connection may end, and the next one logs in anew.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/job/connect/remote.h"

/* What all connections to an instance have in common; its owner keeps it for as long as they live. */
struct winrm_site {
    struct remote_options options; /* its watch is that of all waits */
    char *url;
};

struct winrm_http;
struct winrm_http *winrm_http_new(struct winrm_site *site); /* NULL without memory */
void winrm_http_free(struct winrm_http *http);

/* Sends an envelope, which is copied, once the connection is there; that much blocks. 0, -EPIPE and other codes of
 * remote_exec(), those of remote_open() while it connects; with a sentence. */
int winrm_http_begin(struct winrm_http *http, const struct buf *envelope, int64_t deadline,
                     struct error *err);
bool winrm_http_is_busy(const struct winrm_http *http); /* the answer is not all here */
/* Leaves what is not answered alone; the connection is not used again. */
void winrm_http_abandon(struct winrm_http *http);
/* Of one that is not busy any more: the envelope, -EPIPE or -EPROTO with a sentence. */
int winrm_http_answer(struct winrm_http *http, struct buf *out, struct error *err);

/* Waits until something has come for one of the connections, two at most, or one of the others is ready, or a moment
 * has passed. 0, or as remote_wait(). */
int winrm_http_wait(struct winrm_http *const *https, size_t n, const struct pollfd *others,
                    size_t n_others, int64_t deadline);

/* Waits for the answer of one; 0, -ETIMEDOUT with a sentence, or the watch's code. */
int winrm_http_finish(struct winrm_http *http, int64_t deadline, struct error *err);
/* begin, finish, answer. */
int winrm_http_ask(struct winrm_http *http, const struct buf *envelope, int64_t deadline,
                   struct buf *out, struct error *err);
