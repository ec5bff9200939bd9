/* core/transfer/follow.c - redirects by hand, and the attempts of coordinator-protocol.md 1.1
 * (exchange.h). */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/http.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "core/transfer/exchange.h"
#include "core/transfer/redirect.h"

/* Those of a request without a body; one with a body is its caller's to send elsewhere. */
static bool is_redirected(const struct exchange_request *request,
                          const struct exchange_answer *answer)
{
    int status = answer->status;

    return !request->source && answer->location &&
           ((status >= 301 && status <= 303) || status == 307 || status == 308);
}

static void refuse(struct exchange_answer *answer, const char *why)
{
    exchange_answer_done(answer);
    answer->gave_up = true;
    (void) str_cut(answer->error, sizeof(answer->error), why);
}

/* Our headers and certificate stay with the first origin; once left, they do not come back. */
static void leave_origin(struct exchange_request *hop, struct outcome_tls *tls)
{
    hop->headers = NULL;
    tls->cert_file = tls->key_file = NULL;
}

static void ask_following(const struct exchange_request *request, struct exchange_answer *answer)
{
    struct exchange_request hop = *request;
    struct outcome_tls tls = request->tls ? *request->tls : (struct outcome_tls) { 0 };
    char *at = NULL;

    hop.tls = &tls;
    exchange_once(&hop, answer);
    for (int hops = 0; is_redirected(request, answer); hops++) {
        char *target = NULL;
        struct error err;

        if (hops == REDIRECT_MAX) {
            refuse(answer, "redirected more than 5 times");
            break;
        }
        if (redirect_target(hop.url, answer->location, &target, &err) < 0) {
            refuse(answer, err.message);
            break;
        }
        if (!http_same_origin(hop.url, target))
            leave_origin(&hop, &tls);
        curl_free(at);
        hop.url = at = target;
        exchange_once(&hop, answer);
    }
    curl_free(at);
}

static bool rewind_source(const struct exchange_request *request)
{
    const struct outcome_source *source = request->source;

    return !source || (source->rewind && source->rewind(source->arg) == 0);
}

void exchange_ask(const struct exchange_request *request, struct exchange_answer *answer)
{
    ask_following(request, answer);
    for (int attempt = 1; attempt < request->attempts && http_retryable(answer->status);
         attempt++) {
        int64_t wait = http_retry_wait_ms(attempt, answer->rate_limit_reset, answer->retry_after,
                                          clock_wall_ms(&clock_system), &rng_system);

        clock_sleep_ms(fault_limit_ms("transfer_pause", wait));
        if (!rewind_source(request)) {
            refuse(answer, "the archive can't be sent a second time");
            return;
        }
        ask_following(request, answer);
    }
}

/* The text of the first element with that name, as far as it fits; "" where there is none. */
static void element_text(const char *xml, const char *name, char *dst, size_t size)
{
    char tag[32];
    const char *at;

    dst[0] = '\0';
    (void) snprintf(tag, sizeof(tag), "<%s>", name);
    at = strstr(xml, tag);
    if (at)
        (void) snprintf(dst, size, "%.*s", (int) MIN(strcspn(at + strlen(tag), "<"), size - 1),
                        at + strlen(tag));
}

void exchange_describe(const struct exchange_answer *answer, char *dst, size_t size)
{
    autobuf struct buf text = BUF_INIT;
    char code[64], message[128];

    element_text(buf_str(&answer->body), "Code", code, sizeof(code));
    element_text(buf_str(&answer->body), "Message", message, sizeof(message));
    str_display(&text, answer->status_line, strlen(answer->status_line),
                sizeof(answer->status_line));
    if (*code) {
        buf_add_str(&text, " (");
        str_display(&text, code, strlen(code), sizeof(code));
        buf_add_str(&text, ": ");
        str_display(&text, message, strlen(message), sizeof(message));
        buf_add_char(&text, ')');
    }
    (void) str_cut(dst, size, buf_str(&text));
}

void exchange_tell(const struct exchange_answer *answer, struct outcome *ret)
{
    *ret = (struct outcome) { .result = answer->gave_up ? OUTCOME_FAILED : OUTCOME_RETRY,
                              .status = answer->status,
                              .bytes = answer->bytes,
                              .modified_s = answer->modified_s };
    (void) str_cut(ret->status_line, sizeof(ret->status_line), answer->status_line);
    (void) str_cut(ret->host, sizeof(ret->host), answer->host);
    (void) str_cut(ret->request_id, sizeof(ret->request_id), answer->request_id);
    (void) str_cut(ret->message, sizeof(ret->message), answer->error);
}
