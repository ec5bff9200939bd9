/* core/coordinator/request_job.c - POST jobs/request: asks for a job, parked by GitLab until there
 * is one (coordinator-protocol.md 1.6). */
#include <errno.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/coordinator/call.h"

#define PAYLOAD_MAX ((size_t) 16 * 1024 * 1024)

struct request_job {
    coordinator_job_fn fn;
    void *arg;
};

static bool is_json(const char *content_type)
{
    size_t len = strcspn(content_type, "; ");

    return len == strlen("application/json") &&
           strncasecmp(content_type, "application/json", len) == 0;
}

static void on_answer(struct coordinator_call *call, const struct call_answer *reply)
{
    const struct request_job *extra = call_extra(call);
    struct coordinator_job_answer answer = { .status = reply->status,
                                             .last_update = reply->last_update,
                                             .message = reply->message,
                                             .repeated = reply->attempts > 1 };

    if (reply->status == 201 && !is_json(reply->content_type)) {
        answer.status = COORDINATOR_TRANSPORT_ERROR;
        answer.message = "a job came that is not application/json";
    } else if (reply->status == 201) {
        answer.body = reply->body;
        answer.body_len = reply->body_len;
    }
    extra->fn(extra->arg, &answer);
}

int coordinator_request_job(struct coordinator_client *client, const struct coordinator_host *host,
                            const char *token, const char *system_id, const char *last_update,
                            json_t *info, json_t *session, coordinator_job_fn fn, void *arg,
                            struct coordinator_call **ret, struct error *err)
{
    struct request_job *extra = mem_zero(sizeof(*extra));
    autojson json_t *body = json_object_new_object();
    struct call_request request = { .pool = POOL_POLLS,
                                    .method = "POST",
                                    .endpoint = "request_job",
                                    .path = "jobs/request",
                                    .token_header = "RUNNER-TOKEN",
                                    .token = token,
                                    .content_type = "application/json",
                                    .accept_json = true,
                                    .body = BUF_SECRET,
                                    .body_max = PAYLOAD_MAX };

    if (!extra || !body) {
        free(extra);
        return error_set(err, -ENOMEM, "asking for a job: out of memory");
    }
    *extra = (struct request_job) { fn, arg };
    (void) json_add(body, "info", json_object_get(info));
    (void) json_add_str(body, "token", token);
    if (!str_empty(system_id))
        (void) json_add_str(body, "system_id", system_id);
    (void) json_add_str(body, "last_update", last_update);
    if (session)
        (void) json_add(body, "session", json_object_get(session));
    buf_add_str(&request.body, json_text(body));
    return call_start(client, host, &request, on_answer, extra, ret, err);
}
