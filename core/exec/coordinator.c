/* core/exec/coordinator.c - the runner API of the embedded coordinator: one function a call (coordinator.h). */
#include "core/exec/coordinator.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/crc32.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "core/exec/coordinator_artifacts.h"
#include "core/exec/coordinator_git.h"
#include "core/exec/http_server.h"
#include "core/exec/listen_address.h"

#define BODY_MAX ((size_t) 4 * 1024 * 1024)
#define POLL_MS 50000
#define ACKNOWLEDGE_MS 120000
#define TICK_MS 1000
#define API_ROOT "/api/v4/"

enum state { STATE_GIVEN, STATE_RUNNING, STATE_ENDED };

struct job {
    struct job *next;
    int64_t id, given_ms, log_size;
    char *token;
    enum state state;
    uint32_t log_crc;
    bool canceled;
};

struct parked {
    struct parked *next;
    struct http_request *request;
    int64_t until_ms;
};

struct embedded_coordinator {
    struct embedded_options options;
    struct http_server *server;
    uv_timer_t tick;
    char *runner_token;
    char url[96], interval[16];
    struct job *jobs;
    struct parked *parked;
    unsigned cursor;
    bool closing;
};

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

static void answer(struct http_request *request, unsigned status)
{
    http_answer(request, status, NULL, 0, "", 0);
}

static struct job *find_job(struct embedded_coordinator *coordinator, int64_t id)
{
    for (struct job *job = coordinator->jobs; job; job = job->next)
        if (job->id == id)
            return job;
    return NULL;
}

static bool token_matches(const char *given, const char *want)
{
    return given && strlen(given) == strlen(want) && mem_equal_secret(given, want, strlen(want));
}

/* Requests for jobs. */

static bool give_job(struct embedded_coordinator *coordinator, struct http_request *request)
{
    char cursor[16];
    const struct http_answer_header headers[] = { { "Content-Type", "application/json" },
                                                  { "X-GitLab-Last-Update", cursor } };
    struct embedded_job taken = { 0 };
    struct job *job;

    if (coordinator->closing || !coordinator->options.take_job(coordinator->options.arg, &taken))
        return false;
    job = mem_zero(sizeof(*job));
    if (!job) {
        coordinator->options.on_returned(coordinator->options.arg, taken.id);
        free(taken.token);
        free(taken.payload);
        return false;
    }
    job->id = taken.id;
    job->token = taken.token;
    job->given_ms = now_ms();
    job->next = coordinator->jobs;
    coordinator->jobs = job;
    (void) snprintf(cursor, sizeof(cursor), "%u", coordinator->cursor);
    http_answer(request, 201, headers, ARRAY_LEN(headers), taken.payload, strlen(taken.payload));
    secret_wipe_str(taken.payload);
    free(taken.payload);
    return true;
}

static void answer_none(struct embedded_coordinator *coordinator, struct http_request *request)
{
    char cursor[16];
    const struct http_answer_header headers[] = { { "X-GitLab-Last-Update", cursor } };

    (void) snprintf(cursor, sizeof(cursor), "%u", coordinator->cursor);
    http_answer(request, 204, headers, ARRAY_LEN(headers), "", 0);
}

static void unpark(struct embedded_coordinator *coordinator, struct http_request *request)
{
    for (struct parked **at = &coordinator->parked; *at; at = &(*at)->next)
        if ((*at)->request == request) {
            struct parked *gone = *at;

            *at = gone->next;
            free(gone);
            return;
        }
}

static void on_gone(void *arg, struct http_request *request)
{
    unpark(arg, request);
}

static void park(struct embedded_coordinator *coordinator, struct http_request *request)
{
    struct parked *parked = mem_zero(sizeof(*parked)), **at = &coordinator->parked;

    if (!parked) {
        answer_none(coordinator, request);
        return;
    }
    parked->request = request;
    parked->until_ms = now_ms() + POLL_MS;
    while (*at)
        at = &(*at)->next;
    *at = parked;
    http_park(request, on_gone, coordinator);
}

