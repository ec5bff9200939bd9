/* sdk/lib/aws_client.c - see aws_client.h. */
#include "sdk/lib/aws_client.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/ask.h"
#include "sdk/lib/attempts.h"
#include "sdk/lib/aws_endpoint.h"
#include "sdk/lib/aws_error.h"
#include "sdk/lib/aws_sign.h"
#include "sdk/lib/json.h"
#include "sdk/lib/xml.h"

#define ATTEMPT_MS 20000
#define URL_MAX 512
#define SHOWN_MAX 512 /* of what a service says */
#define HEADERS_MAX 8
#define SKEW_MIN_S 60 /* AWS takes 5 minutes and more; less than this is no reason to refuse */

struct flt_aws_client {
    struct flt_aws_client_settings settings;
    char *region, *endpoint, *ca_file;
    struct flt_aws_chain *chain;
    struct flt_http *http;
    struct flt_retry_budget budget;
    int64_t skew_s; /* what AWS's clock is ahead of ours */
    int has_warned; /* of that */
};

/* A call of either protocol on its way. */
struct call {
    struct flt_aws_client *client;
    const char *service, *action;
    const char *headers[2]; /* "Content-Type: ..." and what else the protocol wants */
    size_t n_headers;
    char *body;
    struct flt_attempts attempts;
    const char *final; /* as flt_aws_call.final */
    struct flt_aws_error *error;
    /* Reads the answer into ret; -1 with a sentence when it is not what was asked for. */
    int (*read)(struct call *call, const struct flt_http_answer *answer, char *why);
    void *ret;

    int has_renewed, has_set_clock; /* each is tried once */
};

struct flt_aws_client *flt_aws_client_new(const struct flt_aws_client_settings *settings,
                                          struct flt_aws_chain *chain)
{
    struct flt_aws_client *client = calloc(1, sizeof(*client));
    const char *ca_file = settings->ca_file ? settings->ca_file : getenv("AWS_CA_BUNDLE");

    if (!client)
        return NULL;
    client->settings = *settings;
    client->chain = chain;
    client->region = strdup(settings->region);
    client->endpoint = settings->endpoint ? strdup(settings->endpoint) : NULL;
    client->ca_file = ca_file && *ca_file ? strdup(ca_file) : NULL;
    client->http = flt_http_new(settings->user_agent);
    if (client->region && client->http && (client->endpoint || !settings->endpoint) &&
        (client->ca_file || !ca_file || !*ca_file))
        return client;
    flt_aws_client_free(client);
    return NULL;
}

void flt_aws_client_free(struct flt_aws_client *client)
{
    if (!client)
        return;
    flt_http_free(client->http);
    free(client->region);
    free(client->endpoint);
    free(client->ca_file);
    free(client);
}

int64_t flt_aws_client_skew_ms(const struct flt_aws_client *client)
{
    return client->skew_s * 1000;
}

static int64_t own_clock_s(const struct flt_aws_client *client)
{
    return flt_clock_s(client->settings.now_s, client->settings.arg);
}

static int make_url(const struct call *call, char *url, char *why)
{
    const struct flt_aws_client *client = call->client;
    const struct flt_aws_endpoint endpoint = { .service = call->service,
                                               .region = client->region,
                                               .dual_stack = client->settings.dual_stack,
                                               .fips = client->settings.fips };
    size_t len;

    if (!client->endpoint) {
        if (flt_aws_endpoint(&endpoint, url, URL_MAX - 1, why) < 0)
            return -1;
        len = strlen(url);
    } else {
        for (len = strlen(client->endpoint); len > 0 && client->endpoint[len - 1] == '/';)
            len--;
        if (len + 2 > URL_MAX) {
            (void) snprintf(why, FLT_ERROR_MAX, "the endpoint is too long");
            return -1;
        }
        memcpy(url, client->endpoint, len);
    }
    memcpy(url + len, "/", 2);
    return 0;
}

