/* tests/unit/base/test_descriptors.c - mirrors core/base/descriptors.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/descriptors.h"
#include "tests/harness/harness.h"

#define LIMIT 40

static int open_lowest(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int check_left(void)
{
    const struct rlimit files = { LIMIT, LIMIT };
    int wrong = close_range(3, ~0U, 0) != 0 || setrlimit(RLIMIT_NOFILE, &files) != 0;

    wrong += !descriptors_left(LIMIT - 3);
    wrong += descriptors_left(LIMIT - 2);
    wrong += open_lowest() != 3; /* what was tried is closed again */
    wrong += fcntl(3, F_DUPFD_CLOEXEC, LIMIT - 1) != LIMIT - 1;
    wrong += !descriptors_left(LIMIT - 5); /* in the hole between the two */
    wrong += descriptors_left(LIMIT - 4);
    wrong += open_lowest() != 4;
    wrong += !descriptors_left(0);
    return wrong;
}

/* Far from the limit nothing is tried, and nothing stays open. */
static int check_far(void)
{
    const struct rlimit files = { 1024, 1024 };
    int wrong = close_range(3, ~0U, 0) != 0 || setrlimit(RLIMIT_NOFILE, &files) != 0;

    wrong += !descriptors_left(500);
    wrong += open_lowest() != 3;
    wrong += descriptors_left(1024 - 3);
    wrong += open_lowest() != 4;
    return wrong;
}

static void test_far_from_the_limit_it_is_the_same(void **unused)
{
    (void) unused;
    assert_int_equal(harness_in_child(check_far), 0);
}

static void test_as_many_are_left_as_can_be_opened(void **unused)
{
    (void) unused;
    assert_int_equal(harness_in_child(check_left), 0);
}

static int check_raise(void)
{
    const struct rlimit files = { 10, LIMIT };
    int wrong = setrlimit(RLIMIT_NOFILE, &files) != 0;

    wrong += descriptors_limit() != 10;
    wrong += descriptors_raise_limit() != 0;
    wrong += descriptors_limit() != LIMIT;
    return wrong;
}

static void test_the_limit_is_raised_as_far_as_it_may(void **unused)
{
    (void) unused;
    assert_int_equal(harness_in_child(check_raise), 0);
}

static void test_which_errors_pass(void **unused)
{
    (void) unused;
    assert_true(descriptors_were_short(-EMFILE));
    assert_true(descriptors_were_short(-ENFILE));
    assert_true(descriptors_were_short(-EAGAIN));
    assert_false(descriptors_were_short(-EACCES));
    assert_false(descriptors_were_short(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_far_from_the_limit_it_is_the_same),
        cmocka_unit_test(test_as_many_are_left_as_can_be_opened),
        cmocka_unit_test(test_the_limit_is_raised_as_far_as_it_may),
        cmocka_unit_test(test_which_errors_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
