/* tests/unit/store/test_timeline.c - mirrors core/store/timeline.c */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/autoclean.h"
#include "core/store/timeline.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/harness.h"

#define HOUR ((int64_t) 3600 * 1000)
#define NOON ((int64_t) 1700000000000)

static void test_a_step_of_the_wall_clock_changes_nothing(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct timeline timeline, next;
    struct clock_fake source;

    (void) state;
    clock_fake_init(&source, NOON);
    assert_int_equal(timeline_open(&timeline, fd, &source.clock, NULL), 0);
    assert_int_equal(clock_wall_ms(&timeline.clock), NOON);
    clock_fake_advance(&source, 1000);
    source.wall += HOUR;
    assert_int_equal(clock_wall_ms(&timeline.clock), NOON + 1000);
    assert_int_equal(clock_mono_ms(&timeline.clock), source.mono);
    /* nor over a restart */
    assert_int_equal(timeline_open(&next, fd, &source.clock, NULL), 0);
    assert_int_equal(clock_wall_ms(&next.clock), NOON + 1000);
}

static void test_another_boot_starts_from_the_wall_clock(void **state)
{
    static const char *const files[] = {
        "00000000-0000-0000-0000-000000000000 5\n", /* of another boot */
        "",
        "nonsense\n",
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct timeline timeline;
    struct clock_fake source;

    (void) state;
    clock_fake_init(&source, NOON);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        harness_write(dir, "clock", files[i]);
        assert_int_equal(timeline_open(&timeline, fd, &source.clock, NULL), 0);
        assert_int_equal(clock_wall_ms(&timeline.clock), NOON);
        source.wall += HOUR;
        assert_int_equal(timeline_open(&timeline, fd, &source.clock, NULL), 0);
        assert_int_equal(clock_wall_ms(&timeline.clock), NOON);
        source.wall -= HOUR;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_of_the_wall_clock_changes_nothing),
        cmocka_unit_test(test_another_boot_starts_from_the_wall_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