static void request_job(struct embedded_coordinator *coordinator, struct http_request *request,
                        json_t *body)
{
    const char *header = http_header(request, "RUNNER-TOKEN");
    const char *token = NULL, *cursor = "";
    char now[16];

    (void) json_opt_str(body, "token", &token, NULL);
    (void) json_opt_str(body, "last_update", &cursor, NULL);
    /* GitLab reads the body; a header that is there must not say otherwise. */
    if (!token_matches(token, coordinator->runner_token) ||
        (header && !token_matches(header, coordinator->runner_token))) {
        answer(request, 403);
        return;
    }
    if (give_job(coordinator, request))
        return;
    /* As GitLab's front end: only a runner that has seen the present queue is kept waiting. */
    (void) snprintf(now, sizeof(now), "%u", coordinator->cursor);
    if (str_eq(cursor, now) && !coordinator->closing)
        park(coordinator, request);
    else
        answer_none(coordinator, request);
}

static void verify_runner(struct embedded_coordinator *coordinator, struct http_request *request,
                          json_t *body)
{
    static const struct http_answer_header headers[] = { { "Content-Type", "application/json" } };
    static const char text[] = "{\"id\":1,\"token_expires_at\":null}";
    const char *token = NULL;

    (void) json_opt_str(body, "token", &token, NULL);
    if (token_matches(token, coordinator->runner_token))
        http_answer(request, 200, headers, ARRAY_LEN(headers), text, sizeof(text) - 1);
    else
        answer(request, 403);
}

/* Updates. */

static const char *status_word(const struct job *job)
{
    return job->canceled ? "canceled" : job->state == STATE_RUNNING ? "running" : "pending";
}

static void answer_job(struct embedded_coordinator *coordinator, struct http_request *request,
                       const struct job *job, unsigned status)
{
    const struct http_answer_header headers[] = { { "Job-Status", status_word(job) },
                                                  { "X-GitLab-Trace-Update-Interval",
                                                    coordinator->interval } };

    http_answer(request, status, headers, ARRAY_LEN(headers), "", 0);
}

static bool log_matches(const struct job *job, json_t *body)
{
    json_t *output = NULL;
    const char *checksum = NULL;
    char want[15];
    int64_t size = 0;

    (void) json_opt_object(body, "output", &output, NULL);
    if (!output)
        return true;
    (void) json_opt_str(output, "checksum", &checksum, NULL);
    (void) json_opt_i64(output, "bytesize", 0, INT64_MAX, &size, NULL);
    crc32_format(job->log_crc, want);
    return !checksum || (size == job->log_size && str_eq(checksum, want));
}

/* As GitLab: a failure whose reason is missing, or no such word, is an unknown one. The word is shown
 * to people. */
static const char *reason_of(json_t *body)
{
    const char *reason = "";

    (void) json_opt_str(body, "failure_reason", &reason, NULL);
    return *reason && !reason[strspn(reason, "abcdefghijklmnopqrstuvwxyz_")] ? reason
                                                                             : "unknown_failure";
}

static void end_job(struct embedded_coordinator *coordinator, struct job *job, json_t *body,
                    const char *state)
{
    bool success = str_eq(state, "success");
    int64_t exit_code = 0;

    (void) json_opt_i64(body, "exit_code", INT32_MIN, INT32_MAX, &exit_code, NULL);
    job->state = STATE_ENDED;
    coordinator->options.on_final(coordinator->options.arg, job->id, success,
                                  success ? "" : reason_of(body), (int) exit_code);
}

static void update_job(struct embedded_coordinator *coordinator, struct http_request *request,
                       struct job *job, json_t *body)
{
    const char *token = NULL, *state = "";

