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
    const char *trouble;
} rows[] = {
    { "Pending", FLT_STATE_CREATING, true, NULL },
    { "InService", FLT_STATE_RUNNING, true, NULL },
    { "Terminat", FLT_STATE_DELETING, false, NULL },
    { "Detach", FLT_STATE_DELETING, false, NULL },
    { "EnteringStandby", FLT_STATE_SUSPENDING, false, NULL },
    { "Standby", FLT_STATE_SUSPENDED, false, NULL },
    /* What ran there is gone with the disk, and nobody knows what the new one holds. */
    { "ReplacingRootVolume", FLT_STATE_CREATING, true, "AWS replaces its root volume" },
    { "RootVolumeReplaced", FLT_STATE_CREATING, true, "AWS has replaced its root volume" },
    { "Quarantined", FLT_STATE_CREATING, true, "AWS has put it into quarantine" },
};

bool lifecycle_read(const char *state, bool healthy, struct aws_member *member)
{
    member->trouble = NULL;
    member->state = FLT_STATE_CREATING;
    member->counts = true;
    /* AWS's reserve: what it takes from there becomes "Pending", and is counted from then on. */
    if (strncmp(state, "Warmed:", 7) == 0)
        return false;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strncmp(state, rows[i].begins, strlen(rows[i].begins)) == 0) {
            member->state = rows[i].state;
            member->counts = rows[i].counts;
            member->trouble = rows[i].trouble;
            break;
        }
    if (!healthy)
        member->trouble = "it fails the group's health check";
    return true;
}
