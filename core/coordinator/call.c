/* core/coordinator/call.c - one exchange with GitLab: built, tried five times, answered
 * (call.h). client.c brings it to libcurl and the loop. */
#include "core/coordinator/call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/http.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/coordinator/client_parts.h"
#include "core/transfer/easy.h"

#define REQUEST_TIMEOUT_MS (10 * 60 * 1000L)
#define CONNECTION_MAX_AGE_MS (15 * 60 * 1000)
#define CERTIFICATES_AGAIN_S 60L

enum header {
    HEADER_JOB_STATUS,
    HEADER_UPDATE_INTERVAL,
    HEADER_RANGE,
    HEADER_RETRY_AFTER,
    HEADER_RATE_LIMIT_RESET,
    HEADER_LAST_UPDATE,
    HEADER_CONTENT_TYPE,
    HEADER_COUNT
};
static const char *const header_names[HEADER_COUNT] = {
    "job-status",          "x-gitlab-trace-update-interval", "range",       "retry-after",
    "ratelimit-resettime", "x-gitlab-last-update",           "content-type"
};

struct coordinator_call {
    struct coordinator_client *client;
    struct coordinator_call *next;
    CURL *easy;
    struct chain *chain; /* the client's; NULL = http */
    enum pool pool;
    struct curl_slist *headers;
    struct buf request_body, body;
    size_t body_max;
    char values[HEADER_COUNT][256];
    char error[CURL_ERROR_SIZE];
    int attempts;
    int64_t owner;
    const char *method, *endpoint;
    int64_t begun_mono;
    bool in_multi, body_too_long, cancelled;
    uv_timer_t retry;
    call_fn fn;
    void *extra;
};

static void on_call_closed(uv_handle_t *handle)
{
    struct coordinator_call *call = handle->data;

    free(call->extra);
    free(call);
}

/* Everything but the memory, which the retry timer still needs until the loop has closed it. */
static void end_call(struct coordinator_call *call)
{
    struct coordinator_client *client = call->client;

    for (struct coordinator_call **at = &client->calls; *at; at = &(*at)->next)
        if (*at == call) {
            *at = call->next;
            break;
        }
    if (call->in_multi)
        (void) curl_multi_remove_handle(client->multi[call->pool], call->easy);
    curl_easy_cleanup(call->easy);
    easy_free_headers(&call->headers);
    buf_done(&call->request_body);
    buf_done(&call->body);
    uv_close((uv_handle_t *) &call->retry, on_call_closed);
}

void coordinator_call_cancel(struct coordinator_call *call)
{
    if (!call || call->cancelled)
        return;
    call->cancelled = true;
    end_call(call);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct coordinator_call *call = arg;
    size_t len = size * n;

    if (call->body.len + len > call->body_max) {
        call->body_too_long = true;
        return 0;
    }
    buf_add(&call->body, data, len);
    return buf_error(&call->body) ? 0 : len;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct coordinator_call *call = arg;
    size_t len = size * n, name_len, start, end = len;

    if (len > 5 && strncmp(data, "HTTP/", 5) == 0)
        memset(call->values, 0, sizeof(call->values)); /* a new answer, as after 100 Continue */
    for (name_len = 0; name_len < len && data[name_len] != ':'; name_len++)
        continue;
    if (name_len == len)
        return len;
    for (start = name_len + 1; start < len && data[start] == ' '; start++)
        continue;
    while (end > start && (unsigned char) data[end - 1] <= ' ')
        end--;
    for (size_t i = 0; i < HEADER_COUNT; i++) {
        if (strlen(header_names[i]) != name_len ||
            strncasecmp(header_names[i], data, name_len) != 0 ||
            end - start >= sizeof(call->values[i]))
            continue;
        memcpy(call->values[i], data + start, end - start);
        call->values[i][end - start] = '\0';
    }
    return len;
}

static int add_headers(struct coordinator_call *call, const struct call_request *request)
{
    struct curl_slist **headers = &call->headers;
    char id[33];
    int r;

    rng_hex(&rng_system, id, 16);
    r = easy_add_header(headers, "X-Request-Id: %s", id);
    if (r == 0)
        r = easy_add_header(headers, "Content-Type: %s", request->content_type);
    if (r == 0)
        r = easy_add_header(headers, "Expect:");
    if (r == 0 && request->accept_json)
        r = easy_add_header(headers, "Accept: application/json");
    if (r == 0 && !str_empty(request->token))
        r = easy_add_header(headers, "%s: %s", request->token_header, request->token);
    if (r == 0 && request->content_range)
        r = easy_add_header(headers, "Content-Range: %s", request->content_range);
    return r;
}

