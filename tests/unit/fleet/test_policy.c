/* tests/unit/fleet/test_policy.c - mirrors core/fleet/policy.c: which policy holds when, and until when (autoscaler.md
 * 6.1 and 15.4, by number). */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/fleet/policy.h"
#include "tests/unit/fleet/fixture.h"

#define BERLIN "Europe/Berlin"
#define YEAR_MS (366 * 24 * 60 * MINUTE)

/* "2026-03-30 06:00:00" of UTC */
static int64_t utc_ms(const char *text)
{
    struct tm date = { 0 };

    assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &date));
    return timegm(&date) * 1000;
}

static struct policies *make(const struct config_policy *given, size_t count)
{
    struct config_policy copies[4];
    struct config_autoscaler autoscaler = { .policies = copies, .n_policies = count };
    struct policies *policies = NULL;
    struct error err = { 0 };

    assert_true(count <= ARRAY_LEN(copies));
    for (size_t i = 0; i < count; i++)
        copies[i] = given[i];
    if (policies_new(&autoscaler, &policies, &err) < 0)
        fail_msg("%s", err.message);
    return policies;
}

#define PERIOD(text) .periods = (char *[]) { (char *) (text) }, .n_periods = 1
#define ZONE(name) .timezone = (char *) (name)
#define A                                                                                          \
    {                                                                                              \
        .preemptive = -1                                                                           \
    }
#define B                                                                                          \
    {                                                                                              \
        .preemptive = -1, .idle_count = 1, .idle_time_ms = 30 * MINUTE,                            \
        PERIOD("* 8-15 * * mon-fri"), ZONE(BERLIN)                                                 \
    }

struct row {
    const char *vector;
    struct config_policy policies[2];
    size_t n_policies;
    const char *at; /* UTC: Berlin is an hour ahead, two in summer */
    size_t want_index;
    const char *want_until; /* NULL = never */
};

static void test_the_vectors_of_the_reference(void **unused)
{
    const struct row rows[] = {
        { "autoscaler_V37", { A, B }, 2, "2026-03-30 05:59:59", 0, "2026-03-30 06:00:00" },
        { "autoscaler_V38", { A, B }, 2, "2026-03-30 06:00:00", 1, "2026-03-30 14:00:00" },
        { "autoscaler_V39", { A, B }, 2, "2026-04-03 13:59:59", 1, "2026-04-03 14:00:00" },
        { "autoscaler_V40", { A, B }, 2, "2026-04-03 14:00:00", 0, "2026-04-06 06:00:00" },
        { "autoscaler_V42",
          { B },
          1,
          "2026-04-04 10:00:00",
          POLICY_DEFAULT,
          "2026-04-06 06:00:00" },
        { "autoscaler_V43", { B, A }, 2, "2026-03-30 10:00:00", 1, NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        auto_ptr(policies_free) struct policies *policies =
            make(rows[i].policies, rows[i].n_policies);
        size_t index;
        int64_t until;

        (void) policies_at(policies, utc_ms(rows[i].at), &index, &until);
        if (index != rows[i].want_index ||
            until != (rows[i].want_until ? utc_ms(rows[i].want_until) : INT64_MAX))
            fail_msg("%s: policy %zu until %" PRId64, rows[i].vector, index, until);
    }
}

static struct fleet_policy asked(const struct policies *policies, const char *at)
{
    size_t index;
    int64_t until;

    return policies_at(policies, utc_ms(at), &index, &until);
}

/* One instance, idle for three minutes at that time, with or without a job. */
static struct fleet *one_instance(const struct policies *policies, const char *at, bool busy)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 10,
                                         .policy = asked(policies, at),
                                         .pending_limit_ms = 15 * MINUTE };
    struct fleet *fleet = NULL;

    assert_int_equal(fleet_new(&config, &fleet), 0);
    restore(fleet, "i-1",
            (struct fleet_instance) { .ready_ms = NOW - 9 * MINUTE,
                                      .idle_since_ms = NOW - 3 * MINUTE });
    if (busy)
        assert_int_equal(fleet_occupy(fleet, "i-1", 0, 7, NULL), 0);
    return fleet;
}

static void test_autoscaler_V38_an_empty_fleet_grows_at_the_border(void **unused)
{
    const struct config_policy given[] = { A, B };
    auto_ptr(policies_free) struct policies *policies = make(given, 2);
    struct fleet_policy before = asked(policies, "2026-03-30 05:59:59"),
                        at = asked(policies, "2026-03-30 06:00:00");
    const struct fleet_config config = { .capacity = 1, .max_instances = 10, .policy = before };
    struct fleet *fleet = NULL;

    (void) unused;
    assert_int_equal(fleet_new(&config, &fleet), 0);
    assert_int_equal(planned(fleet, NOW, false), 0);
    fleet_set_policy(fleet, &at);
    assert_int_equal(planned(fleet, NOW, false), 1);
    fleet_free(fleet);
}

