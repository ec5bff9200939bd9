/* tests/unit/supervisor/test_turns.c - mirrors core/supervisor/turns.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/supervisor/turns.h"

#define MS UINT64_C(1000000)

struct fixture {
    uv_loop_t loop;
    struct turns *turns;
};

static int set_up(void **state)
{
    static struct fixture f;

    assert_int_equal(uv_loop_init(&f.loop), 0);
    assert_int_equal(turns_start(&f.loop, &f.turns, NULL), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    turns_stop(f->turns);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    return uv_loop_close(&f->loop);
}

static void test_percentiles_are_bounds_and_never_above_the_longest(void **state)
{
    static const struct {
        uint64_t busy_ns;
        unsigned times, percent;
        int64_t want_ms;
    } steps[] = {
        { 0, 0, 99, 0 },           /* none yet */
        { MS / 10, 98, 99, 1 },    /* 98 turns of 0.1 ms */
        { 40 * MS, 1, 50, 1 },     /* the 99th took 40 ms, */
        { 40 * MS, 1, 99, 40 },    /* the 100th, too: the bound would be 50 */
        { 60000 * MS, 1, 99, 50 }, /* one beyond all bounds */
        { 60000 * MS, 0, 100, 60000 },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        for (unsigned k = 0; k < steps[i].times; k++)
            turns_note(f->turns, steps[i].busy_ns);
        if (turns_percentile_ms(f->turns, steps[i].percent) != steps[i].want_ms)
            fail_msg("step %zu: %lld", i,
                     (long long) turns_percentile_ms(f->turns, steps[i].percent));
    }
}

static void on_timer(uv_timer_t *timer)
{
    uint64_t until = uv_hrtime() + 30 * MS;

    while (uv_hrtime() < until)
        continue;
    uv_close((uv_handle_t *) timer, NULL);
}

static void test_what_a_turn_does_is_counted(void **state)
{
    struct fixture *f = *state;
    uv_timer_t timer;
    json_t *told;
    int64_t max_ms = 0;

    (void) uv_timer_init(&f->loop, &timer);
    (void) uv_timer_start(&timer, on_timer, 1, 0);
    (void) uv_run(&f->loop, UV_RUN_DEFAULT);
    (void) uv_run(&f->loop, UV_RUN_NOWAIT); /* a turn is counted by the next one */
    told = turns_describe(f->turns);
    assert_int_equal(json_need_i64(told, "max_ms", 0, INT64_MAX, &max_ms, NULL), 0);
    assert_true(max_ms >= 30);
    json_object_put(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_percentiles_are_bounds_and_never_above_the_longest,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_turn_does_is_counted, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
