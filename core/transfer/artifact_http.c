/* core/transfer/artifact_http.c - see artifact_http.h; coordinator-protocol.md 1.11, 1.12. */
#include "core/transfer/artifact_http.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/http.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/transfer/easy.h"
#include "core/transfer/exchange.h"
#include "core/transfer/redirect.h"

#define UPLOAD_TIMEOUT_MS INT64_C(3600000)
#define ANSWER_TIMEOUT_MS INT64_C(600000)

/* "https://h/api/v4/jobs/7/artifacts"; NULL with ret told. */
static char *artifacts_url(const char *url, int64_t job_id, struct outcome *ret)
{
    char base[1024];
    char *full = NULL;

    *ret = (struct outcome) { .result = OUTCOME_FAILED };
    if (http_api_url(url, base, sizeof(base)) < 0) {
        (void) snprintf(ret->message, sizeof(ret->message),
                        "url '%.200s': must begin with http:// or https:// and name a host", url);
        return NULL;
    }
    full = mem_printf("%sjobs/%" PRId64 "/artifacts", base, job_id);
    if (!full)
        (void) snprintf(ret->message, sizeof(ret->message), "out of memory");
    return full;
}

static int add_parameter(char **url, const char *name, const char *value)
{
    char *escaped, *grown = NULL;

    if (str_empty(value))
        return 0;
    escaped = curl_easy_escape(NULL, value, 0);
    if (escaped)
        grown = mem_printf("%s%c%s=%s", *url, strchr(*url, '?') ? '&' : '?', name, escaped);
    curl_free(escaped);
    if (!grown)
        return -ENOMEM;
    free(*url);
    *url = grown;
    return 0;
}

static int add_headers(struct curl_slist **headers, const char *token)
{
    char id[33];

    rng_hex(&rng_system, id, 16);
    if (easy_add_header(headers, "JOB-TOKEN: %s", token) < 0 ||
        easy_add_header(headers, "X-Request-Id: %s", id) < 0)
        return -ENOMEM;
    return easy_add_header(headers, "Expect:");
}

/* Within the host the upload is the caller's to repeat at the new address. */
static void judge_redirect(const struct exchange_request *request,
                           const struct exchange_answer *answer, struct outcome *ret)
{
    autofree char *base = NULL;
    char *target = NULL;
    struct error err;

    ret->result = OUTCOME_FAILED;
    if (redirect_target(request->url, answer->location, &target, &err) < 0) {
        (void) str_cut(ret->message, sizeof(ret->message), err.message);
        return;
    }
    base = redirect_base_url(target);
    if (!http_same_origin(request->url, target)) {
        (void) snprintf(ret->message, sizeof(ret->message),
                        "redirected to another host, to which the job's token is not sent; "
                        "correct the url in the runner's configuration");
    } else if (base && str_copy(ret->base_url, sizeof(ret->base_url), base) == 0) {
        ret->result = OUTCOME_MOVED;
        (void) snprintf(ret->message, sizeof(ret->message), "request redirected");
    }
    curl_free(target);
}

static void judge_upload(const struct exchange_request *request,
                         const struct exchange_answer *answer, struct outcome *ret)
{
    static const struct {
        int status;
        enum outcome_result result;
        const char *message;
    } known[] = { { 201, OUTCOME_OK, "" },
                  { 403, OUTCOME_DENIED, "permission denied" },
                  { 413, OUTCOME_TOO_LARGE, "too large" },
                  { 503, OUTCOME_UNAVAILABLE, "service unavailable" } };

    exchange_tell(answer, ret);
    if (answer->status == 0)
        return;
    if (answer->status == 307 && answer->location) {
        judge_redirect(request, answer, ret);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].status == answer->status) {
            ret->result = known[i].result;
            (void) str_cut(ret->message, sizeof(ret->message), known[i].message);
            return;
        }
    ret->result = OUTCOME_RETRY;
    (void) snprintf(ret->message, sizeof(ret->message), "received: %s", answer->status_line);
}

void artifact_http_upload(const struct artifact_upload *upload, const struct outcome_source *source,
                          struct outcome *ret)
{
    auto_headers struct curl_slist *headers = NULL;
    auto_answer struct exchange_answer answer = EXCHANGE_ANSWER_INIT;
    autofree char *url = artifacts_url(upload->url, upload->job_id, ret);
    struct exchange_request request = {
        .method = "POST",
        .source = source,
        .file_name = upload->file_name,
        .tls = &upload->tls,
        .timeout_ms = upload->timeout_ms > 0 ? upload->timeout_ms : UPLOAD_TIMEOUT_MS,
        .response_timeout_ms =
            upload->response_timeout_ms > 0 ? upload->response_timeout_ms : ANSWER_TIMEOUT_MS,
        .keep_head = upload->debug != NULL,
        .attempts = source->rewind ? HTTP_ATTEMPTS : 1,
    };

    if (!url)
        return;
    if (add_parameter(&url, "artifact_format", upload->format) < 0 ||
        add_parameter(&url, "artifact_type", upload->type) < 0 ||
        add_parameter(&url, "expire_in", upload->expire_in) < 0 ||
        add_headers(&headers, upload->token) < 0) {
        (void) snprintf(ret->message, sizeof(ret->message), "out of memory");
        return;
    }
    request.url = url;
    request.headers = headers;
    exchange_ask(&request, &answer);
    if (upload->debug)
        upload->debug(buf_str(&answer.head), buf_str(&answer.body));
    judge_upload(&request, &answer, ret);
}

static void judge_download(const struct exchange_answer *answer, struct outcome *ret)
{
    exchange_tell(answer, ret);
    if (answer->status == 0 || answer->gave_up)
        return;
    exchange_describe(answer, ret->status_line, sizeof(ret->status_line));
    if (answer->status == 200) {
        ret->result = OUTCOME_OK;
    } else if (answer->status == 404) {
        ret->result = OUTCOME_NOT_FOUND;
        (void) snprintf(ret->message, sizeof(ret->message), "file does not exist");
    } else if (answer->status == 401 || answer->status == 403) {
        ret->result = OUTCOME_DENIED;
        (void) snprintf(ret->message, sizeof(ret->message), "permission denied");
    } else {
        ret->result = OUTCOME_RETRY;
        (void) snprintf(ret->message, sizeof(ret->message), "received: %s", ret->status_line);
    }
}

void artifact_http_download(const struct artifact_download *download,
                            const struct outcome_sink *sink, struct outcome *ret)
{
    auto_headers struct curl_slist *headers = NULL;
    auto_answer struct exchange_answer answer = EXCHANGE_ANSWER_INIT;
    autofree char *url = artifacts_url(download->url, download->job_id, ret);
    struct exchange_request request = { .method = "GET",
                                        .sink = sink,
                                        .tls = &download->tls,
                                        .response_timeout_ms = ANSWER_TIMEOUT_MS,
                                        .attempts = download->direct ? 1 : HTTP_ATTEMPTS };

    if (!url)
        return;
    if (add_parameter(&url, "direct_download", download->direct ? "true" : NULL) < 0 ||
        add_headers(&headers, download->token) < 0) {
        (void) snprintf(ret->message, sizeof(ret->message), "out of memory");
        return;
    }
    request.url = url;
    request.headers = headers;
    exchange_ask(&request, &answer);
    judge_download(&answer, ret);
}
