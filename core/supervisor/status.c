/* core/supervisor/status.c - what `flotilla status` and `flotilla explain` show: the same numbers
 * and reasons that the scaler decided by. */
#include "core/supervisor/internal.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/str.h"

/* The worst first. */
static const char *problem_of(const struct group *group)
{
    return *group->provider_error  ? group->provider_error
           : *group->list_error    ? group->list_error
           : *group->growth_error  ? group->growth_error
           : *group->removal_error ? group->removal_error
                                   : group->request_error;
}

static json_t *describe_runner(const struct group *group)
{
    json_t *obj = json_object_new_object();
    struct fleet_numbers n = { 0 };

    if (!obj)
        return NULL;
    fleet_count(group->fleet, &n);
    (void) json_add_str(obj, "name", group->runner->name);
    (void) json_add_str(obj, "short_token", group->short_token);
    (void) json_add_str(obj, "url", group->runner->url);
    (void) json_add_str(obj, "plugin", group->runner->autoscaler.plugin);
    (void) json_add_bool(obj, "ready", group->usable && group->listed_once);
    (void) json_add_i64(obj, "epoch", group->epoch);
    (void) json_add_i64(obj, "instances", n.instances);
    (void) json_add_i64(obj, "requested", n.requested);
    (void) json_add_i64(obj, "pending", n.pending);
    (void) json_add_i64(obj, "acquired", n.acquired);
    (void) json_add_i64(obj, "idle", n.idle);
    (void) json_add_i64(obj, "waiting", n.waiting);
    (void) json_add_i64(obj, "reserved", n.reserved);
    if (*problem_of(group))
        (void) json_add_str(obj, "problem", problem_of(group));
    return obj;
}

static json_t *describe_instance(const struct group *group, const struct fleet_instance *instance)
{
    json_t *obj = json_object_new_object(), *jobs = json_object_new_array();

    if (!obj || !jobs) {
        json_object_put(obj);
        json_object_put(jobs);
        return NULL;
    }
    (void) json_add_str(obj, "id", instance->id);
    (void) json_add_str(obj, "runner", group->runner->name);
    (void) json_add_str(obj, "state", instance_state_name(instance->state));
    (void) json_add_bool(obj, "ready", instance->ready);
    (void) json_add_bool(obj, "removing", instance->removing);
    (void) json_add_bool(obj, "foreign", instance->cause == CAUSE_FOREIGN);
    if (instance->removing)
        (void) json_add_str(obj, "reason", fleet_reason_name(instance->remove_reason));
    (void) json_add_i64(obj, "uses", instance->uses);
    (void) json_add_i64(obj, "first_seen_ms", instance->first_seen_ms);
    (void) json_add_i64(obj, "idle_since_ms", instance->idle_since_ms);
    for (uint32_t i = 0; i < instance->n_slots; i++) {
        const struct job *job = instance->slots[i].seq != 0
                                    ? job_find(group->supervisor, instance->slots[i].seq)
                                    : NULL;

        (void) json_object_array_add(jobs, job ? json_object_new_int64(job->job_id) : NULL);
    }
    (void) json_add(obj, "slots", jobs);
    return obj;
}

static json_t *describe_job(const struct job *job)
{
    json_t *obj = json_object_new_object();

    if (!obj)
        return NULL;
    (void) json_add_i64(obj, "id", job->job_id);
    (void) json_add_i64(obj, "seq", job->seq);
    (void) json_add_str(obj, "name", job->name);
    (void) json_add_str(obj, "runner", job->group->runner->name);
    (void) json_add_bool(obj, "runner_configured", !job->group->retired);
    (void) json_add_str(obj, "state", job_state_name(job->state));
    (void) json_add_str(obj, "instance", job->instance_id);
    (void) json_add_i64(obj, "slot", job->slot);
    (void) json_add_bool(obj, "worker_connected", job->worker != NULL);
    (void) json_add_i64(obj, "log_sent", job->report.sent);
    if (*job->result_state)
        (void) json_add_str(obj, "result", job->result_state);
    return obj;
}

static json_t *describe_problems(const struct supervisor *supervisor)
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

