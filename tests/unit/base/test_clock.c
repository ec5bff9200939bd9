/* tests/unit/base/test_clock.c - mirrors core/base/clock.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "tests/harness/fake_clock.h"

static void test_fake_clock_moves_only_when_told(void **unused)
{
    struct clock_fake fake;
    int64_t mono;

    clock_fake_init(&fake, 1700000000000);
    mono = clock_mono_ms(&fake.clock);
    assert_int_equal(clock_wall_ms(&fake.clock), 1700000000000);
    assert_int_equal(clock_mono_ms(&fake.clock), mono);
    clock_fake_advance(&fake, 1500);
    assert_int_equal(clock_mono_ms(&fake.clock), mono + 1500);
    assert_int_equal(clock_wall_ms(&fake.clock), 1700000001500);
}

static void test_wall_clock_may_step_alone(void **unused)
{
    struct clock_fake fake;
    int64_t mono;

    clock_fake_init(&fake, 5000);
    mono = clock_mono_ms(&fake.clock);
    fake.wall -= 3600000;
    assert_int_equal(clock_mono_ms(&fake.clock), mono);
    assert_int_equal(clock_wall_ms(&fake.clock), 5000 - 3600000);
}

static void test_system_clock_does_not_run_backwards(void **unused)
{
    int64_t before = clock_mono_ms(&clock_system);

    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono_ms(&clock_system);

        assert_true(now >= before);
        before = now;
    }
    /* 2023-11-14: this code is younger. */
    assert_true(clock_wall_ms(&clock_system) > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fake_clock_moves_only_when_told),
        cmocka_unit_test(test_wall_clock_may_step_alone),
        cmocka_unit_test(test_system_clock_does_not_run_backwards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
