/* tests/unit/coordinator/test_rules.c - mirrors core/coordinator/rules.c. Rows carry the number of
 * the vector in the protocol's reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/http.h"
#include "core/base/str.h"
#include "core/coordinator/rules.h"

static void test_patch(void **unused)
{
    static const struct {
        const char *why;
        int status;
        struct answer_headers headers;
        struct patch_outcome want; /* without message and status */
    } cases[] = {
        /* ten bytes at 20 */
        { "coordinator_V9 interval",
          202,
          { .update_interval = "60" },
          { .result = PATCH_OK, .next_offset = 30, .update_interval_ms = 60000 } },
        { "coordinator_V9 bounded (hardening V16)",
          202,
          { .update_interval = "3600" },
          { .result = PATCH_OK, .next_offset = 30, .update_interval_ms = 600000 } },
        { "coordinator_V9 zero",
          202,
          { .update_interval = "0" },
          { .result = PATCH_OK, .next_offset = 30 } },
        { "coordinator_V9 negative",
          202,
          { .update_interval = "-10" },
          { .result = PATCH_OK, .next_offset = 30 } },
        { "coordinator_V9 no number",
          202,
          { .update_interval = "abc" },
          { .result = PATCH_OK, .next_offset = 30 } },
        { "coordinator_V10 the server has less",
          416,
          { .range = "0-10" },
          { .result = PATCH_MISMATCH, .next_offset = 10 } },
        { "coordinator_V11 no range", 416, { 0 }, { .result = PATCH_MISMATCH } },
        { "coordinator_V11 garbage", 416, { .range = "garbage" }, { .result = PATCH_MISMATCH } },
        { "coordinator_V12 connection reset",
          COORDINATOR_TRANSPORT_ERROR,
          { 0 },
          { .result = PATCH_FAILED, .next_offset = 20 } },
        { "coordinator_V12 stored before",
          416,
          { .range = "0-30" },
          { .result = PATCH_MISMATCH, .next_offset = 30 } },
        { "coordinator_V13 cancel",
          202,
          { .job_status = "canceling", .range = "0-30" },
          { .result = PATCH_OK, .next_offset = 30, .cancel = true } },
        { "coordinator_V14 abort",
          202,
          { .job_status = "canceled", .range = "0-30" },
          { .result = PATCH_ABORT, .next_offset = 20 } },
        { "coordinator_V14 failed",
          202,
          { .job_status = "failed" },
          { .result = PATCH_ABORT, .next_offset = 20 } },
        { "coordinator_V14 bare 403", 403, { 0 }, { .result = PATCH_ABORT, .next_offset = 20 } },
        { "not found", 404, { 0 }, { .result = PATCH_NOT_FOUND, .next_offset = 20 } },
        { "any other", 500, { 0 }, { .result = PATCH_FAILED, .next_offset = 20 } },
        { "coordinator_V21 offset 0-", 416, { .range = "0-" }, { .result = PATCH_MISMATCH } },
        { "coordinator_V21 offset 10", 416, { .range = "10" }, { .result = PATCH_MISMATCH } },
        { "coordinator_V21 offset 0-10-20",
          416,
          { .range = "0-10-20" },
          { .result = PATCH_MISMATCH } },
        { "coordinator_V21 empty", 416, { .range = "" }, { .result = PATCH_MISMATCH } },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct patch_outcome got;

        rules_patch(cases[i].status, &cases[i].headers, 20, 10, &got);
        if (got.result != cases[i].want.result || got.status != cases[i].status ||
            got.next_offset != cases[i].want.next_offset || got.cancel != cases[i].want.cancel ||
            got.update_interval_ms != cases[i].want.update_interval_ms || !*got.message)
            fail_msg("%s: %d, offset %lld, interval %lld", cases[i].why, (int) got.result,
                     (long long) got.next_offset, (long long) got.update_interval_ms);
    }
}

