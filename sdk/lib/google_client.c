/* sdk/lib/google_client.c - see google_client.h. */
#include "sdk/lib/google_client.h"

#include <stdlib.h>
#include <string.h>

#include "sdk/lib/ask.h"
#include "sdk/lib/attempts.h"
#include "sdk/lib/google_error.h"
#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

#define ATTEMPT_MS 20000
#define SHOWN_MAX 512 /* of what a service says */

struct flt_google_client {
    struct flt_google_client_settings settings;
    char *endpoint, *ca_file;
    struct flt_google_chain *chain;
    struct flt_http *http;
    struct flt_retry_budget budget;
};

/* A call on its way. */
struct call {
    struct flt_google_client *client;
    const struct flt_google_call *asked;
    struct flt_attempts attempts;
    struct flt_google_error *error;
    struct json_object **ret;
    const char *body;
    int has_renewed; /* once */
};

struct flt_google_client *flt_google_client_new(const struct flt_google_client_settings *settings,
                                                struct flt_google_chain *chain)
{
    struct flt_google_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->settings = *settings;
    client->chain = chain;
    client->endpoint = settings->endpoint ? strdup(settings->endpoint) : NULL;
    client->ca_file = settings->ca_file ? strdup(settings->ca_file) : NULL;
    client->http = flt_http_new(settings->user_agent);
    if (client->http && (client->endpoint || !settings->endpoint) &&
        (client->ca_file || !settings->ca_file))
        return client;
    flt_google_client_free(client);
    return NULL;
}

void flt_google_client_free(struct flt_google_client *client)
{
    if (!client)
        return;
    flt_http_free(client->http);
    free(client->endpoint);
    free(client->ca_file);
    free(client);
}

static void add_base(struct flt_text *url, const struct call *call,
                     const struct flt_google_token *token)
{
    const char *endpoint = call->client->endpoint;
    size_t len = endpoint ? strlen(endpoint) : 0;

    while (len > 0 && endpoint[len - 1] == '/')
        len--;
    if (endpoint)
        flt_text_add(url, "%.*s", (int) len, endpoint);
    else
        flt_text_add(url, "https://%s.%s", call->asked->service, token->universe);
}

static char *make_url(const struct call *call, const struct flt_google_token *token)
{
    const struct flt_google_call *asked = call->asked;
    struct flt_text url;

    flt_text_open(&url);
    add_base(&url, call, token);
    flt_text_add(&url, "%s", asked->path);
    for (size_t i = 0; i < asked->n_params; i++) {
        flt_text_add(&url, "%s", i == 0 ? "?" : "&");
        flt_text_add_encoded(&url, asked->params[i].name, 0);
        flt_text_add(&url, "=");
        flt_text_add_encoded(&url, asked->params[i].value, 0);
    }
    return flt_text_take(&url);
}

/* The token's, and who pays. */
struct headers {
    char *token, *project;
    const char *lines[4];
    size_t n;
};

static void headers_done(struct headers *headers)
{
    flt_wipe(headers->token);
    free(headers->project);
}

static int make_headers(const struct call *call, const struct flt_google_token *token,
                        struct headers *ret)
{
    if (asprintf(&ret->token, "Authorization: Bearer %s", token->token) < 0) {
        ret->token = NULL;
        return -1;
    }
    ret->lines[ret->n++] = ret->token;
    ret->lines[ret->n++] = "Accept: application/json";
    if (call->body)
        ret->lines[ret->n++] = "Content-Type: application/json";
    if (!token->quota_project)
        return 0;
    if (asprintf(&ret->project, "x-goog-user-project: %s", token->quota_project) < 0) {
        ret->project = NULL;
        return -1;
    }
    ret->lines[ret->n++] = ret->project;
    return 0;
}

static int32_t send(struct call *call, const char *url, const struct headers *headers,
                    struct flt_http_answer *answer)
{
    const struct flt_google_client *client = call->client;
    const struct flt_http_request request = { .method = call->asked->method,
                                              .url = url,
                                              .headers = headers->lines,
                                              .n_headers = headers->n,
                                              .body = call->body,
                                              .body_len = call->body ? strlen(call->body) : 0,
                                              .ca_file = client->ca_file,
                                              .once = !call->asked->repeatable,
                                              .timeout_ms = client->settings.attempt_ms > 0
                                                                ? client->settings.attempt_ms
                                                                : ATTEMPT_MS,
                                              .max_bytes = call->asked->max_bytes };
    char why[FLT_HTTP_ERROR_MAX];
    int32_t r = flt_http_do(client->http, &request, call->attempts.watch, answer, why);

    return r == FLT_OK ? r : flt_attempts_fail(&call->attempts, r, "%s", why);
}

/* FLT_OK with an answer of whatever status. */
static int32_t ask(struct call *call, const struct flt_google_token **ret_token,
                   struct flt_http_answer *answer)
{
    struct flt_google_client *client = call->client;
    struct headers headers = { 0 };
    char why[FLT_HTTP_ERROR_MAX] = "", *url = NULL;
    int32_t r =
        flt_google_chain_token(client->chain, client->http, call->attempts.watch, ret_token, why);

