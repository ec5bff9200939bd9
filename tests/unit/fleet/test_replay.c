/* tests/unit/fleet/test_replay.c - mirrors core/fleet/replay.c: lines that are none, and decisions that are others.
 * That whole histories are decided the same again is in test_properties.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/journal.h"
#include "core/fleet/replay.h"
#include "tests/unit/fleet/fixture.h"

#define LINES_MAX 64

struct lines {
    char *items[LINES_MAX];
    size_t n;
};

static void keep(void *arg, const char *line)
{
    struct lines *lines = arg;

    assert_true(lines->n < LINES_MAX);
    lines->items[lines->n++] = mem_strdup(line);
}

/* Two jobs: one runs, for the other an instance is ordered; what is idle beside them goes. */
static void record(struct lines *lines)
{
    const struct fleet_config config = { .capacity = 1,
                                         .max_instances = 3,
                                         .pending_limit_ms = MINUTE };
    const struct fleet_listed listed[] = { { .id = "i-1", .state = INSTANCE_RUNNING },
                                           { .id = "i-2", .state = INSTANCE_RUNNING } };
    const struct fleet_instance *instance;
    struct scaler_plan plan = { 0 };
    struct fleet *fleet = NULL;
    struct error err = { 0 };
    uint32_t slot;
    int64_t seq;

    assert_int_equal(fleet_new(&config, &fleet), 0);
    fleet_request(fleet, 2, NOW);
    fleet_on_increase(fleet, NOW, 2, 2);
    fleet_record(fleet, keep, lines);
    assert_int_equal(fleet_on_list(fleet, NOW, listed, 2, true, ignore, NULL, &err), 0);
    fleet_mark_ready(fleet, "i-1", NOW);
    fleet_mark_ready(fleet, "i-2", NOW);
    fleet_doubt(fleet, "i-2");
    fleet_mark_ready(fleet, "i-2", NOW);
    assert_int_equal(fleet_wait(fleet, 7, false), 0);
    assert_int_equal(fleet_assign_next(fleet, NOW, &seq, &instance, &slot), 1);
    assert_int_equal(scaler_plan(fleet, NOW + MINUTE, 1, &plan), 0);
    assert_int_equal(plan.n_removals, 1);
    fleet_record_plan(fleet, &plan, NOW + MINUTE, 1);
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

static void drop(struct lines *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        free(lines->items[i]);
}

/* What the first line that is not as it was is answered with. */
static int play(const struct lines *lines, struct error *err)
{
    auto_ptr(replay_free) struct replay *replay = NULL;
    int r = replay_new(&replay);

    for (size_t i = 0; r == 0 && i < lines->n; i++)
        r = replay_line(replay, lines->items[i], err);
    return r;
}

static void test_what_was_recorded_is_decided_again(void **state)
{
    struct lines lines = { 0 };
    struct error err = { 0 };

    (void) state;
    record(&lines);
    assert_int_equal(play(&lines, &err), 0);
    drop(&lines);
}

static void replace(char **line, const char *what, const char *by)
{
    char *at = strstr(*line, what), *changed;

    assert_non_null(at);
    changed = mem_printf("%.*s%s%s", (int) (at - *line), *line, by, at + strlen(what));
    free(*line);
    *line = changed;
}

static char **find(struct lines *lines, const char *prefix)
{
    for (size_t i = 0; i < lines->n; i++)
        if (str_starts(lines->items[i], prefix))
            return &lines->items[i];
    fail_msg("there is no line '%s'", prefix);
    return NULL;
}

static void test_another_decision_is_told_with_both(void **state)
{
    static const struct {
        const char *line, *what, *by, *told;
    } changes[] = {
        { "assign ", " i-1 ", " i-2 ", "recorded was \"7 i-2 0\", decided is \"7 i-1 0\"" },
        { "plan ", " i-2,", " i-1,", "recorded was \"plan " },
        { "wait 7", "7", "8", "decided is \"8 i-1 0\"" },
        { "ready i-1", "i-1", "i-3", "decided is \"7 i-2 0\"" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct lines lines = { 0 };
        struct error err = { 0 };

        record(&lines);
        replace(find(&lines, changes[i].line), changes[i].what, changes[i].by);
        assert_int_equal(play(&lines, &err), -EILSEQ);
        assert_non_null(strstr(err.message, changes[i].told));
        drop(&lines);
    }
}

/* Whatever is cut off, and wherever: no line of it is taken for another one. */
static void test_a_line_that_is_cut_is_refused(void **state)
{
    struct lines lines = { 0 };

    (void) state;
    record(&lines);
    for (size_t i = 1; i < lines.n; i++) {
        char *whole = lines.items[i], *cut = mem_strdup(whole);
        struct error err = { 0 };

        *strrchr(cut, ' ') = '\0';
        lines.items[i] = cut;
        assert_true(play(&lines, &err) < 0);
        lines.items[i] = whole;
        free(cut);
    }
    drop(&lines);
}

static void test_what_is_no_line_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "nonsense",
        "ready",
        "ready i-1",
        "ready i-1 x",
        "ready i-1 1 2",
        "config 0 0 1",
        "instance i-9 99",
        "instance  ",
        "growth 9 1 1",
        "list 1 1 i-1",
        "list 1 1 +i-9",
        "list 1 1 +i-9,77",
        "list 1 1 +i-9,1,1",
        "list 1 1 +i-9,1 +i-9,1",
        "occupy i-1 0 99999999999999999999",
        "occupy i-8 0 1",
        "drain i-8 1 1",
        "undrain i-1",
        "hold i-8 1",
        "hold i-1 0",
        "unhold i-1",
        "plan 1",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct lines lines = { 0 };
        struct error err = { 0 };

        record(&lines);
        keep(&lines, wrong[i]);
        assert_true(play(&lines, &err) < 0);
        assert_string_not_equal(err.message, "");
        drop(&lines);
    }
}

