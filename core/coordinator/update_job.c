/* core/coordinator/update_job.c - PUT jobs/ID: acknowledgement, sign of life, final state
 * (coordinator-protocol.md 1.7, 1.9). */
#include <errno.h>
#include <inttypes.h>

#include "core/base/crc32.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/coordinator/call.h"

#define ANSWER_MAX ((size_t) 4 * 1024 * 1024)

struct update_job {
    coordinator_update_fn fn;
    void *arg;
};

static void on_answer(struct coordinator_call *call, const struct call_answer *reply)
{
    const struct update_job *extra = call_extra(call);
    struct update_outcome outcome;

    rules_update(reply->status, &reply->headers, &outcome);
    if (reply->status < 0)
        (void) snprintf(outcome.message, sizeof(outcome.message), "%.255s", reply->message);
    extra->fn(extra->arg, &outcome);
}

static json_t *build_body(const struct coordinator_job_update *update)
{
    json_t *body = json_object_new_object(), *output = json_object_new_object();
    char checksum[15];

    if (!body || !output) {
        json_object_put(body);
        json_object_put(output);
        return NULL;
    }
    (void) json_add(body, "info", json_object_get(update->info));
    (void) json_add_str(body, "token", update->token);
    (void) json_add_str(body, "state", update->state);
    if (!str_empty(update->failure_reason))
        (void) json_add_str(body, "failure_reason", update->failure_reason);
    if (update->exit_code != 0)
        (void) json_add_i64(body, "exit_code", update->exit_code);
    if (update->has_output) {
        crc32_format(update->crc, checksum);
        (void) json_add_str(body, "checksum", checksum);
        (void) json_add_str(output, "checksum", checksum);
        if (update->size > 0)
            (void) json_add_i64(output, "bytesize", update->size);
    }
    (void) json_add(body, "output", output);
    return body;
}

int coordinator_update_job(struct coordinator_client *client, const struct coordinator_host *host,
                           const struct coordinator_job_update *update, coordinator_update_fn fn,
                           void *arg, struct coordinator_call **ret, struct error *err)
{
    struct update_job *extra = mem_zero(sizeof(*extra));
    autojson json_t *body = build_body(update);
    struct call_request request = { .pool = POOL_REPORTS,
                                    .method = "PUT",
                                    .endpoint = "update_job",
                                    .token_header = "JOB-TOKEN",
                                    .token = update->token,
                                    .content_type = "application/json",
                                    .body = BUF_SECRET,
                                    .body_max = ANSWER_MAX };
    char path[64];

    if (!extra || !body) {
        free(extra);
        return error_set(err, -ENOMEM, "updating a job: out of memory");
    }
    *extra = (struct update_job) { fn, arg };
    (void) snprintf(path, sizeof(path), "jobs/%" PRId64, update->job_id);
    request.path = path;
    buf_add_str(&request.body, json_text(body));
    return call_start(client, host, &request, on_answer, extra, ret, err);
}
