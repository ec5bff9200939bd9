/* tests/unit/plugins/test_gcp_state.c - mirrors plugins/gcp/state.c (providers.md 4.3). */

#include "plugins/gcp/gcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

/* After the provider's header, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

static void test_actions_and_statuses(void **state)
{
    static const struct {
        const char *action, *status;
        int32_t want;
        bool going;
    } rows[] = {
        { "CREATING", "", FLT_STATE_CREATING, false },
        { "CREATING", "RUNNING", FLT_STATE_CREATING, false },
        { "CREATING_WITHOUT_RETRIES", "STAGING", FLT_STATE_CREATING, false },
        { "QUEUING", "", FLT_STATE_CREATING, false },
        { "RECREATING", "TERMINATED", FLT_STATE_CREATING, false },
        { "RESTARTING", "RUNNING", FLT_STATE_CREATING, false },
        { "DELETING", "RUNNING", FLT_STATE_DELETING, true },
        { "ABANDONING", "RUNNING", FLT_STATE_DELETING, true },
        { "SUSPENDING", "RUNNING", FLT_STATE_SUSPENDING, false },
        { "STOPPING", "RUNNING", FLT_STATE_SUSPENDING, false },
        { "RESUMING", "SUSPENDED", FLT_STATE_RESUMING, false },
        { "STARTING", "TERMINATED", FLT_STATE_RESUMING, false },
        { "NONE", "RUNNING", FLT_STATE_RUNNING, false },
        { "REFRESHING", "RUNNING", FLT_STATE_RUNNING, false },
        { "VERIFYING", "RUNNING", FLT_STATE_RUNNING, false },
        { "NONE", "PROVISIONING", FLT_STATE_CREATING, false },
        { "NONE", "STAGING", FLT_STATE_CREATING, false },
        { "NONE", "REPAIRING", FLT_STATE_CREATING, false },
        { "NONE", "SUSPENDED", FLT_STATE_SUSPENDED, false },
        /* Not "deleting", which the host would wait for: the host is to delete it. */
        { "NONE", "TERMINATED", FLT_STATE_SUSPENDED, false },
        { "NONE", "STOPPING", FLT_STATE_SUSPENDING, false },
        { "NONE", "", FLT_STATE_CREATING, false },
        { "SOMETHING_NEW", "RUNNING", FLT_STATE_RUNNING, false },
        { "NONE", "SOMETHING_NEW", FLT_STATE_CREATING, false },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gcp_state got = state_read(rows[i].action, rows[i].status);

        if (got.state != rows[i].want || got.going != rows[i].going)
            fail_msg("%s %s: %d", rows[i].action, rows[i].status, (int) got.state);
    }
}

static void test_what_has_stopped(void **state)
{
    (void) state;
    assert_true(state_has_stopped("TERMINATED"));
    assert_true(state_has_stopped("STOPPING"));
    assert_true(state_has_stopped("PENDING_STOP"));
    assert_false(state_has_stopped("SUSPENDED"));
    assert_false(state_has_stopped("RUNNING"));
    assert_false(state_has_stopped(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actions_and_statuses),
        cmocka_unit_test(test_what_has_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
