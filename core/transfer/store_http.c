/* core/transfer/store_http.c - see store_http.h; job-execution.md 5.5, 5.6. */
#include "core/transfer/store_http.h"

#include <stdbool.h>
#include <stdio.h>
#include <strings.h>

#include "core/base/http.h"
#include "core/base/str.h"
#include "core/transfer/easy.h"
#include "core/transfer/exchange.h"

#define TIMEOUT_MS INT64_C(600000)
#define ANSWER_TIMEOUT_MS INT64_C(30000)

static bool is_header(const char *line, const char *name)
{
    size_t len = strlen(name);

    return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

/* A Host among the signed ones is libcurl's to send. */
static int add_given(const struct store_object *object, struct curl_slist **headers, bool *typed)
{
    for (size_t i = 0; i < object->n_headers; i++) {
        *typed = *typed || is_header(object->headers[i], "Content-Type");
        if (!is_header(object->headers[i], "Host") &&
            easy_add_header(headers, "%s", object->headers[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int add_headers(const struct store_object *object, bool put, struct curl_slist **headers)
{
    char date[HTTP_DATE_SIZE];
    bool typed = false;

    if (add_given(object, headers, &typed) < 0)
        return -ENOMEM;
    if (!put)
        return 0;
    if (!typed && easy_add_header(headers, "Content-Type: application/octet-stream") < 0)
        return -ENOMEM;
    http_format_date(object->modified_s, date);
    if (object->modified_s != 0 && easy_add_header(headers, "Last-Modified: %s", date) < 0)
        return -ENOMEM;
    return easy_add_header(headers, "Expect:");
}

static void judge(const struct exchange_answer *answer, struct outcome *ret)
{
    char text[sizeof(ret->message)];

    exchange_tell(answer, ret);
    if (answer->status == 0 || answer->gave_up)
        return;
    exchange_describe(answer, text, sizeof(text));
    if (answer->status / 100 == 2) {
        ret->result = OUTCOME_OK;
    } else if (answer->status == 404) {
        ret->result = OUTCOME_NOT_FOUND;
        (void) snprintf(ret->message, sizeof(ret->message), "file does not exist");
    } else {
        ret->result = answer->status / 100 == 5 ? OUTCOME_RETRY
                      : answer->status == 403   ? OUTCOME_DENIED
                                                : OUTCOME_FAILED;
        (void) snprintf(ret->message, sizeof(ret->message), "received: %.480s", text);
    }
}

static void ask(const struct store_object *object, struct exchange_request request,
                struct outcome *ret)
{
    auto_headers struct curl_slist *headers = NULL;
    auto_answer struct exchange_answer answer = EXCHANGE_ANSWER_INIT;

    *ret = (struct outcome) { .result = OUTCOME_FAILED };
    if (add_headers(object, request.source != NULL, &headers) < 0) {
        (void) snprintf(ret->message, sizeof(ret->message), "out of memory");
        return;
    }
    request.url = object->url;
    request.headers = headers;
    request.timeout_ms = object->timeout_ms > 0 ? object->timeout_ms : TIMEOUT_MS;
    request.response_timeout_ms = ANSWER_TIMEOUT_MS;
    request.attempts = 1;
    exchange_ask(&request, &answer);
    judge(&answer, ret);
}

void store_http_get(const struct store_object *object, const struct outcome_sink *sink,
                    struct outcome *ret)
{
    ask(object, (struct exchange_request) { .method = "GET", .sink = sink }, ret);
}

void store_http_head(const struct store_object *object, struct outcome *ret)
{
    ask(object, (struct exchange_request) { .method = "HEAD" }, ret);
}

void store_http_put(const struct store_object *object, const struct outcome_source *source,
                    struct outcome *ret)
{
    ask(object, (struct exchange_request) { .method = "PUT", .source = source }, ret);
}
