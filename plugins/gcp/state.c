/* state.c - what a member's action and its machine's status mean for the fleet. Pure; group.c asks it. */

#include "gcp.h"

#include <string.h>

/* What the group is doing to a member. */
static const struct {
    const char *action;
    int32_t state;
    bool going;
} by_action[] = {
    { "CREATING", FLT_STATE_CREATING, false },
    { "CREATING_WITHOUT_RETRIES", FLT_STATE_CREATING, false },
    { "QUEUING", FLT_STATE_CREATING, false },
    { "RESTARTING", FLT_STATE_CREATING, false }, /* what ran on it is lost */
    { "RECREATING", FLT_STATE_CREATING, false },
    { "DELETING", FLT_STATE_DELETING, true },
    { "ABANDONING", FLT_STATE_DELETING, true },
    { "STOPPING", FLT_STATE_SUSPENDING, false }, /* as its status says next, see below */
    { "SUSPENDING", FLT_STATE_SUSPENDING, false },
    { "RESUMING", FLT_STATE_RESUMING, false },
    { "STARTING", FLT_STATE_RESUMING, false },
};

/* Of a member that the group leaves alone. A machine that has stopped (a spot machine that was preempted, one that shut
 * itself down) is no longer the fleet's, and goes when the host asks for it: one that was said to be deleting, nobody
 * would delete. */
static const struct {
    const char *status;
    int32_t state;
} by_status[] = {
    { "RUNNING", FLT_STATE_RUNNING },       { "PENDING", FLT_STATE_CREATING },
    { "PROVISIONING", FLT_STATE_CREATING }, { "STAGING", FLT_STATE_CREATING },
    { "REPAIRING", FLT_STATE_CREATING },    { "SUSPENDING", FLT_STATE_SUSPENDING },
    { "SUSPENDED", FLT_STATE_SUSPENDED },   { "PENDING_STOP", FLT_STATE_SUSPENDING },
    { "STOPPING", FLT_STATE_SUSPENDING },   { "TERMINATED", FLT_STATE_SUSPENDED },
    { "STOPPED", FLT_STATE_SUSPENDED },     { "DEPROVISIONING", FLT_STATE_DELETING },
};

bool state_has_stopped(const char *status)
{
    static const char *const stopped[] = { "PENDING_STOP", "STOPPING", "TERMINATED", "STOPPED",
                                           NULL };

    return gcp_is_one_of(status, stopped);
}

struct gcp_state state_read(const char *action, const char *status)
{
    for (size_t i = 0; i < COUNT(by_action); i++)
        if (strcmp(action, by_action[i].action) == 0)
            return (struct gcp_state) { by_action[i].state, by_action[i].going };
    for (size_t i = 0; i < COUNT(by_status); i++)
        if (strcmp(status, by_status[i].status) == 0)
            return (struct gcp_state) { by_status[i].state, false };
    return (struct gcp_state) { FLT_STATE_CREATING, false };
}