static void test_autoscaler_V40_surplus_goes_at_the_border(void **unused)
{
    const struct config_policy given[] = { A, B };
    auto_ptr(policies_free) struct policies *policies = make(given, 2);
    struct fleet *fleet = one_instance(policies, "2026-04-03 13:59:59", false);
    struct fleet_policy next = asked(policies, "2026-04-03 14:00:00");

    (void) unused;
    assert_int_equal(planned(fleet, NOW, true), 0);
    fleet_set_policy(fleet, &next);
    assert_int_equal(planned(fleet, NOW, true), 1);
    fleet_free(fleet);
}

static void test_autoscaler_V41_a_busy_instance_stays_until_its_job_ends(void **unused)
{
    const struct config_policy given[] = { A, B };
    auto_ptr(policies_free) struct policies *policies = make(given, 2);
    struct fleet *fleet = one_instance(policies, "2026-04-03 14:00:00", true);

    (void) unused;
    assert_int_equal(planned(fleet, NOW, true), 0);
    fleet_release(fleet, 7, NOW + MINUTE);
    assert_int_equal(planned(fleet, NOW + MINUTE, true), 1);
    fleet_free(fleet);
}

static void test_autoscaler_V42_none_holds_so_five_minutes_do(void **unused)
{
    const struct config_policy given[] = { B };
    auto_ptr(policies_free) struct policies *policies = make(given, 1);
    struct fleet *fleet = one_instance(policies, "2026-04-04 10:00:00", false);

    (void) unused;
    assert_int_equal(planned(fleet, NOW + 2 * MINUTE - 1, true), 0);
    assert_int_equal(planned(fleet, NOW + 2 * MINUTE, true), 1);
    fleet_free(fleet);
}

/* Counts the seconds of a UTC day, at whole minutes, in which the only policy holds, by asking until the next change;
 * asks each minute in between, too. */
static int64_t active_minutes(const struct config_policy *given, const char *from, int days)
{
    auto_ptr(policies_free) struct policies *policies = make(given, 1);
    int64_t active = 0, next = 0;
    size_t held = 0;

    for (int64_t at = utc_ms(from), end = at + days * 1440 * MINUTE; at < end; at += MINUTE) {
        size_t index;
        int64_t until;

        (void) policies_at(policies, at, &index, &until);
        if (at < next)
            assert_true(index == held && until == next);
        assert_true(until > at);
        held = index;
        next = until;
        active += index == 0;
    }
    return active;
}

static void test_autoscaler_V44_what_the_clocks_skip_never_holds(void **unused)
{
    const struct config_policy night = { PERIOD("* 2 * * *"), ZONE(BERLIN) };

    (void) unused;
    assert_int_equal(active_minutes(&night, "2026-03-28 12:00:00", 1), 0);
    assert_int_equal(active_minutes(&night, "2026-03-29 12:00:00", 1), 60);
}

static void test_autoscaler_V45_what_the_clocks_show_twice_holds_twice(void **unused)
{
    const struct config_policy night = { PERIOD("* 2 * * *"), ZONE(BERLIN) };

    (void) unused;
    assert_int_equal(active_minutes(&night, "2026-10-24 12:00:00", 1), 120);
    assert_int_equal(active_minutes(&night, "2026-10-25 12:00:00", 1), 60);
}

