/* tests/unit/supervisor/test_report_plan.c - mirrors core/supervisor/report_plan.c. Names like V10 are
 * the vectors of coordinator-protocol.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/supervisor/report_plan.h"

#define NOW 1000000
#define DAY_MS (24 * 3600 * 1000LL)

static struct report_plan running(int64_t sent)
{
    return (struct report_plan) {
        .sent = sent, .peak = sent, .interval_ms = REPORT_INTERVAL_MS, .told_at = NOW
    };
}

static struct report_plan finished(int64_t sent)
{
    struct report_plan plan = running(sent);

    report_finish(&plan, NOW, DAY_MS);
    return plan;
}

static int64_t patch(struct report_plan *plan, enum patch_result result, int status, int64_t offset,
                     int64_t end, int64_t now)
{
    struct patch_outcome outcome = { .result = result, .status = status, .next_offset = offset };

    return report_on_patch(plan, &outcome, end, now);
}

static int64_t final(struct report_plan *plan, enum update_result result, int64_t now)
{
    struct update_outcome outcome = { .result = result };

    return report_on_final(plan, &outcome, now);
}

static void test_the_next_step(void **unused)
{
    static const struct {
        const char *why;
        struct report_plan plan;
        int64_t end, now;
        enum report_step want;
    } cases[] = {
        { "nothing was ever told: a sign of life at the first tick",
          { .told_at = 0 },
          0,
          NOW,
          REPORT_TOUCH },
        { "there is log", { .told_at = 0 }, 1, NOW, REPORT_PATCH },
        { "all is sent and was told just now",
          { .sent = 9, .told_at = NOW },
          9,
          NOW,
          REPORT_NOTHING },
        { "silence of almost 30 s", { .sent = 9, .told_at = NOW }, 9, NOW + 29999, REPORT_NOTHING },
        { "V15: silence of 30 s", { .sent = 9, .told_at = NOW }, 9, NOW + 30000, REPORT_TOUCH },
        { "aborted: the loop has stopped", { .aborted = true }, 99, NOW, REPORT_NOTHING },
        { "aborted and ended: the rest is offered once more",
          { .aborted = true, .finished = true },
          99,
          NOW,
          REPORT_PATCH },
        { "ended with log to send", { .sent = 9, .finished = true }, 10, NOW, REPORT_PATCH },
        { "ended and all sent", { .sent = 10, .finished = true }, 10, NOW, REPORT_FINAL },
        { "ended without any log", { .finished = true }, 0, NOW, REPORT_FINAL },
        { "the rest is given up",
          { .sent = 3, .finished = true, .log_given_up = true },
          10,
          NOW,
          REPORT_FINAL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (report_next(&cases[i].plan, cases[i].end, cases[i].now) != cases[i].want)
            fail_msg("%s: got %d", cases[i].why,
                     report_next(&cases[i].plan, cases[i].end, cases[i].now));
}

static void test_an_accepted_patch_counts_as_a_sign_of_life(void **unused)
{
    struct report_plan plan = { .interval_ms = 5000 };

    assert_int_equal(patch(&plan, PATCH_OK, 202, 10, 10, NOW), 5000);
    assert_int_equal(plan.sent, 10);
    assert_int_equal(report_next(&plan, 10, NOW + 5000), REPORT_NOTHING);
}

static void test_the_end_is_flushed_without_pause(void **unused)
{
    struct report_plan plan = finished(0);

    assert_int_equal(patch(&plan, PATCH_OK, 202, 10, 20, NOW), 0);
    assert_int_equal(report_next(&plan, 20, NOW), REPORT_PATCH);
    assert_int_equal(patch(&plan, PATCH_OK, 202, 20, 20, NOW), 0);
    assert_int_equal(report_next(&plan, 20, NOW), REPORT_FINAL);
}

static void test_coordinator_V10_a_mismatch_waits_one_interval(void **unused)
{
    struct report_plan plan = running(20);

    assert_int_equal(patch(&plan, PATCH_MISMATCH, 416, 10, 30, NOW), REPORT_INTERVAL_MS);
    assert_int_equal(plan.sent, 10);
    plan = finished(20);
    assert_int_equal(patch(&plan, PATCH_MISMATCH, 416, 10, 30, NOW), REPORT_INTERVAL_MS);
    assert_int_equal(report_next(&plan, 30, NOW), REPORT_PATCH);
}

/* Range missing: 0 again and again. Never back to back, and not for ever. */
static void test_a_server_that_never_keeps_the_log_is_asked_less_and_less(void **unused)
{
    struct report_plan plan = finished(0);
    int64_t last = 0;
    int asked = 0;

    while (report_next(&plan, 30, NOW) == REPORT_PATCH) {
        int64_t wait = patch(&plan, PATCH_MISMATCH, 416, 0, 30, NOW);

        assert_true(wait >= REPORT_INTERVAL_MS && wait >= last);
        last = wait;
        assert_true(++asked <= 10);
    }
    assert_int_equal(asked, 10);
    assert_int_equal(report_next(&plan, 30, NOW), REPORT_FINAL);
}