/* hardening.md N10: a network that went silent must not hold the few connections of all jobs. */
static long low_speed_time_s(void)
{
    return (long) (fault_limit_ms("report_silence", EASY_SILENCE_MS) / 1000);
}

static long connection_age_s(const struct coordinator_host *host)
{
    int64_t ms = host->connection_max_age_ms > 0 ? host->connection_max_age_ms : INT64_MAX;

    return (long) MAX(MIN(ms, (int64_t) CONNECTION_MAX_AGE_MS) / 1000, (int64_t) 1);
}

/* A file that is configured is read beside the system's directory of certificates; one that was replaced
 * is noticed with the next connections. */
static void set_tls(CURL *easy, const struct coordinator_host *host)
{
    (void) curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CERTIFICATES_AGAIN_S);
    if (!str_empty(host->tls_ca_file))
        (void) curl_easy_setopt(easy, CURLOPT_CAINFO, host->tls_ca_file);
    if (!str_empty(host->tls_cert_file) && !str_empty(host->tls_key_file)) {
        (void) curl_easy_setopt(easy, CURLOPT_SSLCERT, host->tls_cert_file);
        (void) curl_easy_setopt(easy, CURLOPT_SSLKEY, host->tls_key_file);
    }
}

static void set_options(struct coordinator_call *call, const struct coordinator_host *host,
                        const struct call_request *request, const char *url)
{
    CURL *easy = call->easy;

    easy_set_common(easy, url);
    (void) curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    (void) curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    (void) curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                            call->request_body.data ? call->request_body.data : "");
    (void) curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) call->request_body.len);
    (void) curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    (void) curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    (void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, REQUEST_TIMEOUT_MS);
    if (call->pool == POOL_REPORTS) { /* a parked request is silent on purpose */
        (void) curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void) curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, low_speed_time_s());
    }
    (void) curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, connection_age_s(host));
    (void) curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, connection_age_s(host));
    (void) curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
    (void) curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 16384L);
    (void) curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    /* One HTTP/2 connection for all parked requests instead of one each. */
    (void) curl_easy_setopt(easy, CURLOPT_PIPEWAIT, str_starts(url, "https://") ? 1L : 0L);
    set_tls(easy, host);
    if (str_starts(url, "https://"))
        call->chain = chain_of(&call->client->chains, url);
    if (call->chain)
        chain_watch(call->chain, easy);
}

static void fill_headers(const struct coordinator_call *call, struct answer_headers *ret)
{
    *ret = (struct answer_headers) { .job_status = call->values[HEADER_JOB_STATUS],
                                     .update_interval = call->values[HEADER_UPDATE_INTERVAL],
                                     .range = call->values[HEADER_RANGE] };
}

static void tell_ended(const struct coordinator_call *call, int status)
{
    const struct coordinator_ended ended = {
        .owner = call->owner,
        .endpoint = call->endpoint ? call->endpoint : "",
        .method = call->method,
        .status = status,
        .attempts = call->attempts,
        .seconds = (double) (clock_mono_ms(&clock_system) - call->begun_mono) / 1000,
    };

    if (call->client->on_ended)
        call->client->on_ended(call->client->ended_arg, &ended);
}

static void answer_call(struct coordinator_call *call, CURLcode result, long status)
{
    struct call_answer answer = { .status = result == CURLE_OK ? (int) status
                                                               : COORDINATOR_TRANSPORT_ERROR,
                                  .last_update = call->values[HEADER_LAST_UPDATE],
                                  .content_type = call->values[HEADER_CONTENT_TYPE],
                                  .body = buf_str(&call->body),
                                  .body_len = call->body.len,
                                  .attempts = call->attempts };
    char message[512];

    fill_headers(call, &answer.headers);
    if (call->body_too_long)
        (void) snprintf(message, sizeof(message), "the answer is longer than %zu bytes",
                        call->body_max);
    else if (result != CURLE_OK)
        (void) snprintf(message, sizeof(message), "%s",
                        *call->error ? call->error : curl_easy_strerror(result));
    else if (status >= 300 && status < 400)
        (void) snprintf(message, sizeof(message),
                        "status %ld: redirected; correct the url in the configuration", status);
    else
        (void) snprintf(message, sizeof(message), "status %ld", status);
    answer.message = message;
    tell_ended(call, answer.status);
    call->cancelled = true; /* its owner may not cancel it any more */
    call->fn(call, &answer);
    end_call(call);
}