    if (r != FLT_OK)
        return flt_attempts_fail(&call->attempts, r, "%s", why);
    if (client->endpoint && !flt_url_is_safe(client->endpoint, NULL, 0))
        return flt_attempts_fail(&call->attempts, FLT_E_INVALID,
                                 "the endpoint %s must be https, or http to this machine: it gets "
                                 "a token",
                                 client->endpoint);
    url = make_url(call, *ret_token);
    if (url && make_headers(call, *ret_token, &headers) == 0)
        r = send(call, url, &headers, answer);
    else
        r = flt_attempts_fail(&call->attempts, FLT_E_INTERNAL, "out of memory");
    headers_done(&headers);
    free(url);
    return r;
}

static int32_t tell_fault(struct call *call, const struct flt_google_token *token,
                          struct flt_google_fault *fault, const struct flt_verdict *verdict)
{
    const char *reason = *fault->reason ? fault->reason : "no reason", *advice = verdict->advice;
    char right[FLT_GOOGLE_REASON_MAX + 256];

    flt_text_clean(fault->message, SHOWN_MAX);
    if (verdict->result == FLT_E_AUTH && !advice) {
        (void) snprintf(right, sizeof(right), "grant the right %s to %s",
                        *fault->right ? fault->right : "for this call",
                        token->source ? token->source : "this client");
        advice = right;
    }
    return flt_attempts_fail(&call->attempts, verdict->result, "%s%s%s (HTTP %ld)%s%s", reason,
                             *fault->message ? ": " : "", fault->message, fault->status,
                             advice ? "; " : "", advice ? advice : "");
}

/* An object; nothing where the status says that there is none. */
static int read_answer(const struct call *call, const struct flt_http_answer *answer, char *why)
{
    if (answer->status == 204)
        return 0;
    if (flt_json_parse(answer->body, answer->len, call->ret, why) < 0)
        return -1;
    if (json_object_is_type(*call->ret, json_type_object))
        return 0;
    json_object_put(*call->ret);
    *call->ret = NULL;
    (void) snprintf(why, FLT_ERROR_MAX, "it is no object of JSON");
    return -1;
}

/* FLT_OK when the answer is what was asked for. */
static int32_t judge(struct call *call, const struct flt_google_token *token,
                     struct flt_http_answer *answer, struct flt_verdict *ret)
{
    struct flt_google_fault fault;
    char why[FLT_ERROR_MAX];

    call->error->status = answer->status;
    if (answer->status / 100 == 2) {
        if (read_answer(call, answer, why) == 0)
            return FLT_OK;
        call->attempts.maybe_done = 1;
        *ret = (struct flt_verdict) { .result = FLT_E_UNAVAILABLE, .is_transient = 1 };
        return flt_attempts_fail(&call->attempts, FLT_E_UNAVAILABLE,
                                 "the answer cannot be read: %s", why);
    }
    flt_google_fault_read(answer, &fault);
    flt_blot_out(fault.message, token->token);
    if (fault.retry_after_ms > answer->retry_after_ms)
        answer->retry_after_ms = fault.retry_after_ms;
    *ret = flt_google_judge(&fault);
    (void) snprintf(call->error->reason, sizeof(call->error->reason), "%s", fault.reason);
    call->attempts.maybe_done |= !ret->is_refused;
    return tell_fault(call, token, &fault, ret);
}

static int renew_token(struct call *call)
{
    if (call->has_renewed)
        return 0;
    call->has_renewed = 1;
    flt_google_chain_forget(call->client->chain);
    flt_attempts_say(&call->attempts, "%s; asking for a new token", call->attempts.text);
    return 1;
}

static int32_t once(void *arg, struct flt_http_answer *answer, struct flt_verdict *verdict,
                    int *ret_again)
{
    struct call *call = arg;
    const struct flt_google_token *token = NULL;
    int32_t r;

    call->error->reason[0] = '\0';
    call->error->status = 0;
    r = ask(call, &token, answer);
    if (r != FLT_OK || !token)
        return flt_attempts_lost(&call->attempts, r, answer->sent, verdict);
    r = judge(call, token, answer, verdict);
    *ret_again = r != FLT_OK && verdict->is_key_refused && renew_token(call);
    return r;
}

int32_t flt_google_do(struct flt_google_client *client, const struct flt_google_call *asked,
                      const struct flt_watch *watch, struct json_object **ret,
                      struct flt_google_error *error)
{
    struct call call = { .client = client,
                         .asked = asked,
                         .attempts = { .shown = asked->shown,
                                       .repeatable = asked->repeatable,
                                       .watch = watch,
                                       .budget = &client->budget,
                                       .random = client->settings.random,
                                       .log = client->settings.log,
                                       .arg = client->settings.arg },
                         .error = error,
                         .ret = ret };
    int32_t r;

    *ret = NULL;
    *error = (struct flt_google_error) { 0 };
    if (asked->body)
        call.body = json_object_to_json_string_ext(asked->body, JSON_C_TO_STRING_PLAIN |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE);
    r = call.body || !asked->body
            ? flt_attempts_run(&call.attempts, once, &call)
            : flt_attempts_fail(&call.attempts, FLT_E_INTERNAL, "out of memory");
    (void) snprintf(error->text, sizeof(error->text), "%s", call.attempts.text);
    error->retry_after_ms = call.attempts.retry_after_ms;
    error->maybe_done = call.attempts.maybe_done;
    return r;
}