/* What was acknowledged before is no progress when it is sent again. */
static void test_a_log_that_is_rejected_whole_is_not_sent_for_ever(void **unused)
{
    struct report_plan plan = finished(30);
    int sent = 0;

    for (;;) {
        assert_true(final(&plan, UPDATE_TRACE_INVALID, NOW) >= REPORT_INTERVAL_MS);
        if (report_next(&plan, 30, NOW) != REPORT_PATCH)
            break;
        assert_int_equal(patch(&plan, PATCH_OK, 202, 30, 30, NOW), 0);
        assert_true(++sent < 10);
    }
    assert_int_equal(sent, 9);
    assert_int_equal(report_next(&plan, 30, NOW), REPORT_FINAL);
    assert_false(plan.given_up);
}

static void test_coordinator_V17_a_rejected_log_is_sent_again_after_one_interval(void **unused)
{
    struct report_plan plan = finished(20);

    assert_int_equal(final(&plan, UPDATE_TRACE_INVALID, NOW), REPORT_INTERVAL_MS);
    assert_int_equal(plan.sent, 0);
    assert_int_equal(report_next(&plan, 20, NOW), REPORT_PATCH);
}

static void test_hardening_V17_impossible_offsets_are_not_taken(void **unused)
{
    struct report_plan plan = finished(20);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(report_next(&plan, 30, NOW), REPORT_PATCH);
        (void) patch(&plan, PATCH_MISMATCH, 416, 999, 30, NOW);
        assert_int_equal(plan.sent, 20);
    }
    assert_int_equal(report_next(&plan, 30, NOW), REPORT_FINAL);
}

static void test_failures_back_off_until_something_is_taken(void **unused)
{
    static const int64_t waits[] = { 1000, 2000, 4000, 8000 };
    struct report_plan plan = finished(0);

    for (size_t i = 0; i < ARRAY_LEN(waits); i++)
        assert_int_equal(patch(&plan, PATCH_FAILED, 503, 0, 30, NOW),
                         REPORT_INTERVAL_MS + waits[i]);
    (void) patch(&plan, PATCH_OK, 202, 10, 30, NOW);
    assert_int_equal(patch(&plan, PATCH_FAILED, -1, 10, 30, NOW), REPORT_INTERVAL_MS + 1000);
    for (int i = 0; i < 40; i++)
        (void) patch(&plan, PATCH_FAILED, -1, 10, 30, NOW);
    assert_int_equal(patch(&plan, PATCH_FAILED, -1, 10, 30, NOW), REPORT_INTERVAL_MS + 600000);
    assert_int_equal(final(&plan, UPDATE_FAILED, NOW), REPORT_INTERVAL_MS + 600000);
}

/* A refusal will not change; a server that is down will come back. */
static void test_when_the_rest_of_the_log_is_given_up(void **unused)
{
    static const struct {
        const char *why;
        int status;
        int64_t later_ms;
        int tries;
        bool given_up;
    } cases[] = {
        { "refused nine times", 422, 0, 9, false },
        { "refused ten times", 422, 0, 10, true },
        { "down for hours", 503, DAY_MS, 1000, false },
        { "no answer for hours", -1, DAY_MS, 1000, false },
        { "too many requests", 429, DAY_MS, 1000, false },
        { "down for longer than anybody waits", 503, DAY_MS + 1, 1, true },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct report_plan plan = finished(0);

        for (int n = 0; n < cases[i].tries; n++)
            (void) patch(&plan, PATCH_FAILED, cases[i].status, 0, 30, NOW + cases[i].later_ms);
        if (plan.log_given_up != cases[i].given_up || plan.given_up)
            fail_msg("%s: given up %d", cases[i].why, plan.log_given_up);
    }
}

