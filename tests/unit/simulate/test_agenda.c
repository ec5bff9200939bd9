/* tests/unit/simulate/test_agenda.c - mirrors core/simulate/agenda.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/simulate/agenda.h"

static void test_events_come_in_the_order_of_time_and_of_adding(void **unused)
{
    struct agenda agenda = { 0 };
    struct rng_seeded rng;
    struct agenda_event last = { 0 };

    rng_seed(&rng, 5);
    assert_true(agenda_next_ms(&agenda) == INT64_MAX);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(agenda_add(&agenda, (int64_t) rng_below(&rng.rng, 300), 1, i), 0);
    for (size_t i = 0; i < 5000; i++) {
        int64_t next = agenda_next_ms(&agenda);
        struct agenda_event event = agenda_take(&agenda);

        assert_true(event.at_ms == next && event.at_ms >= last.at_ms);
        assert_true(i == 0 || event.at_ms > last.at_ms || event.which > last.which);
        last = event;
        /* What is added meanwhile takes its place. */
        if (i == 100)
            assert_int_equal(agenda_add(&agenda, event.at_ms, 1, 6000), 0);
        if (event.which == 6000)
            assert_true(i < 200);
    }
    assert_int_equal(agenda.n, 1);
    agenda_done(&agenda);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_come_in_the_order_of_time_and_of_adding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