static void begin_attempt(struct coordinator_call *call)
{
    buf_clear(&call->body);
    memset(call->values, 0, sizeof(call->values));
    call->error[0] = '\0';
    call->body_too_long = false;
    call->attempts++;
    call->in_multi = true;
    (void) curl_multi_add_handle(call->client->multi[call->pool], call->easy);
}

static void on_retry(uv_timer_t *timer)
{
    begin_attempt(timer->data);
}

static void finish_attempt(struct coordinator_call *call, CURLcode result)
{
    long status = 0;

    (void) curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    (void) curl_multi_remove_handle(call->client->multi[call->pool], call->easy);
    call->in_multi = false;
    if (result == CURLE_OK && call->chain)
        chain_note_answer(call->chain);
    if (result == CURLE_OK && http_retryable((int) status) && call->attempts < HTTP_ATTEMPTS) {
        int64_t wait = http_retry_wait_ms(call->attempts, call->values[HEADER_RATE_LIMIT_RESET],
                                          call->values[HEADER_RETRY_AFTER],
                                          clock_wall_ms(&clock_system), &rng_system);

        (void) uv_timer_start(&call->retry, on_retry, (uint64_t) wait, 0);
        return;
    }
    answer_call(call, result, status);
}

static void on_rest(uv_timer_t *timer)
{
    for (size_t i = 0; i < POOL_COUNT; i++)
        call_reap(timer->data, (enum pool) i);
}

/* Else the rest is for another turn: what else the loop waits for must not wait for all of them. */
static bool may_answer(struct coordinator_client *client, enum pool pool)
{
    if (client->turn[pool] != uv_now(client->loop))
        client->n_answers[pool] = 0;
    client->turn[pool] = uv_now(client->loop);
    if (client->n_answers[pool]++ < ANSWERS_A_TURN)
        return true;
    (void) uv_timer_start(&client->rest, on_rest, 1, 0);
    return false;
}

void call_reap(struct coordinator_client *client, enum pool pool)
{
    CURLMsg *message;
    int left;

    while (client->multi[pool] && may_answer(client, pool) &&
           (message = curl_multi_info_read(client->multi[pool], &left))) {
        struct coordinator_call *call = NULL;
        CURLcode result = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &call);
        finish_attempt(call, result);
    }
}

void *call_extra(struct coordinator_call *call)
{
    return call->extra;
}

static struct coordinator_call *call_new(struct coordinator_client *client,
                                         struct call_request *request, call_fn fn, void *extra)
{
    struct coordinator_call *call = mem_zero(sizeof(*call));

    if (!call || !(call->easy = curl_easy_init())) {
        free(call);
        return NULL;
    }
    call->client = client;
    call->pool = request->pool;
    call->request_body = request->body;
    request->body = BUF_INIT;
    call->body.secret = true;
    call->body_max = request->body_max;
    call->fn = fn;
    call->extra = extra;
    call->method = request->method;
    call->endpoint = request->endpoint;
    call->begun_mono = clock_mono_ms(&clock_system);
    (void) uv_timer_init(client->loop, &call->retry);
    call->retry.data = call;
    call->next = client->calls;
    client->calls = call;
    return call;
}

static int build_url(const struct coordinator_host *host, const char *path, char *url, size_t size,
                     struct error *err)
{
    char base[1024];

    if (http_api_url(host->url, base, sizeof(base)) < 0 ||
        snprintf(url, size, "%s%s", base, path) >= (int) size)
        return error_set(err, -EINVAL,
                         "url '%s': must begin with http:// or https:// and name a host",
                         host->url);
    return 0;
}

int call_start(struct coordinator_client *client, const struct coordinator_host *host,
               struct call_request *request, call_fn fn, void *extra, struct coordinator_call **ret,
               struct error *err)
{
    char url[2048];
    struct coordinator_call *call = NULL;
    int r = build_url(host, request->path, url, sizeof(url), err);

    if (r == 0 && buf_error(&request->body) == 0)
        call = call_new(client, request, fn, extra);
    if (!call) {
        buf_done(&request->body);
        free(extra);
        return r < 0 ? r : error_set(err, -ENOMEM, "HTTP client: out of memory");
    }
    if (add_headers(call, request) < 0) {
        end_call(call);
        return error_set(err, -ENOMEM, "HTTP client: out of memory");
    }
    set_options(call, host, request, url);
    call->owner = host->owner;
    *ret = call;
    begin_attempt(call);
    return 0;
}