static void test_a_log_that_cannot_be_read_does_not_hold_the_final_state(void **unused)
{
    struct report_plan plan = finished(0);

    for (int i = 0; i < 10; i++) {
        assert_int_equal(report_next(&plan, 30, NOW), REPORT_PATCH);
        assert_true(report_on_trouble(&plan, NOW) > REPORT_INTERVAL_MS);
    }
    assert_int_equal(report_next(&plan, 30, NOW), REPORT_FINAL);
}

static void test_trouble_while_the_job_runs_costs_nothing_at_its_end(void **unused)
{
    struct report_plan plan = running(0);

    for (int i = 0; i < 50; i++)
        (void) patch(&plan, PATCH_FAILED, 422, 0, 30, NOW);
    report_finish(&plan, NOW, DAY_MS);
    assert_int_equal(patch(&plan, PATCH_FAILED, 422, 0, 30, NOW), REPORT_INTERVAL_MS + 1000);
    assert_false(plan.log_given_up);
}

/* Counts reports; each may be five attempts of HTTP. */
static void test_a_gitlab_that_is_away_for_an_hour_is_not_stormed(void **unused)
{
    struct report_plan plan = running(0);
    int64_t now = NOW;
    int asked = 0;

    assert_int_equal(patch(&plan, PATCH_FAILED, 503, 0, 30, now), REPORT_INTERVAL_MS);
    for (; now < NOW + 3600 * 1000; asked++)
        now += patch(&plan, PATCH_FAILED, 503, 0, 30, now);
    assert_in_range(asked, 3600 / 63, 3600 / 63 + 12);
    assert_int_equal(patch(&plan, PATCH_OK, 202, 30, 30, now), REPORT_INTERVAL_MS);
    assert_int_equal(patch(&plan, PATCH_FAILED, 503, 30, 60, now), REPORT_INTERVAL_MS);
}

static void test_signs_of_life_slow_down_likewise(void **unused)
{
    struct report_plan plan = running(30);
    const struct update_outcome failed = { .result = UPDATE_FAILED },
                                taken = { .result = UPDATE_OK };

    assert_int_equal(report_on_touch(&plan, &failed, NOW), REPORT_INTERVAL_MS);
    assert_int_equal(report_on_touch(&plan, &failed, NOW), REPORT_INTERVAL_MS + 1000);
    for (int i = 0; i < 20; i++)
        (void) report_on_touch(&plan, &failed, NOW);
    assert_int_equal(report_on_touch(&plan, &failed, NOW), REPORT_INTERVAL_MS + 60 * 1000);
    assert_int_equal(report_on_touch(&plan, &taken, NOW), REPORT_INTERVAL_MS);
    assert_int_equal(report_on_touch(&plan, &failed, NOW), REPORT_INTERVAL_MS);
}

/* coordinator_V18 with the peer's setting; without it hardening.md R2 holds. */
static void test_coordinator_V18_a_number_of_tries_that_is_configured_is_the_last(void **unused)
{
    struct report_plan plan = finished(30);

    plan.tries = 10;
    for (int i = 0; i < 4; i++) {
        (void) final(&plan, UPDATE_ACCEPTED, NOW);
        (void) final(&plan, UPDATE_TRACE_INVALID, NOW);
    }
    for (int i = 0; i < 9; i++) {
        (void) final(&plan, UPDATE_FAILED, NOW);
        assert_false(plan.given_up);
    }
    (void) patch(&plan, PATCH_FAILED, 500, 0, 30, NOW);
    assert_true(plan.given_up);
}

static void test_the_final_state_is_told_as_long_as_somebody_may_want_it(void **unused)
{
    static const enum update_result results[] = { UPDATE_ACCEPTED, UPDATE_TRACE_INVALID,
                                                  UPDATE_FAILED };

    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        struct report_plan plan = finished(0);

        (void) final(&plan, results[i], NOW + DAY_MS);
        assert_false(plan.given_up);
        (void) final(&plan, results[i], NOW + DAY_MS + 1);
        assert_true(plan.given_up);
    }
}