json_t *status_report(struct supervisor *supervisor)
{
    json_t *report = json_frame("status"), *runners = json_object_new_array(),
           *jobs = json_object_new_array(), *instances = json_object_new_array();

    for (size_t i = 0; runners && instances && i < supervisor->n_groups; i++) {
        const struct group *group = &supervisor->groups[i];

        (void) json_object_array_add(runners, describe_runner(group));
        for (size_t k = 0; k < fleet_instance_count(group->fleet); k++)
            (void) json_object_array_add(
                instances, describe_instance(group, fleet_instance_at(group->fleet, k)));
    }
    for (const struct job *job = supervisor->jobs; jobs && job; job = job->next)
        (void) json_object_array_add(jobs, describe_job(job));
    if (!report) {
        json_object_put(runners);
        json_object_put(jobs);
        json_object_put(instances);
        return NULL;
    }
    (void) json_add_str(report, "version", FLOTILLA_VERSION);
    (void) json_add_str(report, "system_id", supervisor->system_id);
    (void) json_add_bool(report, "draining", supervisor->draining);
    (void) json_add(report, "problems", describe_problems(supervisor));
    (void) json_add(report, "runners", runners);
    (void) json_add(report, "instances", instances);
    (void) json_add(report, "jobs", jobs);
    return report;
}

static void add_line(json_t *lines, const char *text)
{
    (void) json_object_array_add(lines, json_object_new_string(text));
}

static void explain_instance(const struct group *group, const struct fleet_instance *instance,
                             json_t *lines)
{
    autobuf struct buf text = BUF_INIT;
    uint32_t busy = 0;

    for (uint32_t i = 0; i < instance->n_slots; i++)
        busy += instance->slots[i].seq != 0;
    buf_addf(&text, "%s: instance %s ", group->runner->name, instance->id);
    if (instance->cause == CAUSE_FOREIGN) {
        buf_add_str(&text, "belongs to another runner entry by the ledger: it gets no jobs and is "
                           "not removed");
    } else if (instance->removing) {
        buf_add_str(&text, "is being removed: ");
        fleet_explain_removal(group->fleet, instance, &text);
    } else {
        buf_addf(&text, "is %s%s, %u of %u slots busy, used %u times",
                 instance_state_name(instance->state), instance->ready ? "" : " and not ready",
                 busy, instance->n_slots, instance->uses);
    }
    add_line(lines, buf_str(&text));
}

static void explain_failure(const struct group *group, json_t *lines, const char *what,
                            const char *why)
{
    autobuf struct buf text = BUF_INIT;

    if (!*why)
        return;
    buf_addf(&text, "%s: %s: %s", group->runner->name, what, why);
    add_line(lines, buf_str(&text));
}

static void explain_group(const struct group *group, json_t *lines)
{
    const char *name = group->runner->name;
    autobuf struct buf text = BUF_INIT;

    if (!group->usable || !group->listed_once) {
        buf_addf(&text, "%s: takes no jobs: %s", name,
                 *group->provider_error ? group->provider_error
                 : *group->list_error   ? group->list_error
                                        : "its instance group has not answered yet");
        add_line(lines, buf_str(&text));
        return;
    }
    buf_addf(&text, "%s: ", name);
    scaler_explain(group->fleet, &group->last_plan, now_wall(group->supervisor), &text);
    add_line(lines, buf_str(&text));
    buf_clear(&text);
    buf_addf(&text, "%s: ", name);
    group_explain_policy(group, &text);
    add_line(lines, buf_str(&text));
    buf_clear(&text);
    explain_failure(group, lines, "the provider cannot be opened again", group->provider_error);
    explain_failure(group, lines, "nothing is ordered, because listing fails", group->list_error);
    explain_failure(group, lines, "growth is failing", group->growth_error);
    explain_failure(group, lines, "removing is failing", group->removal_error);
    if (!group->poll && *group->refusal)
        buf_addf(&text, "%s: asks for no job: %s", name, group->refusal);
    else
        buf_addf(&text, "%s: asks GitLab for jobs%s%s", name,
                 *group->request_error ? "; the last request failed: " : "", group->request_error);
    add_line(lines, buf_str(&text));
    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++)
        explain_instance(group, fleet_instance_at(group->fleet, i), lines);
}

json_t *status_explain(struct supervisor *supervisor, const char *runner)
{
    json_t *answer = json_frame("explain"), *lines = json_object_new_array();
    bool found = false;

    for (size_t i = 0; lines && i < supervisor->n_groups; i++) {
        if (runner && !str_eq(runner, supervisor->groups[i].runner->name))
            continue;
        explain_group(&supervisor->groups[i], lines);
        found = true;
    }
    if (lines && runner && !found)
        add_line(lines, "there is no runner of that name in the configuration");
    if (!answer) {
        json_object_put(lines);
        return NULL;
    }
    (void) json_add(answer, "lines", lines);
    return answer;
}
