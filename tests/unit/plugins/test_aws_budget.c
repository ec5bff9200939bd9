/* tests/unit/plugins/test_aws_budget.c - mirrors plugins/aws/budget.c: what repeated calls of an account's groups are paid
 * from. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "plugins/aws/aws.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define NOW INT64_C(1000000)
#define SECOND INT64_C(1000)
#define ARN "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:u:autoScalingGroupName/"

/* A process of a group. */
struct process {
    struct flt_retry_budget own;
    int fd;
};

#define TEMPLATE "/tmp/flotilla-test-XXXXXX"

static char dir[] = TEMPLATE;

static struct process start(const char *region, const char *arn)
{
    char orders[64];

    (void) snprintf(orders, sizeof(orders), "%s/orders.json", dir);
    return (struct process) { .fd = budget_open(orders, region, arn) };
}

/* How many throttled calls are repeated, 10 each, until the budget is empty. */
static int spend(struct process *process, int64_t now_ms)
{
    int n = 0;

    while (budget_take(process->fd, &process->own, FLT_RETRY_THROTTLED, 1, now_ms))
        n++;
    return n;
}

static int set_up(void **state)
{
    (void) state;
    memcpy(dir, TEMPLATE, sizeof(dir));
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const regions[] = { "eu-west-1", "eu-west-2" };
    char path[128];

    (void) state;
    for (size_t i = 0; i < COUNT(regions); i++) {
        (void) snprintf(path, sizeof(path), "%s/retries-%s-123456789012", dir, regions[i]);
        (void) unlink(path);
    }
    return rmdir(dir);
}

static void test_the_groups_of_an_account_share_a_budget(void **state)
{
    struct process one = start("eu-west-1", ARN "one"), two = start("eu-west-1", ARN "two");
    struct process far = start("eu-west-2", ARN "far");

    (void) state;
    assert_true(one.fd >= 0 && two.fd >= 0 && far.fd >= 0);
    assert_int_equal(spend(&one, NOW), 10);
    assert_int_equal(spend(&two, NOW), 0);
    assert_int_equal(spend(&far, NOW), 10);
    assert_int_equal(spend(&two, NOW + 20 * SECOND), 2); /* it fills */
    assert_int_equal(spend(&one, NOW + 20 * SECOND), 0);
    (void) close(one.fd);
    (void) close(two.fd);
    (void) close(far.fd);
}

static void test_what_was_left_before_the_machine_started_does_not_count(void **state)
{
    struct process one = start("eu-west-1", ARN "one");

    (void) state;
    assert_int_equal(spend(&one, NOW), 10);
    assert_int_equal(spend(&one, NOW - 1), 10);
    assert_int_equal(pwrite(one.fd, "damaged damaged ", 16, 0), 16);
    assert_int_equal(spend(&one, NOW), 10);
    assert_int_equal(ftruncate(one.fd, 3), 0);
    assert_int_equal(spend(&one, NOW), 10);
    (void) close(one.fd);
}

static void test_a_process_that_cannot_share_has_a_budget_of_its_own(void **state)
{
    struct process one = start("eu-west-1", ARN "one"), two = start("eu-west-1", ARN "two");
    struct process none = start("eu-west-1", "no arn");

    (void) state;
    assert_int_equal(flock(one.fd, LOCK_EX), 0); /* stopped while it has the lock */
    assert_int_equal(spend(&two, NOW), 10);
    assert_int_equal(spend(&two, NOW), 0);
    assert_int_equal(none.fd, -1);
    assert_int_equal(spend(&none, NOW), 10);
    (void) close(one.fd);
    (void) close(two.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_groups_of_an_account_share_a_budget, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_what_was_left_before_the_machine_started_does_not_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_process_that_cannot_share_has_a_budget_of_its_own,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
