/* core/coordinator/rules.c - what GitLab's answers mean (rules.h). Pure, but for the random system id. */
#include "core/coordinator/rules.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "core/base/random.h"
#include "core/base/str.h"

#define WAIT_MIN_MS 1000
#define WAIT_MAX_MS (10 * 60 * 1000) /* hardening.md V16 */

static bool job_gone(int status, const struct answer_headers *headers)
{
    return status == 403 || str_eq(headers->job_status, "canceled") ||
           str_eq(headers->job_status, "failed");
}

static int64_t interval_of(const struct answer_headers *headers)
{
    int64_t seconds;

    if (str_empty(headers->update_interval) ||
        parse_i64(headers->update_interval, 1, INT32_MAX, &seconds) < 0)
        return 0;
    return MIN(MAX(seconds * 1000, WAIT_MIN_MS), (int64_t) WAIT_MAX_MS);
}

static void describe(int status, const struct answer_headers *headers, char *text, size_t size)
{
    if (status == COORDINATOR_TRANSPORT_ERROR)
        (void) snprintf(text, size, "no answer");
    else if (!str_empty(headers->job_status))
        (void) snprintf(text, size, "status %d, job %.32s", status, headers->job_status);
    else
        (void) snprintf(text, size, "status %d", status);
}

/* "0-<n>" → n, the next offset; anything else → 0 (coordinator-protocol.md 1.8). */
static int64_t range_end(const char *range)
{
    const char *dash = range ? strchr(range, '-') : NULL;
    int64_t n;

    if (!dash || dash == range || parse_i64(dash + 1, 0, INT64_MAX, &n) < 0)
        return 0;
    return n;
}

void rules_patch(int status, const struct answer_headers *headers, int64_t offset, size_t len,
                 struct patch_outcome *ret)
{
    *ret = (struct patch_outcome) { .status = status,
                                    .next_offset = offset,
                                    .cancel = str_eq(headers->job_status, "canceling"),
                                    .update_interval_ms = interval_of(headers) };
    describe(status, headers, ret->message, sizeof(ret->message));
    if (job_gone(status, headers)) {
        ret->result = PATCH_ABORT;
    } else if (status == 202) {
        ret->result = PATCH_OK;
        ret->next_offset = offset + (int64_t) len;
    } else if (status == 404) {
        ret->result = PATCH_NOT_FOUND;
    } else if (status == 416) {
        ret->result = PATCH_MISMATCH;
        ret->next_offset = range_end(headers->range);
    } else {
        ret->result = PATCH_FAILED;
    }
}

void rules_update(int status, const struct answer_headers *headers, struct update_outcome *ret)
{
    *ret = (struct update_outcome) { .status = status,
                                     .cancel = str_eq(headers->job_status, "canceling"),
                                     .update_interval_ms = interval_of(headers) };
    describe(status, headers, ret->message, sizeof(ret->message));
    if (job_gone(status, headers) || status == 404)
        ret->result = UPDATE_ABORT;
    else if (status == 200)
        ret->result = UPDATE_OK;
    else if (status == 202)
        ret->result = UPDATE_ACCEPTED;
    else if (status == 412)
        ret->result = UPDATE_TRACE_INVALID;
    else
        ret->result = UPDATE_FAILED;
}

double rules_request_pace(double pace, bool got_job, bool repeated, int64_t max)
{
    if (repeated)
        pace *= 0.5;
    else if (got_job)
        pace *= 1.1;
    else
        pace *= 0.95;
    return MIN(MAX(pace, 1.0), (double) max);
}

static bool supports(const char *reason, const char *const *supported, size_t n)
{
    static const char *const always[] = { "script_failure", "runner_system_failure",
                                          "job_execution_timeout" };

    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        if (str_eq(reason, always[i]))
            return true;
    for (size_t i = 0; i < n; i++)
        if (str_eq(reason, supported[i]))
            return true;
    return false;
}

/* A constant with the same text, so that what is returned outlives the lists. */
static const char *known(const char *reason)
{
    static const char *const reasons[] = { "script_failure",
                                           "runner_system_failure",
                                           "job_execution_timeout",
                                           "image_pull_failure",
                                           "runner_configuration_error",
                                           "runner_external_dependency_failure",
                                           "runner_interrupted",
                                           "job_canceled",
                                           "unknown_failure" };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (str_eq(reason, reasons[i]))
            return reasons[i];
    return NULL;
}

const char *rules_map_failure_reason(const char *reason, const char *const *supported,
                                     size_t n_supported)
{
    static const struct {
        const char *from, *to;
    } fallbacks[] = { { "image_pull_failure", "runner_system_failure" },
                      { "runner_configuration_error", "script_failure" },
                      { "runner_external_dependency_failure", "runner_system_failure" } };

    if (str_empty(reason))
        return "script_failure";
    if (known(reason) && supports(reason, supported, n_supported))
        return known(reason);
    for (size_t i = 0; i < ARRAY_LEN(fallbacks); i++)
        if (str_eq(reason, fallbacks[i].from))
            return fallbacks[i].to;
    return "unknown_failure";
}

int rules_system_id(const char *machine_id, char dst[15])
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char message[] = "gitlab-runner";
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    size_t n = machine_id ? strcspn(machine_id, "\r\n\t ") : 0;

    if (n > 0) {
        if (!HMAC(EVP_sha256(), machine_id, (int) n, (const unsigned char *) message,
                  sizeof(message) - 1, mac, &len))
            return -EIO;
        hex_encode(hex, mac, len);
        (void) snprintf(dst, 15, "s_%.12s", hex);
        return 0;
    }
    dst[0] = 'r';
    dst[1] = '_';
    for (size_t i = 2; i < 14; i++)
        dst[i] = letters[rng_below(&rng_system, sizeof(letters) - 1)];
    dst[14] = '\0';
    return 0;
}
