/* core/supervisor/describe.c - a runner, an instance and a job as the answers to `flotilla status` and
 * `flotilla fleet` show them (status.c). */
#include "core/supervisor/describe.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/str.h"
#include "core/supervisor/hold.h"
#include "core/supervisor/operator.h"

/* The worst first. */
static const char *problem_of(const struct group *group)
{
    return *group->provider_error    ? group->provider_error
           : *group->list_error      ? group->list_error
           : *group->connect_error   ? group->connect_error
           : *group->isolation.error ? group->isolation.error
           : *group->growth_error    ? group->growth_error
           : *group->signals.growth  ? group->signals.growth
           : *group->removal_error   ? group->removal_error
           : *group->signals.error   ? group->signals.error
                                     : group->request_error;
}

const char *describe_condition(const struct fleet_instance *instance)
{
    if (instance->cause == CAUSE_FOREIGN)
        return "foreign";
    if (instance->held_until_ms != 0)
        return "held";
    if (instance->removing)
        return "removing";
    if (instance->draining != REASON_NONE)
        return "draining";
    if (instance->state != INSTANCE_RUNNING)
        return instance_state_name(instance->state);
    if (instance->failures > 0 || instance->connection_dead || instance->in_doubt)
        return "unhealthy";
    return instance_busy(instance) > 0 ? "busy" : instance->ready ? "ready" : "creating";
}

static json_t *count_conditions(const struct group *group)
{
    json_t *counts = json_object_new_object();

    for (size_t i = 0; counts && i < fleet_instance_count(group->fleet); i++) {
        const char *condition = describe_condition(fleet_instance_at(group->fleet, i));
        int64_t n = 0;

        (void) json_opt_i64(counts, condition, 0, INT64_MAX, &n, NULL);
        (void) json_add_i64(counts, condition, n + 1);
    }
    return counts;
}

static json_t *describe_policy(const struct group *group)
{
    const struct fleet_policy *policy = &fleet_config_of(group->fleet)->policy;
    json_t *obj = json_object_new_object();
    autobuf struct buf text = BUF_INIT;

    if (!obj)
        return NULL;
    group_explain_policy(group, &text);
    (void) json_add_str(obj, "sentence", buf_str(&text));
    (void) json_add_i64(obj, "idle_count", policy->idle_count);
    (void) json_add_i64(obj, "idle_time_ms", policy->idle_time_ms);
    (void) json_add(obj, "scale_factor", json_object_new_double(policy->scale_factor));
    (void) json_add_i64(obj, "scale_factor_limit", policy->scale_factor_limit);
    (void) json_add_bool(obj, "preemptive", policy->preemptive);
    return obj;
}

static void add_slots(json_t *obj, const struct group *group)
{
    int64_t busy = 0, total = 0;

    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(group->fleet, i);

        total += instance->cause == CAUSE_FOREIGN ? 0 : instance->n_slots;
        busy += instance_busy(instance);
    }
    (void) json_add_i64(obj, "slots_busy", busy);
    (void) json_add_i64(obj, "slots_total", total);
}

/* Another group's are that group's to pay for. */
int64_t describe_price_micros(const struct group *group)
{
    int64_t price = fleet_config_of(group->fleet)->price_micros_hour, sum = 0;

    for (size_t i = 0; price > 0 && i < fleet_instance_count(group->fleet); i++)
        if (fleet_instance_at(group->fleet, i)->cause != CAUSE_FOREIGN &&
            __builtin_add_overflow(sum, price, &sum))
            return 0;
    return sum;
}

static void add_price(json_t *obj, const struct group *group)
{
    if (fleet_config_of(group->fleet)->price_micros_hour > 0)
        (void) json_add_i64(obj, "price_micros_hour", describe_price_micros(group));
}

void describe_group_problem(const struct group *group, struct buf *out)
{
    buf_add_str(out, problem_of(group));
    if (out->len == 0)
        group_describe_boots(group, out);
}