static void test_nothing_is_taken_before_a_beginning(void **state)
{
    auto_ptr(replay_free) struct replay *replay = NULL;
    struct error err = { 0 };
    uint64_t lines, decisions;

    (void) state;
    assert_int_equal(replay_new(&replay), 0);
    assert_int_equal(replay_line(replay, "reserve 1", &err), -EBADMSG);
    assert_int_equal(replay_line(replay, "begin", &err), 0);
    assert_int_equal(replay_line(replay, "nonsense", &err), -EBADMSG);
    assert_int_equal(replay_line(replay, "unreserve", &err), -EBADMSG);
    replay_count(replay, &lines, &decisions);
    assert_int_equal(lines, 4);
    assert_int_equal(decisions, 0);
}

/* Nothing that is summed up of them overflows. */
static void test_numbers_beyond_all_bounds_do_no_harm(void **state)
{
    static const char most[] = "9223372036854775807", least[] = "-9223372036854775808";
    static const char *const lines[] = {
        "begin",
        "config 1 0 10 0 MOST 0 0 0 0 0 0 MOST 0 MOST MOST 100 0 0 MOST MOST MOST MOST",
        "gone 1",
        "gone MOST",
        "instance a 1 0 1 0 0 0 LEAST LEAST LEAST LEAST LEAST 0 0 0 0 MOST 0 0 LEAST LEAST 0 0",
        "instance b 1 0 1 0 0 0 MOST MOST MOST MOST MOST 0 0 0 0 MOST 0 0 MOST MOST 0 0",
        "order 4294967295 MOST 0",
        "growth 0 4294967295 MOST",
        "counts 0 0 0 MOST LEAST 0 2",
        "failed 1 MOST MOST",
        "request 4294967295 LEAST",
        "increased MOST 4294967295 7",
        "health a 0",
        "crash a MOST",
        "crash a LEAST",
        "crash a MOST",
        "drain a 15 MOST",
        "hold b MOST",
        "release 1 MOST",
        "list MOST 1",
    };
    static const char *const plans[] = { "plan MOST 1 0 0 0 0 0", "plan LEAST 1 0 0 0 0 0",
                                         "ask MOST a", "assign LEAST 1 a 0" };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        auto_ptr(replay_free) struct replay *replay = NULL;
        struct error err = { 0 };

        assert_int_equal(replay_new(&replay), 0);
        for (size_t k = 0; k <= ARRAY_LEN(lines); k++) {
            autobuf struct buf line = BUF_INIT;
            const char *at = k < ARRAY_LEN(lines) ? lines[k] : plans[i];

            for (; *at; at++)
                if (str_starts(at, "MOST") || str_starts(at, "LEAST")) {
                    buf_add_str(&line, *at == 'M' ? most : least);
                    at += *at == 'M' ? 3 : 4;
                } else {
                    buf_add_char(&line, *at);
                }
            if (replay_line(replay, buf_str(&line), &err) != 0 && k < ARRAY_LEN(lines))
                fail_msg("%s: %s", buf_str(&line), err.message);
        }
    }
}

