/* core/transfer/exchange.h - one HTTP request and its answer, for the calls of this folder alone.
 *
 * exchange_once() asks; exchange_ask() follows redirects by hand and asks again as
 * coordinator-protocol.md 1.1 says. */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/transfer/outcome.h"

struct exchange_request {
    const char *method; /* GET, HEAD, PUT, POST */
    const char *url;
    struct curl_slist *headers; /* borrowed; another origin does not get them */
    const struct outcome_source *source;
    const char *file_name; /* not NULL: the source is the part "file" of a form */
    const struct outcome_sink *sink;
    const struct outcome_tls *tls;           /* NULL = the system's store */
    int64_t timeout_ms, response_timeout_ms; /* 0 = none */
    bool keep_head;
    int attempts; /* 1 = an answer is taken as it is */
};

struct exchange_answer {
    int status;           /* 0 = none: `error` says why */
    bool gave_up;         /* the source or the sink did */
    char status_line[64]; /* "404 Not Found" */
    char host[256];
    char request_id[64], retry_after[64], rate_limit_reset[64];
    char *location;
    int64_t bytes, modified_s;
    struct buf head; /* its headers, where they were asked for */
    struct buf body; /* of an answer that no sink takes, as far as it is of interest */
    char error[256];
};
#define EXCHANGE_ANSWER_INIT ((struct exchange_answer) { 0 })
void exchange_answer_done(struct exchange_answer *answer); /* empty and usable again */
#define auto_answer __attribute__((cleanup(exchange_answer_done)))

void exchange_once(const struct exchange_request *request, struct exchange_answer *answer);
void exchange_ask(const struct exchange_request *request, struct exchange_answer *answer);

/* "403 Forbidden", with what an object store says in XML: "403 Forbidden (AccessDenied: No.)". */
void exchange_describe(const struct exchange_answer *answer, char *dst, size_t size);
/* What both kinds of call tell alike. */
void exchange_tell(const struct exchange_answer *answer, struct outcome *ret);
