/* sdk/lib/http.h - one HTTP request over libcurl that ends at a deadline or when it is cancelled, and holds
 * no more of the answer than it was allowed. It follows no redirect and tries nothing twice: retry.h says when
 * another attempt is worth it.
 *
 * A session keeps connections; it belongs to one thread, in a process that ignores SIGPIPE, as all do that load plugins.
 */
#ifndef FLOTILLA_LIB_HTTP_H
#define FLOTILLA_LIB_HTTP_H

#include "sdk/lib/text.h"
#include "sdk/lib/watch.h"

#include <stddef.h>

#define FLT_HTTP_ERROR_MAX FLT_ERROR_MAX

struct flt_http; /* a session */

struct flt_http *flt_http_new(const char *user_agent); /* NULL without memory */
void flt_http_free(struct flt_http *http);

struct flt_http_request {
    const char *method;         /* "GET", "POST", "PUT"... */
    const char *url;            /* http or https */
    const char *shown;          /* the URL for people; NULL = without its query */
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    const char *body; /* NULL = none */
    size_t body_len;
    const char *ca_file; /* NULL = the system's */
    int direct;          /* past any proxy: metadata services */
    int once;            /* on a connection of its own: libcurl repeats what a kept one swallowed */
    int64_t timeout_ms;  /* 0 = as long as the watch lets it */
    int64_t connect_ms;  /* 0 = 10 s */
    size_t max_bytes;    /* of the answer's body; 0 = 8 MiB */
};

struct flt_http_answer {
    long status;
    char *body; /* NUL behind it; never NULL when the call was FLT_OK */
    size_t len;
    char *headers;          /* as they came, each line ended by "\n" */
    int64_t date_s;         /* the server's, since 1970; 0 = it told none */
    int64_t retry_after_ms; /* -1 = it told none; at most 10 minutes */
    int sent;               /* also when the call failed: the server may have heard of it */
};
void flt_http_answer_done(struct flt_http_answer *answer); /* wiped; empty and usable again */
/* The value of the first such header, a copy in `ret`; 0 when there is none that fits. */
int flt_http_header(const struct flt_http_answer *answer, const char *name, char *ret, size_t size);

/* FLT_OK with an answer of whatever status; FLT_E_UNAVAILABLE, FLT_E_TIMEOUT, FLT_E_CANCELLED, FLT_E_INVALID (the
 * URL) or FLT_E_INTERNAL with a sentence in `error` (FLT_HTTP_ERROR_MAX bytes) that holds no header, query or body. */
int32_t flt_http_do(struct flt_http *http, const struct flt_http_request *request,
                    const struct flt_watch *watch, struct flt_http_answer *ret, char *error);

#endif
