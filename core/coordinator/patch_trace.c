/* core/coordinator/patch_trace.c - PATCH jobs/ID/trace: a piece of a job's log at its offset
 * (coordinator-protocol.md 1.8). */
#include <errno.h>
#include <inttypes.h>

#include "core/base/mem.h"
#include "core/coordinator/call.h"

#define ANSWER_MAX ((size_t) 4 * 1024 * 1024)

struct patch_trace {
    coordinator_patch_fn fn;
    void *arg;
    int64_t offset;
    size_t len;
};

static void on_answer(struct coordinator_call *call, const struct call_answer *reply)
{
    const struct patch_trace *extra = call_extra(call);
    struct patch_outcome outcome;

    rules_patch(reply->status, &reply->headers, extra->offset, extra->len, &outcome);
    if (reply->status < 0)
        (void) snprintf(outcome.message, sizeof(outcome.message), "%.255s", reply->message);
    extra->fn(extra->arg, &outcome);
}

int coordinator_patch_trace(struct coordinator_client *client, const struct coordinator_host *host,
                            int64_t job_id, const char *token, int64_t offset, const void *data,
                            size_t len, bool debug_trace, coordinator_patch_fn fn, void *arg,
                            struct coordinator_call **ret, struct error *err)
{
    struct patch_trace *extra = mem_zero(sizeof(*extra));
    struct call_request request = { .pool = POOL_REPORTS,
                                    .method = "PATCH",
                                    .endpoint = "patch_trace",
                                    .token_header = "JOB-TOKEN",
                                    .token = token,
                                    .content_type = "text/plain",
                                    .body = BUF_SECRET,
                                    .body_max = ANSWER_MAX };
    char path[96], range[64];

    if (!extra)
        return error_set(err, -ENOMEM, "sending a log: out of memory");
    *extra = (struct patch_trace) { fn, arg, offset, len };
    (void) snprintf(path, sizeof(path), "jobs/%" PRId64 "/trace?debug_trace=%s", job_id,
                    debug_trace ? "true" : "false");
    (void) snprintf(range, sizeof(range), "%" PRId64 "-%" PRId64, offset,
                    offset + (int64_t) len - 1);
    request.path = path;
    request.content_range = range;
    buf_add(&request.body, data, len);
    return call_start(client, host, &request, on_answer, extra, ret, err);
}
