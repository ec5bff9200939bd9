/* sdk/lib/google_client.h - a call to a REST service of Google Cloud: with a token, repeated where that helps, its
 * answer as JSON. Used by plugins/gcp.
 *
 * A client belongs to one thread.
 */
#ifndef FLOTILLA_LIB_GOOGLE_CLIENT_H
#define FLOTILLA_LIB_GOOGLE_CLIENT_H

#include "sdk/lib/google_credentials.h"

#include <json-c/json.h>

struct flt_google_client;

struct flt_google_client_settings {
    /* NULL = https://SERVICE.UNIVERSE; else for every service: "http://127.0.0.1:4443". */
    const char *endpoint;
    const char *ca_file; /* NULL = the system's */
    const char *user_agent;
    int64_t attempt_ms;            /* an answer that takes longer is lost; 0 = 20 s */
    int64_t (*now_s)(void *arg);   /* NULL = the wall clock */
    uint64_t (*random)(void *arg); /* of the jitter; NULL = the system's */
    /* A line about each attempt that failed and is repeated; NULL = nobody asks. */
    void (*log)(void *arg, const char *text);
    void *arg;
};
/* Borrows the chain; copies `settings` but for functions and arg. NULL without memory. */
struct flt_google_client *flt_google_client_new(const struct flt_google_client_settings *settings,
                                                struct flt_google_chain *chain);
void flt_google_client_free(struct flt_google_client *client);

struct flt_google_param {
    const char *name, *value;
};

struct flt_google_call {
    const char *service; /* "compute", "oslogin" */
    const char *method;  /* "GET", "POST" */
    const char *path;  /* "/compute/v1/projects/P/zones/Z/instances/N", its parts encoded already */
    const char *shown; /* for people: "instances.get of ci-1" */
    const struct flt_google_param *params; /* encoded by the client */
    size_t n_params;
    struct json_object *body; /* NULL = none */
    /* Whether a lost answer may be asked for again: it reads, or carries a requestId. A refusal by rate (429, 403
     * rateLimitExceeded) is always repeated: there the service did nothing. */
    int repeatable;
    size_t max_bytes; /* of the answer; 0 = 8 MiB */
};

/* What a failed call says. */
struct flt_google_error {
    long status; /* HTTP; 0 = there was no answer */
    /* errors[0].reason or the detail's: "rateLimitExceeded", "notFound", "conditionNotMet"; "" = none. */
    char reason[128];
    /* A sentence: which call, what the service says, what to do; without secrets. */
    char text[1024];
    int64_t retry_after_ms; /* 0 = no advice */
    int maybe_done;         /* an answer was lost: it may have happened */
};

/* FLT_OK and the answer, an object (json_object_put), or NULL where there is none (status 204); else a code:
 * FLT_E_AUTH (401, 403 of a missing right), FLT_E_THROTTLED, FLT_E_QUOTA, FLT_E_UNAVAILABLE, FLT_E_INVALID (400, 412 with
 * reason conditionNotMet), FLT_E_NOT_FOUND, FLT_E_TIMEOUT, FLT_E_CANCELLED, FLT_E_INTERNAL. */
int32_t flt_google_do(struct flt_google_client *client, const struct flt_google_call *call,
                      const struct flt_watch *watch, struct json_object **ret,
                      struct flt_google_error *error);

#endif
