/* core/exec/coordinator.h - the embedded coordinator: GitLab's runner API, for `flotilla exec` and
 * `flotilla coordinator`.
 *
 * Any runner that speaks the protocol can take jobs from it (reference/coordinator-protocol.md 1.6 to 1.12). It is as
 * strict as GitLab: tokens, two-phase commit, ranges, size and checksum of the log. Where the jobs come from and what
 * becomes of their logs is the owner's business, by callbacks from the loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "core/base/error.h"
#include "core/exec/artifact_store.h"

#define REPOSITORY_PATH "local/repository.git"

struct embedded_coordinator;

struct embedded_job {
    int64_t id;
    char *token;   /* the job's own; taken */
    char *payload; /* JSON text of coordinator-protocol.md 2; taken */
};

struct embedded_options {
    const char *runner_token; /* copied */
    int interval_s;           /* X-GitLab-Trace-Update-Interval; 0 = 1 */
    /* Fills *ret and returns true when a job is ready to be given out. */
    bool (*take_job)(void *arg, struct embedded_job *ret);
    /* The job was given out and never acknowledged: it may be taken again. */
    void (*on_returned)(void *arg, int64_t job_id);
    void (*on_running)(void *arg, int64_t job_id);
    void (*on_trace)(void *arg, int64_t job_id, const char *data, size_t len);
    void (*on_final)(void *arg, int64_t job_id, bool success, const char *failure_reason,
                     int exit_code);
    struct artifact_store *artifacts; /* NULL = none are taken */
    /* A bare repository that jobs may fetch with their tokens at URL/REPOSITORY_PATH, made ready by
     * snapshot_make_files(); borrowed. NULL = none. */
    const char *repository;
    /* An upload was refused: runners do not show the answer. May be NULL. */
    void (*on_refused)(void *arg, int64_t job_id, const char *why);
    void *arg;
};

/* `address` as for http_server_new(). */
int embedded_coordinator_new(uv_loop_t *loop, const struct sockaddr_storage *address,
                             const struct embedded_options *options,
                             struct embedded_coordinator **ret, struct error *err);
/* For a runner on this machine: an address that stands for all of them is shown as the loopback. */
const char *embedded_coordinator_url(const struct embedded_coordinator *coordinator);

/* Jobs may have become ready: parked requests are answered. */
void embedded_coordinator_wake(struct embedded_coordinator *coordinator);

/* From now on the runner is told that the job was canceled. */
void embedded_coordinator_cancel(struct embedded_coordinator *coordinator, int64_t job_id);

void embedded_coordinator_close(struct embedded_coordinator *coordinator); /* accepts NULL */