static void test_autoscaler_V46_what_does_not_parse_is_refused(void **unused)
{
    const struct {
        struct config_policy policy;
        int code;
        const char *sentence;
    } cases[] = {
        { { .timezone = (char *) "Mars/Base", PERIOD("* 1 * * *") },
          -ENOENT,
          "policy[1]: there is no time zone \"Mars/Base\" in /usr/share/zoneinfo" },
        { { .periods = (char *[]) { (char *) "* * * * *", (char *) "61 * * * *" }, .n_periods = 2 },
          -EINVAL,
          "policy[1]: periods[1]: minute \"61\" is not in 0-59" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config_policy given[] = { A, cases[i].policy };
        struct config_autoscaler autoscaler = { .policies = given, .n_policies = 2 };
        struct policies *policies = NULL;
        struct error err = { 0 };

        assert_int_equal(policies_new(&autoscaler, &policies, &err), cases[i].code);
        assert_null(policies);
        assert_string_equal(err.message, cases[i].sentence);
    }
}

static void test_a_policy_wins_whole(void **unused)
{
    const struct config_policy given[] = {
        { .idle_count = 5,
          .idle_time_ms = 7,
          .scale_factor = 2,
          .scale_factor_limit = 9,
          .preemptive = 0 },
        { .preemptive = 1, .idle_count = 2, .idle_time_ms = 3, PERIOD("* 6 * * *"), ZONE("UTC") },
        { .preemptive = -1, .idle_count = 1, PERIOD("* 7 * * *"), ZONE("UTC") },
        { .preemptive = -1, PERIOD("* 8 * * *"), ZONE("UTC") },
    };
    static const struct {
        const char *at;
        struct fleet_policy want;
    } cases[] = {
        { "2026-01-01 05:00:00", { 5, 7, 2, 9, false } },
        { "2026-01-01 06:00:00", { 2, 3, 0, 0, true } },
        { "2026-01-01 07:00:00", { 1, 0, 0, 0, true } },
        { "2026-01-01 08:00:00", { 0, 0, 0, 0, false } },
    };
    auto_ptr(policies_free) struct policies *policies = make(given, 4);

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fleet_policy got = asked(policies, cases[i].at);

        if (got.idle_count != cases[i].want.idle_count ||
            got.idle_time_ms != cases[i].want.idle_time_ms ||
            got.scale_factor != cases[i].want.scale_factor ||
            got.scale_factor_limit != cases[i].want.scale_factor_limit ||
            got.preemptive != cases[i].want.preemptive)
            fail_msg("%s", cases[i].at);
    }
}

static void test_no_policy_at_all(void **unused)
{
    auto_ptr(policies_free) struct policies *policies = make(NULL, 0);
    struct fleet_policy policy;
    size_t index;
    int64_t until;

    (void) unused;
    policy = policies_at(policies, NOW, &index, &until);
    assert_int_equal(policy.idle_count, 0);
    assert_int_equal(policy.idle_time_ms, 5 * MINUTE);
    assert_true(index == POLICY_DEFAULT && until == INT64_MAX);
}

/* Two periods that together leave no minute out; a change that is years away is looked for again in a year. */
static void test_the_search_for_a_change_is_bounded(void **unused)
{
    const struct config_policy whole = {
        .periods = (char *[]) { (char *) "*/2 * * * *", (char *) "1-59/2 * * * *" }, .n_periods = 2
    };
    const struct config_policy leap_day = { PERIOD("* * 29 2 *"), ZONE("UTC") };
    auto_ptr(policies_free) struct policies *policies = make(&whole, 1);
    int64_t until, at = utc_ms("2028-03-01 00:00:00");
    size_t index;

    (void) unused;
    (void) policies_at(policies, at, &index, &until);
    assert_true(index == 0 && until == at + YEAR_MS);
    policies_free(take_ptr(policies));
    policies = make(&leap_day, 1);
    for (int i = 0; i < 4; i++, at = until) {
        (void) policies_at(policies, at, &index, &until);
        assert_true(index == POLICY_DEFAULT && until <= at + YEAR_MS);
    }
    assert_true(at == utc_ms("2032-02-29 00:00:00"));
    (void) policies_at(policies, at, &index, &until);
    assert_true(index == 0 && until == utc_ms("2032-03-01 00:00:00"));
}

static void test_any_time_has_an_answer(void **unused)
{
    static const int64_t times[] = { INT64_MIN, -1, 0, INT64_MAX };
    const struct config_policy given[] = { A, B };
    auto_ptr(policies_free) struct policies *policies = make(given, 2);

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        size_t index;
        int64_t until;

        (void) policies_at(policies, times[i], &index, &until);
        assert_true(index <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vectors_of_the_reference),
        cmocka_unit_test(test_autoscaler_V38_an_empty_fleet_grows_at_the_border),
        cmocka_unit_test(test_autoscaler_V40_surplus_goes_at_the_border),
        cmocka_unit_test(test_autoscaler_V41_a_busy_instance_stays_until_its_job_ends),
        cmocka_unit_test(test_autoscaler_V42_none_holds_so_five_minutes_do),
        cmocka_unit_test(test_autoscaler_V44_what_the_clocks_skip_never_holds),
        cmocka_unit_test(test_autoscaler_V45_what_the_clocks_show_twice_holds_twice),
        cmocka_unit_test(test_autoscaler_V46_what_does_not_parse_is_refused),
        cmocka_unit_test(test_a_policy_wins_whole),
        cmocka_unit_test(test_no_policy_at_all),
        cmocka_unit_test(test_the_search_for_a_change_is_bounded),
        cmocka_unit_test(test_any_time_has_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
