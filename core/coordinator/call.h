/* core/coordinator/call.h - one HTTP exchange with GitLab on the loop, with the five-attempt
 * retry. For the calls of this folder only.
 *
 * Two pools of connections: reports share at most three a host, parked job requests have their own.
 */
#pragma once

#include <curl/curl.h>

#include "core/base/secret.h"
#include "core/coordinator/client.h"

enum pool { POOL_REPORTS, POOL_POLLS, POOL_COUNT };

struct call_answer {
    int status; /* HTTP, or -1, -100 */
    struct answer_headers headers;
    const char *last_update, *content_type;
    const char *body;
    size_t body_len;
    const char *message; /* never NULL */
    int attempts;
};
typedef void (*call_fn)(struct coordinator_call *call, const struct call_answer *answer);

struct call_request {
    enum pool pool;
    const char *method;               /* POST, PUT, PATCH */
    const char *endpoint;             /* as metrics call it; NULL = they do not */
    const char *path;                 /* below the base URL */
    const char *token_header, *token; /* "JOB-TOKEN" or "RUNNER-TOKEN" */
    const char *content_type, *content_range;
    bool accept_json;
    struct buf body; /* taken; wiped afterwards */
    size_t body_max; /* of the answer */
};

/* What a call keeps beside its exchange; the files of the calls cast `extra`. */
int call_start(struct coordinator_client *client, const struct coordinator_host *host,
               struct call_request *request, call_fn fn, void *extra, struct coordinator_call **ret,
               struct error *err);
void *call_extra(struct coordinator_call *call); /* freed with the call */