static int32_t sign(struct call *call, const struct flt_aws_keys *keys, const char *url,
                    struct flt_signed_url *ret)
{
    const struct flt_aws_signer signer = { .service = call->service,
                                           .region = call->client->region,
                                           .access_key = keys->access_key,
                                           .secret_key = keys->secret_key,
                                           .session_token = keys->session_token,
                                           .now_s =
                                               own_clock_s(call->client) + call->client->skew_s };
    const struct flt_aws_request request = { .method = "POST",
                                             .url = url,
                                             .headers = call->headers,
                                             .n_headers = call->n_headers,
                                             .body = call->body,
                                             .body_len = strlen(call->body) };

    if (flt_aws_sign(&signer, &request, ret) == 0)
        return FLT_OK;
    return flt_attempts_fail(&call->attempts, FLT_E_INVALID,
                             "cannot be signed for %s with the keys of %s", url,
                             keys->source ? keys->source : "this client");
}

static int32_t send_signed(struct call *call, const char *url,
                           const struct flt_signed_url *signature, struct flt_http_answer *answer)
{
    const char *headers[HEADERS_MAX];
    struct flt_http_request request = { .method = "POST",
                                        .url = url,
                                        .headers = headers,
                                        .body = call->body,
                                        .body_len = strlen(call->body),
                                        .ca_file = call->client->ca_file,
                                        .once = !call->attempts.repeatable,
                                        .timeout_ms = call->client->settings.attempt_ms > 0
                                                          ? call->client->settings.attempt_ms
                                                          : ATTEMPT_MS };
    char why[FLT_HTTP_ERROR_MAX];
    int32_t r;

    for (size_t i = 0; i < call->n_headers; i++)
        headers[request.n_headers++] = call->headers[i];
    for (size_t i = 0; i < signature->n_headers; i++)
        headers[request.n_headers++] = signature->headers[i];
    r = flt_http_do(call->client->http, &request, call->attempts.watch, answer, why);
    return r == FLT_OK ? r : flt_attempts_fail(&call->attempts, r, "%s", why);
}

/* FLT_OK with an answer of whatever status. */
static int32_t ask(struct call *call, const struct flt_aws_keys **ret_keys,
                   struct flt_http_answer *answer)
{
    struct flt_aws_client *client = call->client;
    struct flt_signed_url signature = { 0 };
    char url[URL_MAX], why[FLT_HTTP_ERROR_MAX] = "";
    int32_t r;

    if (make_url(call, url, why) < 0)
        return flt_attempts_fail(&call->attempts, FLT_E_INVALID, "%s", why);
    r = flt_aws_chain_keys(client->chain, client->http, call->attempts.watch, ret_keys, why);
    if (r != FLT_OK)
        return flt_attempts_fail(&call->attempts, r, "%s", why);
    r = sign(call, *ret_keys, url, &signature);
    if (r == FLT_OK)
        r = send_signed(call, url, &signature, answer);
    flt_signed_url_done(&signature);
    return r;
}

static int32_t tell_fault(struct call *call, const struct flt_aws_keys *keys,
                          struct flt_aws_fault *fault, const struct flt_verdict *verdict)
{
    const char *code = *fault->code ? fault->code : "no code", *advice = verdict->advice;
    char right[256];

    flt_text_clean(fault->message, SHOWN_MAX);
    if (verdict->result == FLT_E_AUTH && !advice) {
        (void) snprintf(right, sizeof(right), "grant the right %s:%s to whose keys these are: %s",
                        call->service, call->action, keys->source ? keys->source : "this client");
        advice = right;
    }
    return flt_attempts_fail(&call->attempts, verdict->result, "%s%s%s (HTTP %ld)%s%s", code,
                             *fault->message ? ": " : "", fault->message, fault->status,
                             advice ? "; " : "", advice ? advice : "");
}