    (void) json_opt_str(body, "token", &token, NULL);
    (void) json_opt_str(body, "state", &state, NULL);
    if (!token_matches(token, job->token) || job->state == STATE_ENDED) {
        answer(request, 403);
        return;
    }
    if (str_eq(state, "running") || str_eq(state, "pending")) {
        bool first = job->state == STATE_GIVEN && str_eq(state, "running");

        if (first)
            job->state = STATE_RUNNING;
        answer_job(coordinator, request, job, 200);
        if (first)
            coordinator->options.on_running(coordinator->options.arg, job->id);
        return;
    }
    /* Two-phase commit: no end before a beginning. */
    if (job->state != STATE_RUNNING || (!str_eq(state, "success") && !str_eq(state, "failed"))) {
        answer_job(coordinator, request, job, 400);
        return;
    }
    if (!log_matches(job, body)) {
        /* The runner sends all of it again (vector V17). */
        job->log_size = 0;
        job->log_crc = 0;
        answer_job(coordinator, request, job, 412);
        return;
    }
    http_answer(request, 200, NULL, 0, "", 0);
    end_job(coordinator, job, body, state);
}

/* Logs. */

static int parse_range(const char *text, size_t len, int64_t *ret_first)
{
    char first[24];
    const char *dash = text ? strchr(text, '-') : NULL;
    int64_t last;

    if (!dash || (size_t) (dash - text) >= sizeof(first))
        return -EINVAL;
    memcpy(first, text, (size_t) (dash - text));
    first[dash - text] = '\0';
    if (parse_i64(first, 0, INT64_MAX / 2, ret_first) < 0 ||
        parse_i64(dash + 1, 0, INT64_MAX / 2, &last) < 0 || last - *ret_first + 1 != (int64_t) len)
        return -EINVAL;
    return 0;
}

static void patch_trace(struct embedded_coordinator *coordinator, struct http_request *request,
                        struct job *job)
{
    char range[32];
    const struct http_answer_header headers[] = { { "Job-Status", status_word(job) },
                                                  { "Range", range },
                                                  { "X-GitLab-Trace-Update-Interval",
                                                    coordinator->interval } };
    int64_t first = 0;
    size_t len;
    const char *data = http_body(request, &len);
    unsigned status = 202;

    if (!token_matches(http_header(request, "JOB-TOKEN"), job->token) ||
        job->state != STATE_RUNNING) {
        answer(request, 403);
        return;
    }
    if (parse_range(http_header(request, "Content-Range"), len, &first) < 0) {
        answer_job(coordinator, request, job, 400);
        return;
    }
    if (first == job->log_size) {
        job->log_size += (int64_t) len;
        job->log_crc = crc32_update(job->log_crc, data, len);
        coordinator->options.on_trace(coordinator->options.arg, job->id, data, len);
    } else {
        status = 416;
    }
    (void) snprintf(range, sizeof(range), "0-%" PRId64, job->log_size);
    http_answer(request, status, headers, ARRAY_LEN(headers), "", 0);
}

/* Routes. */

typedef void (*runner_call_fn)(struct embedded_coordinator *coordinator,
                               struct http_request *request, json_t *body);

/* NULL when the request has been answered because it holds no object. */
static json_t *parse_body(struct http_request *request)
{
    json_t *body = NULL;
    size_t len;
    const char *text = http_body(request, &len);

    if (json_parse(text, len, &body, NULL) == 0 && json_object_is_type(body, json_type_object))
        return body;
    json_object_put(body);
    answer(request, 400);
    return NULL;
}

static void route_runner(struct embedded_coordinator *coordinator, struct http_request *request,
                         runner_call_fn call)
{
    autojson json_t *body = parse_body(request);

    if (body)
        call(coordinator, request, body);
}

/* The job that a path behind "jobs/" begins with; *ret_rest is what follows its number. */
static struct job *job_of_path(struct embedded_coordinator *coordinator, const char *path,
                               const char **ret_rest)
{
    size_t digits = strspn(path, "0123456789");
    char number[24];
    int64_t id;

    *ret_rest = path + digits;
    if (digits == 0 || digits >= sizeof(number))
        return NULL;
    memcpy(number, path, digits);
    number[digits] = '\0';
    return parse_i64(number, 1, INT64_MAX, &id) == 0 ? find_job(coordinator, id) : NULL;
}

static bool may_upload(const struct job *job, const struct http_request *request)
{
    return token_matches(http_header(request, "JOB-TOKEN"), job->token) &&
           job->state == STATE_RUNNING;
}

