/* tests/unit/plugins/test_aws_lifecycle.c - mirrors plugins/aws/lifecycle.c: what the life-cycle states of Auto Scaling are to
 * a fleet. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "plugins/aws/aws.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

static void test_life_cycles_are_states(void **state)
{
    static const struct {
        const char *lifecycle;
        bool healthy, ours;
        int32_t state;
        bool counts, has_trouble; /* also when it is healthy */
    } rows[] = {
        { "Pending", true, true, FLT_STATE_CREATING, true, false },
        { "Pending:Wait", true, true, FLT_STATE_CREATING, true, false },
        { "Pending:Proceed", true, true, FLT_STATE_CREATING, true, false },
        { "Pending", false, true, FLT_STATE_CREATING, true, false },
        { "InService", true, true, FLT_STATE_RUNNING, true, false },
        { "InService", false, true, FLT_STATE_RUNNING, true, false },
        { "Terminating", true, true, FLT_STATE_DELETING, false, false },
        { "Terminating:Wait", false, true, FLT_STATE_DELETING, false, false },
        { "Terminating:Proceed", true, true, FLT_STATE_DELETING, false, false },
        { "Terminating:Retained", true, true, FLT_STATE_DELETING, false, false },
        { "Terminated", true, true, FLT_STATE_DELETING, false, false },
        { "Detaching", true, true, FLT_STATE_DELETING, false, false },
        { "Detached", true, true, FLT_STATE_DELETING, false, false },
        { "EnteringStandby", true, true, FLT_STATE_SUSPENDING, false, false },
        { "Standby", true, true, FLT_STATE_SUSPENDED, false, false },
        { "Quarantined", true, true, FLT_STATE_CREATING, true, true },
        { "ReplacingRootVolume:Wait", true, true, FLT_STATE_CREATING, true, true },
        { "RootVolumeReplaced", true, true, FLT_STATE_CREATING, true, true },
        { "Warmed:Stopped", true, false, FLT_STATE_CREATING, true, false },
        { "Warmed:Pending:Wait", true, false, FLT_STATE_CREATING, true, false },
        { "SomethingNew", true, true, FLT_STATE_CREATING, true, false },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct aws_member member = { .id = "i" };
        bool ours = lifecycle_read(rows[i].lifecycle, rows[i].healthy, &member);

        if (ours != rows[i].ours || member.state != rows[i].state ||
            member.counts != rows[i].counts ||
            !member.trouble != (rows[i].healthy && !rows[i].has_trouble))
            fail_msg("%s: ours %d, state %d, counts %d", rows[i].lifecycle, ours,
                     (int) member.state, member.counts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_cycles_are_states),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