static void tell_clock(const struct call *call)
{
    struct flt_aws_client *client = call->client;
    const struct flt_aws_client_settings *settings = &client->settings;
    long long skew_s = client->skew_s;
    char text[FLT_ERROR_MAX];

    (void) snprintf(text, sizeof(text),
                    "this machine's clock is %lld s %s AWS's, which is allowed for: set it right, "
                    "by NTP",
                    skew_s < 0 ? -skew_s : skew_s, skew_s < 0 ? "ahead of" : "behind");
    if (settings->warn && !client->has_warned)
        settings->warn(settings->arg, text);
    else
        flt_attempts_say(&call->attempts, "%s", text);
    client->has_warned = 1;
}

static int is_skew(int64_t seconds)
{
    return seconds >= SKEW_MIN_S || seconds <= -SKEW_MIN_S;
}

/* 1 when our clock was wrong: the next attempt tells another time. */
static int set_clock(const struct call *call, const struct flt_http_answer *answer)
{
    struct flt_aws_client *client = call->client;
    int64_t skew_s = answer->date_s - own_clock_s(client);

    if (answer->date_s == 0 || !is_skew(skew_s - client->skew_s))
        return 0;
    client->skew_s = is_skew(skew_s) ? skew_s : 0; /* it was put right */
    if (client->skew_s != 0)
        tell_clock(call);
    return 1;
}

/* FLT_OK when the answer is what was asked for. */
static int32_t judge(struct call *call, const struct flt_aws_keys *keys,
                     const struct flt_http_answer *answer, struct flt_verdict *ret)
{
    struct flt_aws_fault fault;
    char why[FLT_ERROR_MAX];

    call->error->status = answer->status;
    if (answer->status / 100 == 2) {
        if (call->read(call, answer, why) == 0) {
            (void) set_clock(call, answer); /* before it is so wrong that AWS refuses */
            return FLT_OK;
        }
        call->attempts.maybe_done = 1;
        *ret = (struct flt_verdict) { .result = FLT_E_UNAVAILABLE, .is_transient = 1 };
        return flt_attempts_fail(&call->attempts, FLT_E_UNAVAILABLE,
                                 "the answer cannot be read: %s", why);
    }
    flt_aws_fault_read(answer, &fault);
    flt_blot_out(fault.message, keys->secret_key);
    flt_blot_out(fault.message, keys->session_token);
    *ret = flt_aws_judge(&fault);
    (void) snprintf(call->error->code, sizeof(call->error->code), "%s", fault.code);
    call->attempts.maybe_done |= !ret->is_refused;
    if (call->final && strcmp(fault.code, call->final) == 0)
        ret->is_transient = 0;
    return tell_fault(call, keys, &fault, ret);
}

static int try_other_clock(struct call *call, const struct flt_http_answer *answer)
{
    if (call->has_set_clock)
        return 0;
    call->has_set_clock = 1;
    return set_clock(call, answer);
}

static int renew_keys(struct call *call)
{
    if (call->has_renewed)
        return 0;
    call->has_renewed = 1;
    flt_aws_chain_forget(call->client->chain);
    flt_attempts_say(&call->attempts, "%s; asking for new credentials", call->attempts.text);
    return 1;
}

static int32_t once(void *arg, struct flt_http_answer *answer, struct flt_verdict *verdict,
                    int *ret_again)
{
    struct call *call = arg;
    const struct flt_aws_keys *keys = NULL;
    int32_t r;

    call->error->code[0] = '\0';
    call->error->status = 0;
    r = ask(call, &keys, answer);
    if (r != FLT_OK || !keys)
        return flt_attempts_lost(&call->attempts, r, answer->sent, verdict);
    r = judge(call, keys, answer, verdict);
    *ret_again = r != FLT_OK && ((verdict->is_clock && try_other_clock(call, answer)) ||
                                 (verdict->is_key_refused && renew_keys(call)));
    return r;
}

