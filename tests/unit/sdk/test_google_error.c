/* tests/unit/sdk/test_google_error.c - mirrors sdk/lib/google_error.c. Whole answers are sent by
 * tests/integration/test_google_client.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "sdk/lib/google_error.h"

#include <cmocka.h> /* behind provider.h, which its fail() would break */

#include <string.h>

/* providers.md 4.6, and what the pages of Compute Engine, google.api.ErrorReason and RFC 6749 list. */
static void test_each_reason_means_one_thing(void **unused)
{
    static const struct {
        const char *reason, *detail;
        long status;
        int32_t result;
        int transient, refused, key;
    } rows[] = {
        { "rateLimitExceeded", "", 403, FLT_E_THROTTLED, 1, 1, 0 },
        { "rateLimitExceeded", "RATE_LIMIT_EXCEEDED", 429, FLT_E_THROTTLED, 1, 1, 0 },
        { "forbidden", "RATE_LIMIT_EXCEEDED", 403, FLT_E_THROTTLED, 1, 1, 0 },
        { "userRateLimitExceeded", "", 403, FLT_E_THROTTLED, 1, 1, 0 },
        { "RESOURCE_EXHAUSTED", "", 429, FLT_E_THROTTLED, 1, 1, 0 },
        { "", "", 429, FLT_E_THROTTLED, 1, 1, 0 },
        { "resourceNotReady", "", 400, FLT_E_UNAVAILABLE, 1, 1, 0 },
        { "backendError", "", 503, FLT_E_UNAVAILABLE, 1, 0, 0 },
        { "internalError", "", 500, FLT_E_UNAVAILABLE, 1, 0, 0 },
        { "", "", 502, FLT_E_UNAVAILABLE, 1, 0, 0 },
        { "", "", 408, FLT_E_UNAVAILABLE, 1, 0, 0 },
        { "temporarily_unavailable", "", 400, FLT_E_UNAVAILABLE, 1, 0, 0 },
        { "authError", "ACCESS_TOKEN_EXPIRED", 401, FLT_E_AUTH, 0, 1, 1 },
        { "", "", 401, FLT_E_AUTH, 0, 1, 1 },
        { "authError", "ACCOUNT_STATE_INVALID", 401, FLT_E_AUTH, 0, 1, 1 },
        { "forbidden", "IAM_PERMISSION_DENIED", 403, FLT_E_AUTH, 0, 1, 0 },
        { "forbidden", "", 403, FLT_E_AUTH, 0, 1, 0 },
        { "", "", 403, FLT_E_AUTH, 0, 1, 0 },
        { "accessNotConfigured", "SERVICE_DISABLED", 403, FLT_E_AUTH, 0, 1, 0 },
        { "quotaExceeded", "", 403, FLT_E_QUOTA, 0, 1, 0 },
        { "QUOTA_EXCEEDED", "", 403, FLT_E_QUOTA, 0, 1, 0 },
        { "ZONE_RESOURCE_POOL_EXHAUSTED", "", 503, FLT_E_QUOTA, 0, 1, 0 },
        { "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "", 503, FLT_E_QUOTA, 0, 1, 0 },
        { "notFound", "", 404, FLT_E_NOT_FOUND, 0, 1, 0 },
        { "", "", 404, FLT_E_NOT_FOUND, 0, 1, 0 },
        { "conditionNotMet", "", 412, FLT_E_INVALID, 0, 1, 0 },
        { "alreadyExists", "", 409, FLT_E_INVALID, 0, 1, 0 },
        { "invalid", "", 400, FLT_E_INVALID, 0, 1, 0 },
        { "newReason", "NEW_DETAIL", 400, FLT_E_INVALID, 0, 1, 0 },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct flt_google_fault fault = { .status = rows[i].status };
        struct flt_verdict got;

        (void) snprintf(fault.reason, sizeof(fault.reason), "%s", rows[i].reason);
        (void) snprintf(fault.detail, sizeof(fault.detail), "%s", rows[i].detail);
        got = flt_google_judge(&fault);
        if (got.result != rows[i].result || got.is_transient != rows[i].transient ||
            got.is_refused != rows[i].refused || got.is_key_refused != rows[i].key)
            fail_msg("%s %s (%ld): %d %d %d %d", rows[i].reason, rows[i].detail, rows[i].status,
                     got.result, got.is_transient, got.is_refused, got.is_key_refused);
    }
}

static struct flt_google_fault read(const char *body)
{
    struct flt_http_answer answer = { .status = 403,
                                      .body = (char *) (uintptr_t) body,
                                      .len = strlen(body) };
    struct flt_google_fault ret;

    flt_google_fault_read(&answer, &ret);
    return ret;
}

#define DETAIL(type, members)                                                                      \
    "{\"error\":{\"details\":[{\"@type\":\"type.googleapis.com/google.rpc." type "\"," members     \
    "}]}}"

static void test_a_delay_is_read_to_the_millisecond(void **unused)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        { "0s", 0 },           { "2s", 2000 },     { "1.5s", 1500 },
        { "0.0019s", 1 },      { "600s", 600000 }, { "99999999999999999999s", 600000 },
        { "1.999999s", 1999 }, { "-1s", -1 },      { "s", -1 },
        { "5", -1 },           { "5m", -1 },       { "", -1 },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[256];
        struct flt_google_fault fault;

        (void) snprintf(
            body, sizeof(body),
            "{\"error\":{\"details\":[{\"@type\":\"x.RetryInfo\",\"retryDelay\":\"%s\"}]}}",
            rows[i].text);
        fault = read(body);
        if (fault.retry_after_ms != rows[i].ms)
            fail_msg("'%s' is read as %lld", rows[i].text, (long long) fault.retry_after_ms);
    }
}

static void test_the_missing_right_is_found_in_both_forms(void **unused)
{
    static const struct {
        const char *body, *right;
    } rows[] = {
        { DETAIL("ErrorInfo", "\"metadata\":{\"permission\":\"compute.instances.get\"}"),
          "compute.instances.get" },
        { "{\"error\":{\"message\":\"Required 'compute.instances.get' permission for 'x'\"}}",
          "compute.instances.get" },
        { "{\"error\":{\"message\":\"Required 'a permission for 'x' and 'b' permission\"}}", "" },
        { "{\"error\":{\"message\":\"Required '' permission\"}}", "" },
        { "{\"error\":{\"message\":\"' permission Required '\"}}", "" },
        { DETAIL("Help", "\"metadata\":{\"permission\":\"other\"}"), "" },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(read(rows[i].body).right, rows[i].right);
}

static void test_what_is_said_is_one_line(void **unused)
{
    struct flt_google_fault fault = read(
        "{\"error\":{\"message\":\" \\n first\\u001b[31m\\nsecond\",\"status\":\"A\\r\\nB\"}}");

    (void) unused;
    assert_string_equal(fault.message, "first [31m");
    assert_string_equal(fault.reason, "A");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_reason_means_one_thing),
        cmocka_unit_test(test_a_delay_is_read_to_the_millisecond),
        cmocka_unit_test(test_the_missing_right_is_found_in_both_forms),
        cmocka_unit_test(test_what_is_said_is_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
