/* core/supervisor/group_growth.c - growth that fails: which kind of failure an answer is, what is said
 * of it, and when an order may be made again (autoscaler.md V17, V20).
 *
 * The pauses are the fleet's (core/fleet/health.c), so that the scaler and a simulation know them. */
#include "core/supervisor/group_parts.h"

#include <flotilla/provider.h>
#include <inttypes.h>

#include "core/base/str.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

/* The ABI has one code for capacity, quota and maximum; which of them it was the sentence says. */
enum growth_failure group_growth_kind(int code)
{
    switch (code) {
    case 0:
        return GROWTH_CAPACITY; /* accepted, but fewer */
    case FLT_E_QUOTA:
        return GROWTH_QUOTA;
    case FLT_E_THROTTLED:
        return GROWTH_RATE;
    default:
        return GROWTH_UNREACHABLE;
    }
}

void group_growth_failed(struct group *group, enum growth_failure kind, const char *message,
                         int64_t retry_after_ms)
{
    autobuf struct buf when = BUF_INIT;
    int64_t now = now_wall(group->supervisor);

    fleet_growth_failed(group->fleet, kind, now, retry_after_ms);
    supervisor_evaluate_soon(group->supervisor); /* a request for a job may have to be withdrawn */
    if (!str_cut(group->growth_error, sizeof(group->growth_error), message))
        return; /* one line for each distinct error */
    (void) fleet_explain_growth(group->fleet, now, &when);
    log_error("increasing instances: runner '%s': %s; %s", group->runner->name, message,
              buf_str(&when));
}

void group_growth_succeeded(struct group *group)
{
    fleet_growth_succeeded(group->fleet);
    group->growth_error[0] = '\0';
}

bool group_growth_waits(const struct group *group, int64_t *ret_ms)
{
    int64_t now = now_wall(group->supervisor), until;

    if (!fleet_growth_paused(group->fleet, now, NULL, &until))
        return false;
    *ret_ms = until - now;
    return true;
}

void group_orders_expired(struct group *group, uint32_t count)
{
    int64_t now = now_wall(group->supervisor);
    autobuf struct buf when = BUF_INIT;

    (void) snprintf(group->growth_error, sizeof(group->growth_error),
                    "%u ordered instances never appeared, given up", count);
    fleet_growth_failed(group->fleet, GROWTH_CAPACITY, now, 0);
    (void) fleet_explain_growth(group->fleet, now, &when);
    log_warning("runner '%s': %s; %s", group->runner->name, group->growth_error, buf_str(&when));
}
