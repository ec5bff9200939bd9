/* core/coordinator/rules.h - what GitLab's answers mean: pure functions of (status, headers),
 * tabled in coordinator-protocol.md 1.8, 1.9. When an answer is asked for again says core/base/http.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COORDINATOR_TRANSPORT_ERROR (-1)

/* NULL or "" where absent */
struct answer_headers {
    const char *job_status, *update_interval, *range;
};

enum patch_result { PATCH_OK, PATCH_ABORT, PATCH_NOT_FOUND, PATCH_MISMATCH, PATCH_FAILED };
struct patch_outcome {
    enum patch_result result;
    int status;
    int64_t next_offset; /* PATCH_OK: end of what was sent; PATCH_MISMATCH: what the server has */
    bool cancel;         /* Job-Status: canceling */
    int64_t update_interval_ms; /* 0 = unchanged; clamped to 1 s … 10 min */
    char message[256];
};
void rules_patch(int status, const struct answer_headers *headers, int64_t offset, size_t len,
                 struct patch_outcome *ret);

enum update_result {
    UPDATE_OK,
    UPDATE_ABORT,
    UPDATE_ACCEPTED,
    UPDATE_TRACE_INVALID,
    UPDATE_FAILED
};
struct update_outcome {
    enum update_result result;
    int status;
    bool cancel;
    int64_t update_interval_ms;
    char message[256];
};
void rules_update(int status, const struct answer_headers *headers, struct update_outcome *ret);

/* How many requests for jobs a runner may have at once (3.1): the pace after an answer, from 1 to `max`.
 * It grows with the jobs that come and is halved where GitLab had to be asked again. */
double rules_request_pace(double pace, bool got_job, bool repeated, int64_t max);

/* failure_reason as this server understands it (4.2); `supported` may be NULL. */
const char *rules_map_failure_reason(const char *reason, const char *const *supported,
                                     size_t n_supported);

/* `s_` + HMAC of the machine id, or `r_` + random (1.13); dst holds 15 bytes. */
int rules_system_id(const char *machine_id, char dst[15]);
