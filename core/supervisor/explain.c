/* core/supervisor/explain.c - `flotilla explain`: why there are, or are not, instances, and why a job
 * waits. One sentence each, from the reasons and numbers that the scaler decided by. */
#include "core/supervisor/explain.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/hold.h"
#include "core/supervisor/names.h"
#include "core/supervisor/operator.h"
#include "core/supervisor/strangers.h"

static void add_line(json_t *lines, const char *text)
{
    (void) json_object_array_add(lines, json_object_new_string(text));
}

/* Whole seconds: nobody waits by the millisecond. */
static void add_time(struct buf *out, int64_t ms)
{
    format_duration(out, MAX(ms, (int64_t) 0) / 1000 * 1000);
}

static void add_drain(const struct group *group, const char *instance_id, struct buf *out)
{
    int64_t since = operator_drained_since(group, instance_id);

    if (since == 0)
        return;
    buf_add_str(out, ", for ");
    add_time(out, now_wall(group->supervisor) - since);
}

/* Runners and instances. */

static void explain_instance(const struct group *group, const struct fleet_instance *instance,
                             json_t *lines)
{
    const char *trouble = group_gate_trouble(group, instance->id);
    autobuf struct buf text = BUF_INIT;

    buf_addf(&text, "%s: instance %s ", group->runner->name, instance->id);
    if (instance->cause == CAUSE_FOREIGN) {
        buf_add_str(&text, "belongs to another runner entry by the ledger: it gets no jobs and is "
                           "not removed");
    } else if (instance->removing) {
        buf_add_str(&text, "is being removed: ");
        fleet_explain_removal(group->fleet, instance, &text);
    } else {
        buf_addf(&text, "is %s%s, %u of %u slots busy, used %u time%s",
                 instance_state_name(instance->state), instance->ready ? "" : " and not ready",
                 instance_busy(instance), instance->n_slots, instance->uses,
                 str_plural(instance->uses));
        if (instance->failures > 0)
            buf_addf(&text, ", %u heartbeat%s failed in a row", instance->failures,
                     str_plural(instance->failures));
        if (instance->in_doubt)
            buf_add_str(&text, ", a job may have left a VM on it: it gets no jobs until that has "
                               "been looked at");
        if (trouble)
            buf_addf(&text, ": %s", trouble);
    }
    if (!instance->removing && instance->draining != REASON_NONE) {
        buf_addf(&text, "; it gets no new jobs: %s", fleet_reason_text(instance->draining));
        if (instance->draining == REASON_DRAINED)
            add_drain(group, instance->id, &text);
    }
    if (hold_of(group, instance->id)) {
        buf_add_str(&text, "; it is ");
        hold_explain(group, hold_of(group, instance->id), &text);
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

/* What the cloud said, what that is called, and when the next try is; or what became of the instances
 * that it made. */
static void explain_growth(const struct group *group, json_t *lines)
{
    const char *said = *group->growth_error ? group->growth_error : group->signals.growth;
    autobuf struct buf text = BUF_INIT, when = BUF_INIT, boots = BUF_INIT;

    group_describe_boots(group, &boots);
    explain_failure(group, lines, "instances do not become ready", buf_str(&boots));
    if (!*said && boots.len > 0)
        return;
    if (!fleet_explain_growth(group->fleet, now_wall(group->supervisor), &when))
        return;
    if (*said)
        buf_addf(&text, "%s; ", said);
    buf_add(&text, when.data, when.len);
    explain_failure(group, lines, "growth is failing", buf_str(&text));
}

static const char *why_unusable(const struct group *group)
{
    return *group->provider_error ? group->provider_error
           : *group->list_error   ? group->list_error
                                  : "its instance group has not answered yet";
}

static void explain_requests(const struct group *group, json_t *lines)
{
    autobuf struct buf text = BUF_INIT;

    buf_addf(&text, "%s: ", group->runner->name);
    if (group->drained) {
        buf_add_str(&text, "asks for no job: an operator drains it");
        add_drain(group, "", &text);
    } else if (!group->polls && *group->refusal) {
        buf_addf(&text, "asks for no job: %s", group->refusal);
    } else {
        buf_addf(&text, "asks GitLab for jobs%s%s",
                 *group->request_error ? "; the last request failed: " : "", group->request_error);
    }
    add_line(lines, buf_str(&text));
}

static void explain_leaving(const struct group *group, json_t *lines)
{
    autobuf struct buf text = BUF_INIT;

    buf_addf(&text,
             "%s: its entry left the configuration: it asks for no job, %u of its jobs go on, and "
             "its instances go once they are idle",
             group->runner->name, supervisor_running_jobs(group->supervisor, group));
    add_line(lines, buf_str(&text));
}

void explain_runner(const struct group *group, json_t *lines)
{
    autobuf struct buf text = BUF_INIT;

    if (group->leaving)
        explain_leaving(group, lines);
    buf_addf(&text, "%s: ", group->runner->name);
    if (!group->usable || !group->listed_once) {
        buf_addf(&text, "takes no jobs: %s", why_unusable(group));
        add_line(lines, buf_str(&text));
        return;
    }
    scaler_explain(group->fleet, &group->last_plan, now_wall(group->supervisor), &text);
    add_line(lines, buf_str(&text));
    buf_clear(&text);
    buf_addf(&text, "%s: ", group->runner->name);
    group_explain_policy(group, &text);
    add_line(lines, buf_str(&text));
    explain_failure(group, lines, "the provider cannot be opened again", group->provider_error);
    explain_failure(group, lines, "nothing is ordered, because listing fails", group->list_error);
    explain_growth(group, lines);
    explain_failure(group, lines, "no instance can be connected to", group->connect_error);
    explain_failure(group, lines, "no VM can be made", group->isolation.error);
    explain_failure(group, lines, "removing is failing", group->removal_error);
    explain_failure(group, lines, "the cloud's signals cannot be read", group->signals.error);
    explain_requests(group, lines);
}

static void explain_group(const struct group *group, json_t *lines)
{
    explain_runner(group, lines);
    if (!group->usable || !group->listed_once)
        return;
    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++)
        explain_instance(group, fleet_instance_at(group->fleet, i), lines);
}

/* Jobs. */

/* Why no slot comes: the first of these that holds. */
static void add_what_is_missing(const struct group *group, struct buf *out)
{
    const struct scaler_plan *plan = &group->last_plan;
    int64_t now = now_wall(group->supervisor), until = 0;
    enum growth_failure kind = GROWTH_CAPACITY;
    struct fleet_numbers n;

    fleet_count(group->fleet, &n);
    if (n.idle > 0) {
        buf_addf(out, "%u slot%s free and given out in the order in which jobs came", n.idle,
                 n.idle == 1 ? " is" : "s are");
        return;
    }
    buf_addf(
        out, "no slot is free (%u busy, %u not ready, %u unhealthy, %u spent on %u instance%s)",
        n.acquired, n.unready, n.unhealthy, n.unavailable, n.instances, str_plural(n.instances));
    if (n.requested + n.pending > 0)
        buf_addf(out, ", %u instance%s ordered and not seen yet", n.requested + n.pending,
                 n.requested + n.pending == 1 ? " is" : "s are");
    if (*group->list_error)
        buf_addf(out, "; nothing is ordered, because listing fails: %s", group->list_error);
    else if (strangers_awaited(group->supervisor))
        buf_add_str(out, "; nothing is ordered until jobs are back whose rows were lost");
    else if (fleet_growth_paused(group->fleet, now, &kind, &until)) {
        buf_addf(out, "; growth is paused, because %s, and is tried again in ",
                 growth_failure_text(kind));
        add_time(out, until - now + 999);
    } else if (plan->reason == REASON_AT_MAXIMUM)
        buf_addf(out, "; max_instances = %u is reached (%u of them are going)", plan->max_instances,
                 n.removing + n.draining);
    else if (plan->reason == REASON_RECYCLING) {
        buf_addf(out, "; %s, the next one is in ", fleet_reason_text(plan->reason));
        add_time(out, plan->place_ms - now + 999);
    } else if (plan->reason != REASON_ENOUGH && plan->reason != REASON_NONE && plan->request == 0)
        buf_addf(out, "; nothing more is ordered, because %s", fleet_reason_text(plan->reason));
    if (*group->growth_error)
        buf_addf(out, "; the last order failed: %s", group->growth_error);
}

static void add_place_in_line(const struct job *job, struct buf *out)
{
    unsigned before = 0, all = 0;

    for (const struct job *other = job->supervisor->jobs; other; other = other->next) {
        if (other->group != job->group || other->state != JOB_ACKNOWLEDGED ||
            other->waiting_since_mono == 0)
            continue;
        all++;
        before += other->seq < job->seq;
    }
    buf_addf(out, "number %u of %u that wait for a slot", before + 1, all);
}

static void explain_waiting(const struct job *job, struct buf *out)
{
    const struct group *group = job->group;
    int64_t waited = now_mono(job->supervisor) - job->waiting_since_mono;

    buf_add_str(out, "has waited for ");
    add_time(out, waited);
    buf_add_str(out, ", ");
    add_place_in_line(job, out);
    buf_add_str(out, ": ");
    if (!group->usable || !group->listed_once)
        buf_addf(out, "its runner takes no jobs: %s", why_unusable(group));
    else
        add_what_is_missing(group, out);
    buf_add_str(out, "; it is given up in ");
    add_time(out, group->runner->autoscaler.instance_acquire_timeout_ms - waited);
}

static void explain_received(const struct job *job, struct buf *out)
{
    if (job->state == JOB_RECEIVED)
        buf_addf(out, "is being acknowledged at GitLab%s",
                 job->acknowledge_at_mono != 0 ? ", which has not answered yet" : "");
    else if (job->waiting_since_mono == 0)
        buf_addf(out, "waits for a place: concurrent = %" PRId64 " jobs run already",
                 job->supervisor->config->concurrent);
    else
        explain_waiting(job, out);
}

static void explain_on_instance(const struct job *job, struct buf *out)
{
    if (job->state == JOB_RUNNING)
        buf_addf(out, "runs on instance %s, slot %u%s%s", job->instance_id, job->slot,
                 *job->vm ? ", in VM " : "", job->vm);
    else if (job->connecting)
        buf_addf(out,
                 "has slot %u of instance %s and waits for the provider to tell how to reach it",
                 job->slot, job->instance_id);
    else
        buf_addf(out, "starts on instance %s, slot %u", job->instance_id, job->slot);
    if (job->state == JOB_RUNNING && !job->worker)
        buf_add_str(out, "; its worker is not connected to the manager now");
    if (*job->lost_reason)
        buf_addf(out, "; it is being ended: %s", job->lost_reason);
    else if (job->abort_told || job->cancel_told)
        buf_addf(out, "; it is being %s", job->abort_told ? "aborted" : "canceled");
    if (*job->report_error)
        buf_addf(out, "; its log is behind: %s", job->report_error);
}

static void add_result(const char *state, const char *reason, struct buf *out)
{
    buf_addf(out, "%s%s%s", state, *reason ? ", " : "", reason);
}

static void explain_finished(const struct job *job, struct buf *out)
{
    buf_add_str(out, "has ended (");
    add_result(job->result_state, job->failure_reason, out);
    buf_add_str(out, ") and has waited for ");
    add_time(out, now_mono(job->supervisor) - job->report.finished_at);
    buf_add_str(out, " until GitLab takes its final state: ");
    if (*job->report_error)
        buf_add_str(out, job->report_error);
    else if (job->report.sent < job->log_size)
        buf_addf(out, "%" PRId64 " of %" PRId64 " bytes of its log are sent", job->report.sent,
                 job->log_size);
    else
        buf_add_str(out, "it is being told");
}

void explain_job(const struct job *job, json_t *lines)
{
    autobuf struct buf text = BUF_INIT;

    buf_addf(&text, "%s: job %" PRId64 " ", job->group->runner->name, job->job_id);
    if (job->state < JOB_ASSIGNED)
        explain_received(job, &text);
    else if (job->state < JOB_FINISHED)
        explain_on_instance(job, &text);
    else
        explain_finished(job, &text);
    add_line(lines, buf_str(&text));
}

/* Those that nothing is wrong with are in `flotilla status`. */
static bool is_waiting(const struct job *job)
{
    return job->state < JOB_ASSIGNED || job->state == JOB_FINISHED || *job->report_error ||
           *job->lost_reason || job->connecting;
}

/* Of a job that is not here any more: its row. */
struct former_jobs {
    const struct supervisor *supervisor;
    json_t *lines;
    unsigned found;
};

static void explain_row(void *arg, struct ledger_job *row)
{
    struct former_jobs *former = arg;
    autobuf struct buf text = BUF_INIT;

    former->found++;
    buf_addf(&text, "%s: job %" PRId64 " ended ", row->runner, row->job_id);
    add_time(&text, now_wall(former->supervisor) - MAX(row->closed_ms, row->finished_ms));
    buf_add_str(&text, " ago");
    if (*row->result_state) {
        buf_add_str(&text, ": ");
        add_result(row->result_state, row->failure_reason, &text);
    }
    if (*row->instance_id)
        buf_addf(&text, " on instance %s, slot %" PRId64, row->instance_id, row->slot);
    if (*row->message)
        buf_addf(&text, "; %s", row->message);
    add_line(former->lines, buf_str(&text));
}

static int explain_jobs_named(struct supervisor *supervisor, int64_t job_id, json_t *lines,
                              struct error *err)
{
    struct former_jobs former = { .supervisor = supervisor, .lines = lines };
    int r;

    for (const struct job *job = supervisor->jobs; job; job = job->next)
        if (job->job_id == job_id) {
            explain_job(job, lines);
            former.found++;
        }
    if (former.found > 0)
        return 0;
    r = ledger_each_job_named(supervisor->ledger, job_id, explain_row, &former, err);
    if (r == 0 && former.found == 0)
        r = error_set(err, -ENOENT,
                      "job %" PRId64 " is not known here: this manager never got it, or it ended "
                      "more than 7 days ago; `flotilla explain RUNNER` says why a runner asks for "
                      "no job",
                      job_id);
    return r;
}

/* Requests. */

static unsigned explain_groups(struct supervisor *supervisor, const struct operator_name *name,
                               json_t *lines)
{
    unsigned found = 0;

    for (size_t i = 0; i < supervisor->n_groups; i++) {
        const struct group *group = supervisor->groups[i];
        const struct fleet_instance *instance =
            name && name->kind != NAMED_RUNNER ? fleet_find(group->fleet, name->text) : NULL;

        if (!name || (name->kind != NAMED_INSTANCE && str_eq(name->text, group->runner->name))) {
            explain_group(group, lines);
            found++;
        }
        if (instance) {
            explain_instance(group, instance, lines);
            found++;
        }
    }
    return found;
}

/* To explain changes nothing, so all that have the name are meant. */
static int explain_named(struct supervisor *supervisor, const struct operator_name *name,
                         json_t *lines, struct error *err)
{
    int64_t job_id = name_job_id(name);
    unsigned found = name->kind == NAMED_JOB ? 0 : explain_groups(supervisor, name, lines);
    int r;

    if (job_id == 0)
        return found > 0 ? 0 : name_unknown(supervisor, name, "runner, instance or job", err);
    r = explain_jobs_named(supervisor, job_id, lines, err);
    return found > 0 ? 0 : r;
}

static void explain_all(struct supervisor *supervisor, json_t *lines)
{
    (void) explain_groups(supervisor, NULL, lines);
    for (const struct job *job = supervisor->jobs; job; job = job->next)
        if (is_waiting(job))
            explain_job(job, lines);
}

json_t *explain_report(struct supervisor *supervisor, json_t *request)
{
    autojson json_t *lines = json_object_new_array();
    struct operator_name name;
    struct error err = { 0 };
    json_t *answer;
    int r = name_of_request(request, false, &name, &err);

    if (r == 0 && !lines)
        r = error_set(&err, -ENOMEM, "out of memory");
    else if (r == 0 && name.text)
        r = explain_named(supervisor, &name, lines, &err);
    else if (r == 0)
        explain_all(supervisor, lines);
    answer = json_frame(r < 0 ? "error" : "explain");
    if (r < 0)
        (void) json_add_str(answer, "message", err.message);
    else
        (void) json_add(answer, "lines", take_ptr(lines));
    return answer;
}