static void test_update(void **unused)
{
    static const struct {
        const char *why;
        int status;
        struct answer_headers headers;
        enum update_result want;
        bool cancel;
        int64_t interval_ms;
    } cases[] = {
        { "coordinator_V2 taken", 200, { 0 }, UPDATE_OK, false, 0 },
        { "coordinator_V7 vanished", 403, { .job_status = "canceled" }, UPDATE_ABORT, false, 0 },
        { "coordinator_V7 starts all the same", 400, { 0 }, UPDATE_FAILED, false, 0 },
        { "coordinator_V7 starts all the same", 409, { 0 }, UPDATE_FAILED, false, 0 },
        { "coordinator_V7 starts all the same", 500, { 0 }, UPDATE_FAILED, false, 0 },
        { "coordinator_V8 cancel", 200, { .job_status = "canceling" }, UPDATE_OK, true, 0 },
        { "coordinator_V15 gone", 404, { 0 }, UPDATE_ABORT, false, 0 },
        { "coordinator_V16 being stored",
          202,
          { .update_interval = "1" },
          UPDATE_ACCEPTED,
          false,
          1000 },
        { "coordinator_V16 no interval", 202, { 0 }, UPDATE_ACCEPTED, false, 0 },
        { "coordinator_V17 log rejected", 412, { 0 }, UPDATE_TRACE_INVALID, false, 0 },
        { "coordinator_V18 refused", 403, { 0 }, UPDATE_ABORT, false, 0 },
        { "coordinator_V18 no connection",
          COORDINATOR_TRANSPORT_ERROR,
          { 0 },
          UPDATE_FAILED,
          false,
          0 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct update_outcome got;

        rules_update(cases[i].status, &cases[i].headers, &got);
        if (got.result != cases[i].want || got.status != cases[i].status ||
            got.cancel != cases[i].cancel || got.update_interval_ms != cases[i].interval_ms ||
            !*got.message)
            fail_msg("%s: %d, interval %lld", cases[i].why, (int) got.result,
                     (long long) got.update_interval_ms);
    }
}

static void test_coordinator_V21_failure_reasons(void **unused)
{
    static const char *const supported[] = { "job_canceled", "image_pull_failure", "invented" };
    static const struct {
        const char *reason, *alone, *with;
    } cases[] = {
        { "", "script_failure", "script_failure" },
        { "runner_configuration_error", "script_failure", "script_failure" },
        { "image_pull_failure", "runner_system_failure", "image_pull_failure" },
        { "job_canceled", "unknown_failure", "job_canceled" }, /* coordinator_V13 */
        { "job_execution_timeout", "job_execution_timeout", "job_execution_timeout" },
        { "invented", "unknown_failure", "unknown_failure" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(rules_map_failure_reason(cases[i].reason, NULL, 0), cases[i].alone);
        assert_string_equal(
            rules_map_failure_reason(cases[i].reason, supported, ARRAY_LEN(supported)),
            cases[i].with);
    }
}

static void test_coordinator_V21_system_id(void **unused)
{
    char id[15], other[15];

    (void) unused;
    assert_int_equal(rules_system_id("0123456789abcdef0123456789abcdef\n", id), 0);
    assert_string_equal(id, "s_ee3af03959fe");
    assert_int_equal(rules_system_id(NULL, id), 0);
    assert_int_equal(rules_system_id("", other), 0);
    assert_int_equal(strlen(id), 14);
    assert_memory_equal(id, "r_", 2);
    assert_string_not_equal(id, other);
}

/* Numbers of a server that is broken, or wants to break us (hardening.md V16, V17). */
static void test_hardening_37_headers_beyond_reason(void **unused)
{
    static const char *const ranges[] = {
        "0-99999999999999999999", "-1-5", "abc", "0--5", "0-1e9", "99999999999", "0-0x10"
    };
    static const char *const waits[] = { "1e9", "-5", "99999999999999999999", "31536000", "abc" };
    struct patch_outcome patch;

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        rules_patch(416, &(struct answer_headers) { .range = ranges[i] }, 20, 10, &patch);
        assert_int_equal(patch.result, PATCH_MISMATCH);
        assert_int_equal(patch.next_offset, 0);
    }
    rules_patch(416, &(struct answer_headers) { .range = "0-99999999999" }, 20, 10, &patch);
    assert_true(patch.next_offset ==
                99999999999); /* for report_plan.c, which knows the log's end */
    rules_patch(202, &(struct answer_headers) { .update_interval = "-5" }, 20, 10, &patch);
    assert_int_equal(patch.update_interval_ms, 0);
    rules_patch(202, &(struct answer_headers) { .update_interval = "86400" }, 20, 10, &patch);
    assert_int_equal(patch.update_interval_ms, 10 * 60 * 1000);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++)
        assert_in_range(http_retry_wait_ms(1, "", waits[i], 1000, &rng_system), 100, 600000);
    assert_int_equal(http_retry_wait_ms(1, "Tue, 01 Jan 2099 00:00:00 GMT", "", 1000, &rng_system),
                     600000);
}

static void test_the_pace_of_requests(void **unused)
{
    double pace = 1;

    (void) unused;
    assert_true(rules_request_pace(pace, false, false, 4) == 1);
    for (int i = 0; i < 8; i++)
        pace = rules_request_pace(pace, true, false, 4);
    assert_true(pace > 2.1 && pace < 2.2);
    assert_true(rules_request_pace(pace, false, false, 4) < pace);
    assert_true(rules_request_pace(4, true, true, 4) == 2);
    assert_true(rules_request_pace(4, true, false, 4) == 4);
    assert_true(rules_request_pace(4, true, false, 2) == 2); /* the limit was lowered */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patch),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_coordinator_V21_failure_reasons),
        cmocka_unit_test(test_coordinator_V21_system_id),
        cmocka_unit_test(test_the_pace_of_requests),
        cmocka_unit_test(test_hardening_37_headers_beyond_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
