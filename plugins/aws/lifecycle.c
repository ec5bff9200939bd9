/* lifecycle.c - what the life-cycle states of Auto Scaling mean to a fleet, and which instances the desired
 * capacity counts. Pure.
 *
 * The table is read from top to bottom, by beginnings: "Pending:Wait" is a "Pending". */

#include "aws.h"

#include <string.h>

static const struct row {
    const char *begins;
    int32_t state;
    bool counts;
} rows[] = {
    { "Pending", FLT_STATE_CREATING, true },
    { "InService", FLT_STATE_RUNNING, true },
    { "Terminat", FLT_STATE_DELETING, false },
    { "Detach", FLT_STATE_DELETING, false },
    { "EnteringStandby", FLT_STATE_SUSPENDING, false },
    { "Standby", FLT_STATE_SUSPENDED, false },
    /* What ran there is gone with the disk, and nobody knows what the new one holds. */
    { "ReplacingRootVolume", FLT_STATE_TIMEOUT, true },
    { "RootVolumeReplaced", FLT_STATE_TIMEOUT, true },
    { "Quarantined", FLT_STATE_TIMEOUT, true },
};

bool lifecycle_read(const char *state, bool healthy, struct aws_member *member)
{
    member->healthy = healthy;
    member->state = FLT_STATE_CREATING;
    member->counts = true;
    /* AWS's reserve: what it takes from there becomes "Pending", and is counted from then on. */
    if (strncmp(state, "Warmed:", 7) == 0)
        return false;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strncmp(state, rows[i].begins, strlen(rows[i].begins)) == 0) {
            member->state = rows[i].state;
            member->counts = rows[i].counts;
            break;
        }
    /* One that never came up is not waited for; one that serves may have a job: signals.c tells of it. */
    if (!healthy && member->state == FLT_STATE_CREATING)
        member->state = FLT_STATE_TIMEOUT;
    return true;
}