/* Which kind of failure keeps the group from growing just now. */
static void add_growth(json_t *obj, const struct group *group)
{
    int64_t now = now_wall(group->supervisor), until = 0;
    enum growth_failure kind;

    if (!fleet_growth_paused(group->fleet, now, &kind, &until))
        return;
    (void) json_add_str(obj, "growth_paused", growth_failure_name(kind));
    (void) json_add_i64(obj, "growth_retry_ms", until - now);
}

json_t *describe_runner(const struct group *group)
{
    json_t *obj = json_object_new_object();
    autobuf struct buf problem = BUF_INIT;
    struct fleet_numbers n = { 0 };

    if (!obj)
        return NULL;
    fleet_count(group->fleet, &n);
    (void) json_add_str(obj, "name", group->runner->name);
    (void) json_add_str(obj, "short_token", group->short_token);
    (void) json_add_str(obj, "url", group->runner->url);
    (void) json_add_str(obj, "plugin", group->runner->autoscaler.plugin);
    (void) json_add_bool(obj, "ready", group->usable && group->listed_once);
    (void) json_add_bool(obj, "leaving", group->leaving);
    (void) json_add_i64(obj, "epoch", group->epoch);
    (void) json_add_i64(obj, "instances", n.instances);
    (void) json_add_i64(obj, "requested", n.requested);
    (void) json_add_i64(obj, "pending", n.pending);
    (void) json_add_i64(obj, "acquired", n.acquired);
    (void) json_add_i64(obj, "idle", n.idle);
    (void) json_add_i64(obj, "waiting", n.waiting);
    (void) json_add_i64(obj, "reserved", n.reserved);
    (void) json_add_i64(obj, "max_instances", fleet_config_of(group->fleet)->max_instances);
    (void) json_add(obj, "conditions", count_conditions(group));
    (void) json_add(obj, "policy", describe_policy(group));
    add_slots(obj, group);
    add_price(obj, group);
    if (group->drained)
        (void) json_add_i64(obj, "drained_since_ms", operator_drained_since(group, ""));
    describe_group_problem(group, &problem);
    if (problem.len > 0)
        (void) json_add_str(obj, "problem", buf_str(&problem));
    add_growth(obj, group);
    return obj;
}

/* What would be charged if it went now. */
static void add_cost(json_t *obj, const struct group *group, const struct fleet_instance *instance)
{
    const struct fleet_config *config = fleet_config_of(group->fleet);
    int64_t age_ms = now_wall(group->supervisor) - instance->first_seen_ms, cost;

    if (config->price_micros_hour <= 0 || instance->cause == CAUSE_FOREIGN)
        return;
    (void) json_add_i64(obj, "price_micros_hour", config->price_micros_hour);
    if (!__builtin_mul_overflow(fleet_billed_ms(config, age_ms) / 1000, config->price_micros_hour,
                                &cost))
        (void) json_add_i64(obj, "cost_micros", cost / 3600);
}

const char *describe_instance_reason(const struct group *group,
                                     const struct fleet_instance *instance, struct buf *out)
{
    const struct hold *hold = hold_of(group, instance->id);

    if (hold) {
        hold_explain(group, hold, out);
        return "held";
    }
    if (instance->removing) {
        fleet_explain_removal(group->fleet, instance, out);
        return fleet_reason_name(instance->remove_reason);
    }
    if (instance->draining != REASON_NONE) {
        buf_add_str(out, fleet_reason_text(instance->draining));
        return fleet_reason_name(instance->draining);
    }
    if (!instance->in_doubt)
        return NULL;
    buf_add_str(out, "a job may have left a VM on it");
    return "in_doubt";
}

static void add_reason(json_t *obj, const struct group *group,
                       const struct fleet_instance *instance)
{
    const struct hold *hold = hold_of(group, instance->id);
    autobuf struct buf text = BUF_INIT;
    const char *reason = describe_instance_reason(group, instance, &text);

    if (!reason)
        return;
    (void) json_add_str(obj, "reason", reason);
    if (hold) {
        (void) json_add_i64(obj, "held_until_ms", hold->until_ms);
        if (hold->job_id != 0)
            (void) json_add_i64(obj, "held_for_job", hold->job_id);
    } else if (!instance->removing && instance->draining == REASON_DRAINED)
        (void) json_add_i64(obj, "drained_since_ms", operator_drained_since(group, instance->id));
    (void) json_add_str(obj, "reason_text", buf_str(&text));
}

