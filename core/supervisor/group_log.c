/* core/supervisor/group_log.c - the lines of the manager's log that people search for: the words and the
 * fields are those of GitLab Runner's (autoscaler.md 13.1), which a test holds them to
 * (tests/integration/test_log_lines.py). What is only ours to say is said where it happens. */
#include "core/supervisor/group_parts.h"

#include <inttypes.h>

#include "core/base/json.h"
#include "core/base/str.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define LEFT_SHOWN 20

void group_log_initialized(const struct group *group, json_t *reply)
{
    const char *name = "", *version = "", *identity = "";
    autobuf struct buf shown = BUF_INIT, shown_version = BUF_INIT;

    (void) json_opt_str(reply, "name", &name, NULL);
    (void) json_opt_str(reply, "version", &version, NULL);
    (void) json_opt_str(reply, "identity", &identity, NULL);
    str_display(&shown, name, strlen(name), 64);
    str_display(&shown_version, version, strlen(version), 64);
    log_notice("plugin initialized: runner '%s', plugin '%s', version %s, build info '%s, %s'",
               group->runner->name, group->runner->autoscaler.plugin, buf_str(&shown_version),
               buf_str(&shown), identity);
}

void group_log_discovery(const struct group *group, const struct fleet_instance *instance)
{
    log_info("instance discovery: %s of runner '%s', state %s, cause %s", instance->id,
             group->runner->name, instance_state_name(instance->state),
             instance_cause_name(instance->cause));
}

void group_log_update(const struct group *group, const struct fleet_instance *instance)
{
    log_info("instance update: %s of runner '%s', state %s", instance->id, group->runner->name,
             instance_state_name(instance->state));
}

/* Nobody here wanted that: its slots tell which jobs it takes along. */
static void log_unexpected(const struct group *group, const struct fleet_instance *instance,
                           const char *why)
{
    autobuf struct buf slots = BUF_INIT;

    for (uint32_t i = 0; i < instance->n_slots; i++) {
        const struct job *job = instance->slots[i].seq != 0
                                    ? job_find(group->supervisor, instance->slots[i].seq)
                                    : NULL;

        buf_add_str(&slots, i > 0 ? ", " : "");
        if (job)
            buf_addf(&slots, "job %" PRId64, job->job_id);
        else
            buf_add_str(&slots, "free");
    }
    log_warning("instance unexpectedly removed: %s of runner '%s', slots [%s], used %u, "
                "max-use-count %u: %s",
                instance->id, group->runner->name, buf_str(&slots), instance->uses,
                fleet_config_of(group->fleet)->max_use_count, why);
}

void group_log_pruned(const struct group *group, const struct fleet_instance *instance,
                      enum fleet_reason reason)
{
    const char *why = group_loss_text(instance, reason);
    autobuf struct buf life = BUF_INIT;

    format_duration(&life, MAX(now_wall(group->supervisor) - instance->first_seen_ms, INT64_C(0)));
    if (!instance->removing && instance->cause != CAUSE_FOREIGN)
        log_unexpected(group, instance, why);
    if (instance->misses > 0 && !instance->removing) {
        buf_addf(&life, ", missed_updates %u, last_updated_at ", instance->misses);
        format_utc(&life, instance->last_seen_ms);
    }
    log_info("instance pruned: %s of runner '%s', lifetime %s: %s", instance->id,
             group->runner->name, buf_str(&life), why);
}

void group_log_increase(const struct group *group)
{
    log_info("increasing instances: runner '%s', amount %u", group->runner->name,
             group->increase_n);
}

void group_log_increased(const struct group *group, uint32_t accepted)
{
    log_info("increasing instances response: runner '%s', num_requested %u, num_successful %u",
             group->runner->name, group->increase_n, accepted);
}

void group_log_orders(const struct group *group)
{
    struct fleet_numbers n;

    fleet_count(group->fleet, &n);
    log_info("increase update: runner '%s', requesting %u, pending %u, instances %u, max %u",
             group->runner->name, n.requested, n.pending, n.instances,
             fleet_config_of(group->fleet)->max_instances);
}

void group_log_decrease(const struct group *group, size_t amount)
{
    log_info("decreasing instances: runner '%s', amount %zu", group->runner->name, amount);
}

void group_log_scaling(const struct group *group, const struct scaler_plan *plan,
                       const char *explained)
{
    const struct fleet_config *config = fleet_config_of(group->fleet);
    const struct fleet_policy *policy = &config->policy;
    struct fleet_numbers n;

    fleet_count(group->fleet, &n);
    log_info(
        "required scaling change: runner '%s', required %u, instance_count %u, "
        "max_instance_count %u, acquired %u, unavailable_capacity %u, pending %u, reserved %u, "
        "idle_count %u, scale_factor %g, scale_factor_limit %u, capacity_per_instance %u: %s",
        group->runner->name, plan->request, plan->total, config->max_instances, n.acquired,
        n.unavailable, n.waiting, n.reserved, policy->idle_count, policy->scale_factor,
        policy->scale_factor_limit, config->capacity, explained);
}

void group_log_stopping(const struct group *group)
{
    log_notice("received shutdown signal; stopping provisioner: runner '%s'", group->runner->name);
}

void group_log_stopped(const struct group *group)
{
    log_notice("provisioner shutdown completed: runner '%s'", group->runner->name);
}

void group_log_left(const struct group *group)
{
    size_t n = fleet_instance_count(group->fleet), left = 0;
    autobuf struct buf ids = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        const struct fleet_instance *instance = fleet_instance_at(group->fleet, i);

        if (instance->cause == CAUSE_FOREIGN)
            continue;
        if (left < LEFT_SHOWN)
            buf_addf(&ids, "%s%s (%s%s)", left > 0 ? ", " : "", instance->id,
                     instance_state_name(instance->state),
                     instance->removal_accepted ? ", its removal was accepted" : "");
        left++;
    }
    if (left > LEFT_SHOWN)
        buf_addf(&ids, " and %zu more", left - LEFT_SHOWN);
    if (left > 0)
        log_warning("runner '%s': %zu instance%s still there at shutdown: %s; the next start "
                    "removes %s",
                    group->runner->name, left, left == 1 ? " is" : "s are", buf_str(&ids),
                    left == 1 ? "it" : "them");
}