static void take_upload(struct embedded_coordinator *coordinator, struct http_request *request,
                        const struct job *job)
{
    const struct embedded_options *options = &coordinator->options;
    struct error err = { 0 };

    if (artifacts_answer_upload(request, &err) < 0 && options->on_refused)
        options->on_refused(options->arg, job->id, err.message);
}

static void route_artifacts(struct embedded_coordinator *coordinator, struct http_request *request,
                            const struct job *job)
{
    bool post = str_eq(http_method(request), "POST");
    bool get = str_eq(http_method(request), "GET");

    if (!coordinator->options.artifacts || (!post && !get))
        answer(request, 404);
    else if (post ? !may_upload(job, request)
                  : !token_matches(http_header(request, "JOB-TOKEN"), job->token))
        answer(request, 403);
    else if (post)
        take_upload(coordinator, request, job);
    else
        artifacts_answer_download(coordinator->options.artifacts, request, job->id);
}

static void route_job(struct embedded_coordinator *coordinator, struct http_request *request,
                      const char *path)
{
    const char *rest;
    struct job *job = job_of_path(coordinator, path, &rest);

    if (!job) {
        answer(request, 403);
    } else if (str_eq(http_method(request), "PUT") && !*rest) {
        autojson json_t *body = parse_body(request);

        if (body)
            update_job(coordinator, request, job, body);
    } else if (str_eq(http_method(request), "PATCH") && str_starts(rest, "/trace")) {
        patch_trace(coordinator, request, job);
    } else if (str_eq(rest, "/artifacts")) {
        route_artifacts(coordinator, request, job);
    } else {
        answer(request, 404);
    }
}

/* An upload may be larger than any other body. */
static void on_begin(void *arg, struct http_request *request)
{
    static const char root[] = API_ROOT "jobs/";
    struct embedded_coordinator *coordinator = arg;
    const char *path = http_path(request), *rest;
    struct job *job;

    if (!coordinator->options.artifacts || !str_eq(http_method(request), "POST") ||
        !str_starts(path, root))
        return;
    job = job_of_path(coordinator, path + strlen(root), &rest);
    if (!str_eq(rest, "/artifacts"))
        return;
    if (!job || !may_upload(job, request))
        http_drop_body(request);
    else
        artifacts_receive(coordinator->options.artifacts, request, job->id, job->token);
}

/* As GitLab lets a job in: its token is the password of a user of this name. */
static bool may_fetch(const struct embedded_coordinator *coordinator,
                      const struct http_request *request)
{
    const char *given = http_header(request, "Authorization");

    for (const struct job *job = coordinator->jobs; given && job; job = job->next) {
        autobuf struct buf login = BUF_INIT, want = BUF_INIT;
        bool matches;

        buf_addf(&login, "gitlab-ci-token:%s", job->token);
        buf_add_str(&want, "Basic ");
        (void) base64_encode(&want, login.data, login.len);
        matches = job->state == STATE_RUNNING && !buf_error(&want) &&
                  token_matches(given, buf_str(&want));
        secret_wipe(login.data, login.len);
        secret_wipe(want.data, want.len);
        if (matches)
            return true;
    }
    return false;
}

static void route_repository(struct embedded_coordinator *coordinator, struct http_request *request,
                             const char *path)
{
    static const struct http_answer_header who[] = { { "WWW-Authenticate",
                                                       "Basic realm=\"flotilla\"" } };

    if (!coordinator->options.repository)
        answer(request, 404);
    else if (!may_fetch(coordinator, request))
        http_answer(request, 401, who, ARRAY_LEN(who), "", 0);
    else
        repository_answer(coordinator->options.repository, request, path);
}

