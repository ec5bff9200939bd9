/* core/supervisor/group_policy.c - which policy of a group holds now: looked up when the wall clock
 * comes to the time that changes it, or is set back (autoscaler.md 6.1). What else holds at times,
 * how long jobs may queue, is loaded with them. */
#include "core/supervisor/group_parts.h"

#include <time.h>

#include "core/supervisor/queuing.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

int64_t group_clock_on_the_wall_ms(const struct group *group)
{
    return clock_wall_ms(group->supervisor->timeline.source);
}

int group_load_policies(struct group *group, struct error *err)
{
    auto_ptr(policies_free) struct policies *policies = NULL;
    struct queuing *queuing = NULL;
    int r = policies_new(group_settings(group), &policies, err);

    if (r == 0)
        r = queuing_new(&group->runner->monitoring, &queuing, err);
    if (r < 0)
        return error_wrap(err, r, "runner '%s'", group->runner->name);
    policies_free(group->policies);
    group->policies = take_ptr(policies);
    queuing_free(group->queuing);
    group->queuing = queuing;
    group->queuing_told = false;
    group->policy_until_ms = INT64_MIN;
    return 0;
}

const struct fleet_policy *group_policy(struct group *group)
{
    int64_t now = group_clock_on_the_wall_ms(group);

    group->policy =
        policies_at(group->policies, now, &group->policy_index, &group->policy_until_ms);
    group->policy_from_ms = now;
    return &group->policy;
}

static void add_until(int64_t until_ms, struct buf *out)
{
    if (until_ms == INT64_MAX)
        return;
    buf_add_str(out, " until ");
    format_utc(out, until_ms);
}

void group_explain_policy(const struct group *group, struct buf *out)
{
    policy_name(group_settings(group), group->policy_index, out);
    buf_add_str(out, " holds");
    add_until(group->policy_until_ms, out);
    buf_add_str(out, ": ");
    policy_describe(&group->policy, out);
}

static void tell_policy(struct group *group)
{
    autobuf struct buf text = BUF_INIT;

    if (group->policy_told && group->told_policy == group->policy_index)
        return;
    group->policy_told = true;
    group->told_policy = group->policy_index;
    group_explain_policy(group, &text);
    log_info("policy: runner '%s': %s", group->runner->name, buf_str(&text));
}

void group_apply_policy(struct group *group)
{
    int64_t now = group_clock_on_the_wall_ms(group);

    if (now < group->policy_from_ms || now >= group->policy_until_ms)
        fleet_set_policy(group->fleet, group_policy(group));
    tell_policy(group);
}

int64_t group_policy_due_ms(const struct group *group)
{
    return group->policy_until_ms == INT64_MAX
               ? INT64_MAX
               : MAX(group->policy_until_ms - group_clock_on_the_wall_ms(group), (int64_t) 0);
}
