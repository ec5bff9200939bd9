/* core/job/connect/winrm_wire.h - one HTTP connection to an instance, on libcurl: a request at a time, and what its answer
 * says; for winrm_http.c, and winrm_auth.c, which logs in on it.
 *
 * A request of a login makes the connection where there is none; any other fails then.
 */
#pragma once

#include <curl/curl.h>
#include <poll.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/job/connect/remote.h"
#include "core/job/connect/winrm_tls.h"

struct winrm_wire {
    const struct remote_options *options; /* its watch is that of all waits */
    const char *url;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers, *place;
    int fd;
    bool may_connect; /* what is sent now begins a connection */
    bool busy;        /* the answer is not all here */
    CURLcode result;
    struct buf request, body; /* of what is sent next, of what came last */
    /* What the last answer's headers say. */
    bool negotiates, basic, sealed;
    struct buf token;
    struct buf channel; /* what a login is bound to; empty without TLS */
    struct error why;   /* of what happened in a callback */
    struct winrm_tls tls;
    int64_t deadline; /* of a connection that is made, and of its login */
};

void winrm_wire_init(struct winrm_wire *wire, const struct remote_options *options,
                     const char *url);
void winrm_wire_done(struct winrm_wire *wire);

/* Its next request is the first of another connection; and with nothing behind it. */
int winrm_wire_renew(struct winrm_wire *wire, struct error *err);
void winrm_wire_drop(struct winrm_wire *wire);

/* Sends wire->request; nothing leaves before the first winrm_wire_go_on(). `type` and `authorization` are whole lines,
 * and NULL is none. */
int winrm_wire_start(struct winrm_wire *wire, const char *type, const char *authorization,
                     struct error *err);
void winrm_wire_go_on(struct winrm_wire *wire);
/* As winrm_http_wait(). */
int winrm_wire_wait(struct winrm_wire *const *wires, size_t n, const struct pollfd *others,
                    size_t n_others, int64_t deadline);
/* Waits for the answer; 0, -ETIMEDOUT with a sentence, or the watch's code. */
int winrm_wire_finish(struct winrm_wire *wire, int64_t deadline, struct error *err);
/* Of one that is not busy any more: whether HTTP itself went well, and its status. */
int winrm_wire_check(struct winrm_wire *wire, struct error *err);
long winrm_wire_status(const struct winrm_wire *wire);
/* A whole request of a login, which has no body. */
int winrm_wire_exchange(struct winrm_wire *wire, const char *authorization, long *ret_status,
                        struct error *err);