static void on_http(void *arg, struct http_request *request)
{
    static const char root[] = API_ROOT, repository[] = "/" REPOSITORY_PATH "/";
    struct embedded_coordinator *coordinator = arg;
    const char *path = http_path(request);
    bool post = str_eq(http_method(request), "POST");

    if (str_starts(path, repository)) {
        route_repository(coordinator, request, path + strlen(repository));
        return;
    }
    if (!str_starts(path, root)) {
        answer(request, 404);
        return;
    }
    path += strlen(root);
    if (post && str_eq(path, "jobs/request"))
        route_runner(coordinator, request, request_job);
    else if (post && str_eq(path, "runners/verify"))
        route_runner(coordinator, request, verify_runner);
    else if (str_starts(path, "jobs/"))
        route_job(coordinator, request, path + strlen("jobs/"));
    else
        answer(request, 404);
}

void embedded_coordinator_wake(struct embedded_coordinator *coordinator)
{
    coordinator->cursor++;
    while (coordinator->parked) {
        struct http_request *request = coordinator->parked->request;

        /* A job that goes to nobody would be missing until its acknowledgement is overdue. */
        if (!http_client_is_there(request))
            answer_none(coordinator, request);
        else if (!give_job(coordinator, request))
            return;
        unpark(coordinator, request);
    }
}

void embedded_coordinator_cancel(struct embedded_coordinator *coordinator, int64_t job_id)
{
    struct job *job = find_job(coordinator, job_id);

    if (job)
        job->canceled = true;
}

/* Requests that waited long enough; jobs that were given out and never acknowledged. */
static void on_tick(uv_timer_t *tick)
{
    struct embedded_coordinator *coordinator = tick->data;
    int64_t now = now_ms();

    while (coordinator->parked && coordinator->parked->until_ms <= now) {
        struct http_request *request = coordinator->parked->request;

        answer_none(coordinator, request);
        unpark(coordinator, request);
    }
    for (struct job **at = &coordinator->jobs; *at;) {
        struct job *job = *at;

        if (job->state != STATE_GIVEN || now - job->given_ms < ACKNOWLEDGE_MS) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        coordinator->options.on_returned(coordinator->options.arg, job->id);
        free(job->token);
        free(job);
    }
}

int embedded_coordinator_new(uv_loop_t *loop, const struct sockaddr_storage *address,
                             const struct embedded_options *options,
                             struct embedded_coordinator **ret, struct error *err)
{
    struct embedded_coordinator *coordinator = mem_zero(sizeof(*coordinator));
    int r;

    if (!coordinator || !(coordinator->runner_token = mem_strdup(options->runner_token))) {
        free(coordinator);
        return error_set(err, -ENOMEM, "embedded coordinator: out of memory");
    }
    coordinator->options = *options;
    coordinator->cursor = 1;
    r = http_server_new(loop, address, BODY_MAX, on_http, coordinator, &coordinator->server, err);
    if (r < 0) {
        free(coordinator->runner_token);
        free(coordinator);
        return r;
    }
    http_server_on_begin(coordinator->server, on_begin);
    listen_address_url(address, http_server_port(coordinator->server), coordinator->url,
                       sizeof(coordinator->url));
    (void) snprintf(coordinator->interval, sizeof(coordinator->interval), "%d",
                    options->interval_s > 0 ? options->interval_s : 1);
    (void) uv_timer_init(loop, &coordinator->tick);
    coordinator->tick.data = coordinator;
    (void) uv_timer_start(&coordinator->tick, on_tick, TICK_MS, TICK_MS);
    *ret = coordinator;
    return 0;
}

const char *embedded_coordinator_url(const struct embedded_coordinator *coordinator)
{
    return coordinator->url;
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct embedded_coordinator *coordinator = handle->data;

    while (coordinator->jobs) {
        struct job *job = coordinator->jobs;

        coordinator->jobs = job->next;
        secret_wipe_str(job->token);
        free(job->token);
        free(job);
    }
    free(coordinator->runner_token);
    free(coordinator);
}

void embedded_coordinator_close(struct embedded_coordinator *coordinator)
{
    if (!coordinator || coordinator->closing)
        return;
    coordinator->closing = true;
    while (coordinator->parked) {
        struct http_request *request = coordinator->parked->request;

        answer_none(coordinator, request);
        unpark(coordinator, request);
    }
    http_server_close(coordinator->server);
    uv_close((uv_handle_t *) &coordinator->tick, on_tick_closed);
}
