/* core/supervisor/supplier.c - what a job's worker asks for its artifacts and caches: signed URLs, and transfers
 * (docs/design/transfers.md). core/job/supply.c is the other end.
 *
 * A worker is not believed: whose job and project it is, is known here, and with them which token and which
 * objects are its own. A frame that is none of the protocol's ends its connection; what is refused is
 * answered with a sentence. */
#include "core/supervisor/internal.h"

#include <errno.h>
#include <inttypes.h>

#include "core/base/fault.h"
#include "core/base/frame.h"
#include "core/base/str.h"
#include "core/supervisor/cache_store.h"

#define LOG_TOPIC "supply"
#include "core/base/log.h"

/* Four caches with six keys each, tried three times both ways, are 150, and so are 50 dependencies; the rest is for
 * artifacts and for stages that are tried again. A worker that was taken over must not keep the manager busy. */
#define REQUESTS_MAX 1000
#define LIFETIME_MIN_S 60

static int64_t lifetime_s(const struct job *job)
{
    return MAX(worker_time_left_ms(job) / 1000, (int64_t) LIFETIME_MIN_S);
}

static int sign(const struct job *job, const char *name, const char *method,
                struct flt_signed_url *ret, struct error *err)
{
    const struct cache_object object = { .short_token = job->group->short_token,
                                         .project_id = job->project_id,
                                         .name = name };

    /* The stores' time, not the ledger's, which knows no steps. */
    return cache_store_sign(job->group->store, &object, method, clock_wall_ms(&clock_system) / 1000,
                            lifetime_s(job), ret, err);
}

/* Url and headers into `frame`; the URL is done with. */
static void add_signed(json_t *frame, struct flt_signed_url *url)
{
    json_t *headers = json_object_new_array();

    (void) json_add_str(frame, "url", url->url);
    for (size_t i = 0; headers && i < url->n_headers; i++)
        (void) json_object_array_add(headers, json_object_new_string(url->headers[i]));
    (void) json_add(frame, "headers", headers);
    flt_signed_url_done(url);
}

static int take_sign(struct job *job, int64_t id, json_t *frame, struct error *err)
{
    autojson json_t *answer = json_frame("signed");
    struct error refused = { 0 };
    struct flt_signed_url url;
    const char *name = NULL, *method = NULL;
    int r = json_need_str(frame, "name", &name, err);

    if (r == 0)
        r = json_need_str(frame, "method", &method, err);
    if (r < 0)
        return r;
    (void) json_add_i64(answer, "id", id);
    r = sign(job, name, method, &url, &refused);
    if (r == 0)
        add_signed(answer, &url);
    else if (r == -ENOENT)
        (void) json_add_bool(answer, "none", true);
    else
        (void) json_add_str(answer, "error", refused.message);
    if (answer)
        channel_send_secret(job->worker, answer, FRAME_MAX_OPERATOR);
    return 0;
}

static int add_host(json_t *start, const struct job *job, const char *token, int64_t job_id)
{
    const struct coordinator_host *host = &job->group->host;
    int r = json_add_str(start, "url", host->url);

    if (r == 0)
        r = json_add_str(start, "token", token);
    if (r == 0)
        r = json_add_i64(start, "job", job_id);
    if (r == 0)
        r = json_add_str(start, "tls_ca_file", host->tls_ca_file);
    if (r == 0)
        r = json_add_str(start, "tls_cert_file", host->tls_cert_file);
    return r == 0 ? json_add_str(start, "tls_key_file", host->tls_key_file) : r;
}

static int start_artifact_upload(const struct job *job, json_t *request, json_t *start,
                                 struct error *err)
{
    static const char *const keys[] = { "format", "artifact_type", "expire_in" };
    const struct config_artifact *limits = &job->group->runner->artifact;
    int r = add_host(start, job, secret_reveal(job->token), job->job_id);

    if (r == 0 && job->artifact_url) /* GitLab has said where it takes them */
        r = json_add_str(start, "url", job->artifact_url);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(keys); i++) {
        const char *value = NULL;

        r = json_opt_str(request, keys[i], &value, err);
        if (r == 0)
            r = json_add_str(start, keys[i], value);
    }
    if (r == 0)
        r = json_add_i64(start, "timeout_ms", limits->upload_timeout_ms);
    return r == 0 ? json_add_i64(start, "response_timeout_ms", limits->response_header_timeout_ms)
                  : r;
}

