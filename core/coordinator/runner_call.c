/* core/coordinator/runner_call.c - see runner_call.h. */
#include "core/coordinator/runner_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/token.h"
#include "core/base/when.h"

#define ANSWER_MAX ((size_t) 64 * 1024)
#define SHOWN_MAX 300

struct runner_call {
    int success;
    bool reads; /* the body of a success */
    coordinator_runner_fn fn;
    void *arg;
};

static void add_reasons(struct buf *out, json_t *reasons)
{
    for (size_t i = 0; i < json_object_array_length(reasons); i++)
        buf_addf(out, "%s%s", i == 0 ? "" : "; ",
                 json_object_get_string(json_object_array_get_idx(reasons, i)));
}

/* What GitLab says is wrong: a text, or a list of texts for each field (coordinator-protocol.md 1.1). */
static void add_message(struct buf *out, json_t *body)
{
    json_t *message = json_object_object_get(body, "message");
    bool first = true;

    if (json_object_is_type(message, json_type_string))
        buf_addf(out, ": %s", json_object_get_string(message));
    if (!json_object_is_type(message, json_type_object))
        return;
    json_object_object_foreach(message, field, reasons)
    {
        buf_addf(out, "%s%s: ", first ? ": " : ", ", field);
        first = false;
        if (json_object_is_type(reasons, json_type_array))
            add_reasons(out, reasons);
        else
            buf_add_str(out, json_object_get_string(reasons));
    }
}

static int read_runner(json_t *body, struct coordinator_runner_answer *ret)
{
    const char *expires = "";
    int64_t at_ms = 0;

    if (json_opt_i64(body, "id", 0, INT64_MAX, &ret->id, NULL) < 0 ||
        json_opt_str(body, "token", &ret->token, NULL) < 0 ||
        json_opt_str(body, "token_expires_at", &expires, NULL) < 0 ||
        (*ret->token && !token_is_sound(ret->token)) ||
        (*expires && when_parse(expires, NULL, &at_ms) < 0))
        return -EINVAL;
    ret->expires_ms = MAX(at_ms, (int64_t) 0);
    return 0;
}

static void take_runner(json_t *body, int success, struct coordinator_runner_answer *answer)
{
    const char *why = NULL;

    if (!json_object_is_type(body, json_type_object))
        why = "the answer is no JSON object";
    else if (read_runner(body, answer) < 0 || (success == 201 && str_empty(answer->token)))
        why = "the answer names no token";
    if (why)
        *answer = (struct coordinator_runner_answer) { .status = COORDINATOR_TRANSPORT_ERROR,
                                                       .token = "",
                                                       .message = why };
}

static void on_answer(struct coordinator_call *call, const struct call_answer *reply)
{
    const struct runner_call *extra = call_extra(call);
    struct coordinator_runner_answer answer = { .status = reply->status,
                                                .token = "",
                                                .message = reply->message };
    autobuf struct buf message = BUF_INIT, shown = BUF_INIT;
    autojson json_t *body = NULL;

    (void) json_parse(reply->body, reply->body_len, &body, NULL);
    if (reply->status == extra->success) {
        if (extra->reads)
            take_runner(body, extra->success, &answer);
    } else if (json_object_is_type(body, json_type_object)) {
        buf_add_str(&message, reply->message);
        add_message(&message, body);
        str_display(&shown, buf_str(&message), message.len, SHOWN_MAX);
        answer.message = buf_str(&shown);
    }
    extra->fn(extra->arg, &answer);
}

int runner_call(struct coordinator_client *client, const struct coordinator_host *host,
                struct call_request *request, int success, coordinator_runner_fn fn, void *arg,
                struct coordinator_call **ret, struct error *err)
{
    struct runner_call *extra = mem_zero(sizeof(*extra));

    if (!extra) {
        buf_done(&request->body);
        return error_set(err, -ENOMEM, "asking GitLab: out of memory");
    }
    *extra = (struct runner_call) {
        .success = success, .reads = request->accept_json, .fn = fn, .arg = arg
    };
    request->pool = POOL_REPORTS;
    request->content_type = "application/json";
    request->body_max = ANSWER_MAX;
    return call_start(client, host, request, on_answer, extra, ret, err);
}