static void test_coordinator_V16_what_is_accepted_waits_as_told(void **unused)
{
    struct report_plan plan = finished(0);
    struct update_outcome outcome = { .result = UPDATE_ACCEPTED, .update_interval_ms = 2000 };

    assert_int_equal(report_on_final(&plan, &outcome, NOW), 2000);
    outcome.update_interval_ms = 0;
    assert_int_equal(report_on_final(&plan, &outcome, NOW), 2000);
}

static void test_coordinator_V14_an_abort_stops_the_loop_and_ends_in_two_calls(void **unused)
{
    struct report_plan plan = running(0);

    (void) patch(&plan, PATCH_ABORT, 202, 10, 10, NOW);
    assert_int_equal(plan.sent, 0);
    assert_int_equal(report_next(&plan, 500, NOW + DAY_MS), REPORT_NOTHING);
    report_finish(&plan, NOW, DAY_MS);
    assert_int_equal(report_next(&plan, 500, NOW), REPORT_PATCH);
    assert_int_equal(patch(&plan, PATCH_ABORT, 403, 0, 500, NOW), 0);
    assert_int_equal(report_next(&plan, 500, NOW), REPORT_FINAL);
}

static void test_an_abort_heard_by_a_touch_stops_the_loop(void **unused)
{
    struct report_plan plan = running(0);
    struct update_outcome outcome = { .result = UPDATE_ABORT };

    (void) report_on_touch(&plan, &outcome, NOW);
    assert_int_equal(report_next(&plan, 500, NOW + DAY_MS), REPORT_NOTHING);
}

static void test_a_missing_job_ends_the_flush_and_nothing_else(void **unused)
{
    struct report_plan plan = running(0);

    assert_int_equal(patch(&plan, PATCH_NOT_FOUND, 404, 0, 30, NOW), REPORT_INTERVAL_MS);
    assert_int_equal(report_next(&plan, 30, NOW), REPORT_PATCH);
    report_finish(&plan, NOW, DAY_MS);
    assert_int_equal(patch(&plan, PATCH_NOT_FOUND, 404, 0, 30, NOW), 0);
    assert_int_equal(report_next(&plan, 30, NOW), REPORT_FINAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_next_step),
        cmocka_unit_test(test_an_accepted_patch_counts_as_a_sign_of_life),
        cmocka_unit_test(test_the_end_is_flushed_without_pause),
        cmocka_unit_test(test_coordinator_V10_a_mismatch_waits_one_interval),
        cmocka_unit_test(test_a_server_that_never_keeps_the_log_is_asked_less_and_less),
        cmocka_unit_test(test_a_log_that_is_rejected_whole_is_not_sent_for_ever),
        cmocka_unit_test(test_coordinator_V17_a_rejected_log_is_sent_again_after_one_interval),
        cmocka_unit_test(test_hardening_V17_impossible_offsets_are_not_taken),
        cmocka_unit_test(test_failures_back_off_until_something_is_taken),
        cmocka_unit_test(test_when_the_rest_of_the_log_is_given_up),
        cmocka_unit_test(test_a_log_that_cannot_be_read_does_not_hold_the_final_state),
        cmocka_unit_test(test_trouble_while_the_job_runs_costs_nothing_at_its_end),
        cmocka_unit_test(test_a_gitlab_that_is_away_for_an_hour_is_not_stormed),
        cmocka_unit_test(test_signs_of_life_slow_down_likewise),
        cmocka_unit_test(test_coordinator_V18_a_number_of_tries_that_is_configured_is_the_last),
        cmocka_unit_test(test_the_final_state_is_told_as_long_as_somebody_may_want_it),
        cmocka_unit_test(test_coordinator_V16_what_is_accepted_waits_as_told),
        cmocka_unit_test(test_coordinator_V14_an_abort_stops_the_loop_and_ends_in_two_calls),
        cmocka_unit_test(test_an_abort_heard_by_a_touch_stops_the_loop),
        cmocka_unit_test(test_a_missing_job_ends_the_flush_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