/* The token is the dependency's, from the job's payload: GitLab decides what it opens. */
static int start_artifact_download(const struct job *job, json_t *request, json_t *start,
                                   struct error *err)
{
    const char *token = NULL;
    int64_t id = 0;
    bool direct = false;
    int r = json_need_i64(request, "job", 1, INT64_MAX, &id, err);

    if (r == 0)
        r = json_need_str(request, "token", &token, err);
    if (r == 0)
        r = json_opt_bool(request, "direct", &direct, err);
    if (r == 0)
        r = add_host(start, job, token, id);
    return r == 0 ? json_add_bool(start, "direct", direct) : r;
}

static int start_cache(const struct job *job, json_t *request, const char *method, json_t *start,
                       struct error *err)
{
    struct flt_signed_url url;
    const char *name = NULL;
    int r = json_need_str(request, "name", &name, err);

    if (r == 0)
        r = sign(job, name, method, &url, err);
    if (r == 0)
        add_signed(start, &url);
    return r;
}

static int start_cache_upload(const struct job *job, json_t *request, json_t *start,
                              struct error *err)
{
    int64_t wanted = 0, limit = job->group->runner->cache.max_archive_bytes;
    int r = start_cache(job, request, "PUT", start, err);

    if (r == 0)
        r = json_opt_i64(request, "max_bytes", 0, INT64_MAX, &wanted, err);
    if (wanted > 0 && (limit == 0 || wanted < limit))
        limit = wanted;
    return r == 0 ? json_add_i64(start, "max_bytes", limit) : r;
}

static int start_cache_download(const struct job *job, json_t *request, json_t *start,
                                struct error *err)
{
    return start_cache(job, request, "GET", start, err);
}

int supplier_transfer_start(const struct job *job, json_t *request, json_t **ret, struct error *err)
{
    static const struct {
        const char *kind;
        int (*start)(const struct job *job, json_t *request, json_t *start, struct error *err);
    } kinds[] = {
        { "artifact_upload", start_artifact_upload },
        { "artifact_download", start_artifact_download },
        { "cache_upload", start_cache_upload },
        { "cache_download", start_cache_download },
    };
    autojson json_t *start = json_frame("start");
    const char *kind = NULL;
    int r = start ? json_need_str(request, "kind", &kind, err) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(kinds); i++) {
        if (!str_eq(kind, kinds[i].kind))
            continue;
        r = json_add_str(start, "kind", kind);
        if (r == 0)
            r = kinds[i].start(job, request, start, err);
        if (r == 0)
            *ret = take_ptr(start);
        return r == -ENOMEM ? error_set(err, r, "a transfer: out of memory") : r;
    }
    return r < 0 ? r : error_set(err, -EINVAL, "nobody carries what is asked for");
}

static int take_transfer(struct job *job, int64_t id, json_t *frame, struct error *err)
{
    json_t *request = NULL;
    int r = json_opt_object(frame, "request", &request, err);

    if (r == 0 && !request)
        r = error_set(err, -EPROTO, "a transfer without a request");
    if (r == 0)
        transfers_ask(job, id, request);
    return r;
}

static int take_commit(struct job *job, int64_t id, json_t *frame, struct error *err)
{
    bool whole = false;
    int r = json_opt_bool(frame, "whole", &whole, err);

    if (r == 0)
        transfers_commit(job, id, whole);
    return r;
}

static int take_stop(struct job *job, int64_t id, json_t *frame, struct error *err)
{
    (void) frame;
    (void) err;
    transfers_stop(job, id);
    return 0;
}

int supplier_take(struct job *job, const char *type, json_t *frame, struct error *err)
{
    static const struct {
        const char *type;
        int (*take)(struct job *job, int64_t id, json_t *frame, struct error *err);
    } frames[] = {
        { "sign", take_sign },
        { "transfer", take_transfer },
        { "transfer_commit", take_commit },
        { "transfer_stop", take_stop },
    };
    int64_t id = 0, limit = fault_limit_ms("requests", REQUESTS_MAX);
    int r;

    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        if (!str_eq(type, frames[i].type))
            continue;
        r = json_need_i64(frame, "id", 1, INT64_MAX, &id, err);
        if (r == 0 && ++job->requests > limit)
            r = error_set(err, -EDQUOT, "more than %" PRId64 " requests for artifacts and caches",
                          limit);
        return r < 0 ? r : frames[i].take(job, id, frame, err);
    }
    return error_set(err, -EPROTO, "an unknown frame");
}
