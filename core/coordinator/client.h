/* core/coordinator/client.h - the GitLab API on the supervisor's loop
 * (reference/coordinator-protocol.md).
 *
 * One client serves all runners. Requests to a host share a few connections: reports (PUT, PATCH)
 * at most three a host, and a parked job request one each on HTTP/1.1, none of its own on HTTP/2.
 * The five-attempt retry of 1.1 is inside, with waits clamped (hardening.md V16). Callbacks come
 * from the loop, never from the call itself. Classification of answers is pure and lives in
 * rules.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "core/coordinator/rules.h"

struct coordinator_client;
struct coordinator_call; /* a call under way; dead after its callback */

/* copied where it must outlive the call */
struct coordinator_host {
    int64_t owner;   /* whose calls these are, for who counts them; 0 = nobody's */
    const char *url; /* as configured; the base URL rule of 1.1 is applied inside */
    const char *tls_ca_file, *tls_cert_file,
        *tls_key_file; /* NULL = system store, no client certificate */
    int64_t
        connection_max_age_ms; /* 15 minutes are the most (hardening.md N10), and what 0 means */
};

int coordinator_client_new(uv_loop_t *loop, struct coordinator_client **ret, struct error *err);
void coordinator_client_free(
    struct coordinator_client *client); /* aborts all calls without callbacks */
void coordinator_call_cancel(
    struct coordinator_call *call); /* no callback any more; accepts NULL */

/* How each call ended, before its callback: for metrics. */
struct coordinator_ended {
    int64_t owner;        /* of the call's host, which may be gone by now */
    const char *endpoint; /* "request_job", "update_job", "patch_trace"; "" = another */
    const char *method;   /* "POST" */
    int status;           /* HTTP, or -1 */
    int attempts;
    double seconds; /* with all attempts and the waits between them */
};
typedef void (*coordinator_ended_fn)(void *arg, const struct coordinator_ended *ended);
void coordinator_client_observe(struct coordinator_client *client, coordinator_ended_fn fn,
                                void *arg);

/* The certificates with which this GitLab proved its name, in PEM form; "" until it did, and over http.
 * Valid until the loop's next turn. */
const char *coordinator_certificates(const struct coordinator_client *client, const char *url);

/* The `info` object of 1.6 with only the features that are built; `labels` are borrowed and may be NULL.
 * New reference. */
json_t *coordinator_info(const char *shell, json_t *labels);
/* Of a manager with a session server. */
void coordinator_info_add_terminal(json_t *info);

struct coordinator_job_answer {
    int status;              /* HTTP status, or -1, -100 */
    const char *last_update; /* X-GitLab-Last-Update or NULL */
    const char *body;        /* the payload's text on 201, borrowed */
    size_t body_len;
    const char *message; /* for the log, never NULL */
    bool repeated;       /* it took more than one attempt */
};
typedef void (*coordinator_job_fn)(void *arg, const struct coordinator_job_answer *answer);
/* POST jobs/request; `session` is borrowed, NULL = none is offered */
int coordinator_request_job(struct coordinator_client *client, const struct coordinator_host *host,
                            const char *token, const char *system_id, const char *last_update,
                            json_t *info, json_t *session, coordinator_job_fn fn, void *arg,
                            struct coordinator_call **ret, struct error *err);

struct coordinator_job_update {
    int64_t job_id;
    const char *token, *state;  /* running, success, failed */
    const char *failure_reason; /* NULL unless failed */
    int64_t exit_code;          /* 0 = omitted */
    bool has_output;            /* checksum and size below; else output is {} */
    uint32_t crc;
    int64_t size;
    json_t *info; /* borrowed */
};
typedef void (*coordinator_update_fn)(void *arg, const struct update_outcome *outcome);
/* PUT jobs/ID */
int coordinator_update_job(struct coordinator_client *client, const struct coordinator_host *host,
                           const struct coordinator_job_update *update, coordinator_update_fn fn,
                           void *arg, struct coordinator_call **ret, struct error *err);

typedef void (*coordinator_patch_fn)(void *arg, const struct patch_outcome *outcome);
/* PATCH jobs/ID/trace with `len` bytes at `offset`; the data is copied. */
int coordinator_patch_trace(struct coordinator_client *client, const struct coordinator_host *host,
                            int64_t job_id, const char *token, int64_t offset, const void *data,
                            size_t len, bool debug_trace, coordinator_patch_fn fn, void *arg,
                            struct coordinator_call **ret, struct error *err);