/* One of each for each slot; null where there is none. */
static void add_jobs(json_t *obj, const struct group *group, const struct fleet_instance *instance)
{
    json_t *jobs = json_object_new_array(), *vms = json_object_new_array();

    for (uint32_t i = 0; jobs && vms && i < instance->n_slots; i++) {
        int64_t seq = instance->slots[i].seq;
        const struct job *job = seq != 0 ? job_find(group->supervisor, seq) : NULL;

        (void) json_object_array_add(jobs, job ? json_object_new_int64(job->job_id) : NULL);
        (void) json_object_array_add(vms, job && *job->vm ? json_object_new_string(job->vm) : NULL);
    }
    (void) json_add(obj, "slots", jobs);
    (void) json_add(obj, "vms", vms);
}

json_t *describe_instance(const struct group *group, const struct fleet_instance *instance)
{
    json_t *obj = json_object_new_object();

    if (!obj)
        return NULL;
    (void) json_add_str(obj, "id", instance->id);
    (void) json_add_str(obj, "runner", group->runner->name);
    (void) json_add_str(obj, "state", instance_state_name(instance->state));
    (void) json_add_bool(obj, "ready", instance->ready);
    (void) json_add_bool(obj, "removing", instance->removing);
    (void) json_add_bool(obj, "foreign", instance->cause == CAUSE_FOREIGN);
    (void) json_add_bool(obj, "draining", instance->draining != REASON_NONE);
    (void) json_add_str(obj, "condition", describe_condition(instance));
    add_reason(obj, group, instance);
    (void) json_add_i64(obj, "uses", instance->uses);
    (void) json_add_i64(obj, "max_use_count", fleet_config_of(group->fleet)->max_use_count);
    add_cost(obj, group, instance);
    (void) json_add_i64(obj, "first_seen_ms", instance->first_seen_ms);
    (void) json_add_i64(obj, "idle_since_ms", instance->idle_since_ms);
    add_jobs(obj, group, instance);
    return obj;
}

json_t *describe_problems(const struct supervisor *supervisor)
{
    json_t *problems = json_object_new_array();

    if (problems && *supervisor->ledger_problem)
        (void) json_object_array_add(problems, json_object_new_string(supervisor->ledger_problem));
    if (problems && supervisor->disk_short)
        (void) json_object_array_add(
            problems, json_object_new_string("the disk that holds the state directory is full: no "
                                             "job is asked for until 8 MiB are free there"));
    if (problems && supervisor->descriptors_short)
        (void) json_object_array_add(
            problems, json_object_new_string("too few file descriptors are left: no job is asked "
                                             "for until more are free"));
    return problems;
}

json_t *describe_job(const struct job *job)
{
    json_t *obj = json_object_new_object();

    if (!obj)
        return NULL;
    (void) json_add_i64(obj, "id", job->job_id);
    (void) json_add_i64(obj, "seq", job->seq);
    (void) json_add_str(obj, "name", job->name);
    (void) json_add_str(obj, "runner", job->group->runner->name);
    (void) json_add_bool(obj, "runner_configured", !job->group->retired && !job->group->leaving);
    (void) json_add_str(obj, "state", job_state_name(job->state));
    (void) json_add_str(obj, "instance", job->instance_id);
    (void) json_add_i64(obj, "slot", job->slot);
    if (*job->vm)
        (void) json_add_str(obj, "vm", job->vm);
    (void) json_add_bool(obj, "worker_connected", job->worker != NULL);
    (void) json_add_i64(obj, "log_sent", job->report.sent);
    if (*job->result_state)
        (void) json_add_str(obj, "result", job->result_state);
    return obj;
}