/* Takes the body. */
static int32_t run(struct call *call, int repeatable, const struct flt_watch *watch)
{
    struct flt_aws_client *client = call->client;
    char shown[512];
    int32_t r;

    (void) snprintf(shown, sizeof(shown), "%s %s in %s", call->service, call->action,
                    client->region);
    call->attempts = (struct flt_attempts) { .shown = shown,
                                             .repeatable = repeatable,
                                             .watch = watch,
                                             .budget = &client->budget,
                                             .may_retry = client->settings.may_retry,
                                             .random = client->settings.random,
                                             .log = client->settings.log,
                                             .arg = client->settings.arg };
    *call->error = (struct flt_aws_error) { 0 };
    r = call->body ? flt_attempts_run(&call->attempts, once, call)
                   : flt_attempts_fail(&call->attempts, FLT_E_INTERNAL, "out of memory");
    (void) snprintf(call->error->text, sizeof(call->error->text), "%s", call->attempts.text);
    call->error->retry_after_ms = call->attempts.retry_after_ms;
    call->error->maybe_done = call->attempts.maybe_done;
    free(call->body);
    return r;
}

static char *make_form(const struct flt_aws_call *asked)
{
    struct flt_text text;

    flt_text_open(&text);
    flt_text_add(&text, "Action=%s&Version=%s", asked->action, asked->version);
    for (size_t i = 0; i < asked->n_params; i++) {
        flt_text_add(&text, "&");
        flt_text_add_encoded(&text, asked->params[i].name, 0);
        flt_text_add(&text, "=");
        flt_text_add_encoded(&text, asked->params[i].value, 0);
    }
    return flt_text_take(&text);
}

/* "SetDesiredCapacityResponse": a page of something in between is no answer, or a change that nobody made would pass
 * for done. */
static int is_answer_to(const char *action, const char *name)
{
    size_t len = strlen(action);

    return strncmp(name, action, len) == 0 && strcmp(name + len, "Response") == 0;
}

static int read_xml(struct call *call, const struct flt_http_answer *answer, char *why)
{
    xmlDocPtr *ret = call->ret;
    const char *name;

    *ret = flt_xml_parse(answer->body, answer->len, why);
    if (!*ret)
        return -1;
    name = (const char *) flt_xml_root(*ret)->name;
    if (is_answer_to(call->action, name))
        return 0;
    (void) snprintf(why, FLT_ERROR_MAX, "it is <%.64s>, not <%.64sResponse>", name, call->action);
    xmlFreeDoc(*ret);
    *ret = NULL;
    return -1;
}

int32_t flt_aws_query(struct flt_aws_client *client, const struct flt_aws_call *asked,
                      const struct flt_watch *watch, xmlDocPtr *ret, struct flt_aws_error *error)
{
    struct call call = { .client = client,
                         .service = asked->service,
                         .action = asked->action,
                         .headers = { "Content-Type: application/x-www-form-urlencoded; "
                                      "charset=utf-8" },
                         .n_headers = 1,
                         .body = make_form(asked),
                         .final = asked->final,
                         .error = error,
                         .read = read_xml,
                         .ret = ret };

    *ret = NULL;
    return run(&call, asked->repeatable, watch);
}

static int read_json(struct call *call, const struct flt_http_answer *answer, char *why)
{
    return flt_json_parse(answer->body, answer->len, call->ret, why);
}

int32_t flt_aws_json(struct flt_aws_client *client, const char *service, const char *target,
                     struct json_object *body, int repeatable, const struct flt_watch *watch,
                     struct json_object **ret, struct flt_aws_error *error)
{
    const char *action = strchr(target, '.');
    char header[256];
    struct call call = { .client = client,
                         .service = service,
                         .action = action ? action + 1 : target,
                         .headers = { "Content-Type: application/x-amz-json-1.1", header },
                         .n_headers = 2,
                         .body =
                             strdup(json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN)),
                         .error = error,
                         .read = read_json,
                         .ret = ret };

    *ret = NULL;
    (void) snprintf(header, sizeof(header), "X-Amz-Target: %s", target);
    return run(&call, repeatable, watch);
}