static void plan_at(struct fleet *fleet, int64_t now)
{
    struct scaler_plan plan = { 0 };

    assert_int_equal(scaler_plan(fleet, now, 1, &plan), 0);
    fleet_record_plan(fleet, &plan, now, 1);
    scaler_plan_done(&plan);
}

static size_t count(const struct lines *lines, const char *prefix)
{
    size_t n = 0;

    for (size_t i = 0; i < lines->n; i++)
        n += str_starts(lines->items[i], prefix);
    return n;
}

/* Each decision that could have been another one is there; those that only repeat the last are not. */
static void test_rest_is_recorded_once_after_each_event(void **state)
{
    struct fleet *fleet = make_fleet((struct fleet_config) { 0 });
    struct lines lines = { 0 };
    struct error err = { 0 };

    (void) state;
    fleet_record(fleet, keep, &lines);
    plan_at(fleet, NOW);
    plan_at(fleet, NOW + 1);
    assert_int_equal(count(&lines, "plan "), 1);
    assert_true(fleet_reserve(fleet, NOW, &err));
    plan_at(fleet, NOW + 2);
    plan_at(fleet, NOW + 3);
    assert_int_equal(count(&lines, "plan "), 2);
    assert_int_equal(play(&lines, &err), 0);
    drop(&lines);
    fleet_free(fleet);
}

/* Who appears is of the order that was answered, so the other one is what is still waited for. */
static void test_an_order_without_an_answer_is_told_apart(void **state)
{
    struct fleet_former_order orders[] = {
        { .count = 1, .made_ms = NOW - SECOND, .expires_ms = NOW + HOUR, .answered = false },
        { .count = 1, .made_ms = NOW - SECOND, .expires_ms = NOW + MINUTE, .answered = true },
    };
    struct fleet *fleet = make_fleet((struct fleet_config) { 0 });
    struct lines lines = { 0 };
    struct error err = { 0 };

    (void) state;
    fleet_restore_orders(fleet, NOW, orders, 2, NULL, 0);
    fleet_record(fleet, keep, &lines);
    list(fleet, NOW, "a", INSTANCE_RUNNING);
    list(fleet, NOW + 2 * MINUTE, "a", INSTANCE_RUNNING);
    assert_int_equal(fleet_pending(fleet), 1);
    plan_at(fleet, NOW + 2 * MINUTE);
    assert_int_equal(play(&lines, &err), 0);
    drop(&lines);
    fleet_free(fleet);
}

static void test_another_one_that_is_asked_is_told(void **state)
{
    struct fleet *fleet = make_fleet(
        (struct fleet_config) { .heartbeat_interval_ms = MINUTE, .heartbeat_valid_ms = SECOND });
    struct lines lines = { 0 };
    struct error err = { 0 };

    (void) state;
    restore(fleet, "a", (struct fleet_instance) { 0 });
    restore(fleet, "b", (struct fleet_instance) { .ready_ms = NOW + SECOND });
    fleet_record(fleet, keep, &lines);
    assert_string_equal(fleet_next_heartbeat(fleet, NOW + HOUR)->id, "a");
    assert_int_equal(play(&lines, &err), 0);
    replace(find(&lines, "ask "), " a", " b");
    assert_int_equal(play(&lines, &err), -EILSEQ);
    assert_non_null(strstr(err.message, "recorded was \"b\", decided is \"a\""));
    drop(&lines);
    fleet_free(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_recorded_is_decided_again),
        cmocka_unit_test(test_another_decision_is_told_with_both),
        cmocka_unit_test(test_a_line_that_is_cut_is_refused),
        cmocka_unit_test(test_what_is_no_line_is_refused),
        cmocka_unit_test(test_nothing_is_taken_before_a_beginning),
        cmocka_unit_test(test_numbers_beyond_all_bounds_do_no_harm),
        cmocka_unit_test(test_rest_is_recorded_once_after_each_event),
        cmocka_unit_test(test_an_order_without_an_answer_is_told_apart),
        cmocka_unit_test(test_another_one_that_is_asked_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
