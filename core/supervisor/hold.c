/* core/supervisor/hold.c - instances that stay for somebody who looks at them (hold.h). The fleet knows that one is held
 * (fleet_hold()); who holds it, and which job it was for, is here and in the ledger. */
#include "core/supervisor/hold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define LOG_TOPIC "operator"
#include "core/base/log.h"

#define HOLD_MIN_MS 60000
#define HOLD_MAX_MS (7 * 24 * 3600 * 1000LL)
#define HOLD_DEFAULT_MS (3600 * 1000)

static struct hold *find(const struct group *group, const char *instance_id)
{
    struct hold *hold = group->holds;

    while (hold && !str_eq(hold->instance_id, instance_id))
        hold = hold->next;
    return hold;
}

const struct hold *hold_of(const struct group *group, const char *instance_id)
{
    return find(group, instance_id);
}

/* Of the wall clock, whatever it did since. */
static void add_until(const struct group *group, const struct hold *hold, struct buf *out)
{
    int64_t left = MAX(hold->until_ms - now_wall(group->supervisor), (int64_t) 0);

    format_utc(out, (int64_t) time(NULL) * 1000 + left);
    buf_add_str(out, " (");
    format_duration(out, left / 1000 * 1000);
    buf_add_char(out, ')');
}

void hold_explain(const struct group *group, const struct hold *hold, struct buf *out)
{
    buf_add_str(out, "held until ");
    add_until(group, hold, out);
    buf_addf(out, " by %s", hold->who);
    if (hold->job_id != 0)
        buf_addf(out, ", for job %" PRId64, hold->job_id);
}

/* Keeping and dropping. */

static void drop(struct group *group, struct hold *hold)
{
    for (struct hold **at = &group->holds; *at; at = &(*at)->next)
        if (*at == hold) {
            *at = hold->next;
            break;
        }
    free(hold->directory);
    free(hold->vm_address);
    free(hold);
}

static struct hold *add(struct group *group, const struct ledger_hold *row)
{
    struct hold *hold = mem_zero(sizeof(*hold));

    if (!hold)
        return NULL;
    (void) str_copy(hold->instance_id, sizeof(hold->instance_id), row->instance_id);
    (void) str_cut(hold->who, sizeof(hold->who), row->who);
    (void) str_copy(hold->vm, sizeof(hold->vm), row->vm ? row->vm : "");
    hold->until_ms = row->until_ms;
    hold->since_ms = row->since_ms;
    hold->job_id = row->job_id;
    hold->by_rule = row->by_rule;
    if (!str_empty(row->directory))
        hold->directory = mem_strdup(row->directory);
    if (!str_empty(row->vm_address))
        hold->vm_address = mem_strdup(row->vm_address);
    hold->next = group->holds;
    group->holds = hold;
    return hold;
}

/* In the ledger, then in the fleet. What an earlier one knows of a job stays known. */
static int begin(struct group *group, struct ledger_hold *row, struct error *err)
{
    struct hold *before = find(group, row->instance_id);
    int r = 0;

    if (before && row->job_id == 0) {
        row->job_id = before->job_id;
        row->directory = before->directory;
        row->vm = before->vm;
        row->vm_address = before->vm_address;
    }
    row->since_ms = before ? before->since_ms : now_wall(group->supervisor);
    EFFECT("hold_row", r = ledger_put_hold(group->supervisor->ledger, group->id, row, err));
    if (r < 0)
        return r;
    if (!add(group, row))
        return error_set(err, -ENOMEM, "out of memory; it is held after a restart");
    if (before)
        drop(group, before);
    (void) fleet_hold(group->fleet, row->instance_id, row->until_ms);
    supervisor_evaluate_soon(group->supervisor);
    return 0;
}

/* From here on it goes as it would have gone. A VM that was left is removed by the gate before a job comes. */
static int end(struct group *group, struct hold *hold, struct error *err)
{
    int r = 0;

    EFFECT("release_row",
           r = ledger_drop_hold(group->supervisor->ledger, group->id, hold->instance_id, err));
    if (r < 0)
        return r;
    (void) fleet_release_hold(group->fleet, hold->instance_id);
    if (*hold->vm)
        group_doubt(group, hold->instance_id, "a VM was held on it");
    drop(group, hold);
    supervisor_evaluate_soon(group->supervisor);
    return 0;
}

/* By an operator. */

static struct hold *find_by_job(struct supervisor *supervisor, int64_t job_id,
                                struct group **ret_group)
{
    for (size_t i = 0; job_id != 0 && i < supervisor->n_groups; i++)
        for (struct hold *hold = supervisor->groups[i]->holds; hold; hold = hold->next)
            if (hold->job_id == job_id) {
                *ret_group = supervisor->groups[i];
                return hold;
            }
    return NULL;
}

static int find_job_place(struct job *job, struct named *ret, struct error *err)
{
    *ret = (struct named) { job->group, fleet_find(job->group->fleet, job->instance_id) };
    if (!ret->instance)
        return error_set(err, -EAGAIN,
                         "job %" PRId64 " has no instance; `flotilla explain job:%" PRId64
                         "` says why",
                         job->job_id, job->job_id);
    return 0;
}

static int find_instance(struct supervisor *supervisor, const struct operator_name *name,
                         struct named *ret, struct error *err)
{
    const struct operator_name instance = { NAMED_INSTANCE, name->text };
    int r;

    if (name->kind == NAMED_JOB)
        return error_set(err, -ENOENT,
                         "job '%.80s' does not run here, and no instance is held for it",
                         name->text);
    r = name_find(supervisor, name, ret, err);
    if (r == -ENOENT && name->kind == NAMED_ANY)
        return name_unknown(supervisor, &instance, "job or instance", err);
    if (r == 0 && !ret->instance)
        r = error_set(err, -EINVAL,
                      "'%.80s' is a runner, and no job or instance; `flotilla status` lists both",
                      name->text);
    return r;
}

int hold_find(struct supervisor *supervisor, const struct operator_name *name,
              struct hold_place *ret, struct error *err)
{
    const struct hold *hold;
    struct group *group = NULL;
    struct job *job = NULL;
    int64_t id = 0;
    int r = name_find_job(supervisor, name, &job, &id, err);

    *ret = (struct hold_place) { 0 };
    if (r < 0)
        return r;
    hold = find_by_job(supervisor, id, &group);
    ret->of_job = job || hold;
    if (job && job->state < JOB_FINISHED)
        ret->job = job;
    if (hold && !ret->job) {
        ret->named = (struct named) { group, fleet_find(group->fleet, hold->instance_id) };
        return 0;
    }
    return job ? find_job_place(job, &ret->named, err)
               : find_instance(supervisor, name, &ret->named, err);
}

static int check_instance(const struct fleet_instance *instance, struct error *err)
{
    if (instance->cause == CAUSE_FOREIGN)
        return error_set(err, -EPERM, "instance %.80s belongs to another runner entry",
                         instance->id);
    if (instance->removing && instance->held_until_ms == 0)
        return error_set(err, -EALREADY, "instance %.80s is being removed already", instance->id);
    return 0;
}

/* The job that is meant, or the only one there. */
static const struct job *job_on(const struct named *named, const struct job *job)
{
    const struct job *only = NULL;
    uint32_t n = 0;

    for (uint32_t i = 0; !job && i < named->instance->n_slots; i++)
        if (named->instance->slots[i].seq != 0 && n++ == 0)
            only = job_find(named->group->supervisor, named->instance->slots[i].seq);
    return job ? job : n == 1 ? only : NULL;
}

static void describe_job_in(const struct job *job, struct ledger_hold *row)
{
    if (!job)
        return;
    row->job_id = job->job_id;
    row->directory = job->directory;
    row->vm = job->vm;
    row->vm_address = job->vm_address;
}

static void tell_jobs_on(const struct named *named)
{
    for (const struct job *job = named->group->supervisor->jobs; job; job = job->next)
        if (job->group == named->group && str_eq(job->instance_id, named->instance->id))
            hold_tell_worker(job);
}

static void add_cost(const struct group *group, struct buf *out)
{
    int64_t micros = fleet_config_of(group->fleet)->price_micros_hour;

    if (micros > 0)
        buf_addf(out, "; it goes on costing %" PRId64 ".%04" PRId64 " an hour", micros / 1000000,
                 micros % 1000000 / 100);
}

int hold_by_hand(const struct hold_place *place, json_t *request, struct buf *out,
                 struct error *err)
{
    const struct named *named = &place->named;
    struct group *group = named->group;
    const char *who = "an operator";
    int64_t for_ms = HOLD_DEFAULT_MS;
    struct ledger_hold row = { .instance_id = named->instance->id };
    int r = check_instance(named->instance, err);

    if (r == 0)
        r = json_opt_i64(request, "for_ms", HOLD_MIN_MS, HOLD_MAX_MS, &for_ms, err);
    if (r == 0)
        r = json_opt_str(request, "who", &who, err);
    if (r < 0)
        return r;
    row.who = who;
    row.until_ms = now_wall(group->supervisor) + fault_limit_ms("hold", for_ms);
    describe_job_in(job_on(named, place->job), &row);
    r = begin(group, &row, err);
    if (r < 0)
        return r;
    tell_jobs_on(named);
    buf_addf(out, "instance %s of runner '%s' is ", named->instance->id, group->runner->name);
    hold_explain(group, find(group, named->instance->id), out);
    buf_add_str(out, ": it takes no new jobs and is not removed");
    add_cost(group, out);
    return 0;
}

int hold_release(const struct named *named, struct buf *out, struct error *err)
{
    struct hold *hold = find(named->group, named->instance->id);
    int r;

    if (!hold)
        return error_set(err, -ENOENT, "instance %.80s is not held", named->instance->id);
    r = end(named->group, hold, err);
    if (r == 0)
        buf_addf(out, "instance %s of runner '%s' is not held any more", named->instance->id,
                 named->group->runner->name);
    return r;
}

/* By the rule. */

static unsigned count_by_rule(const struct group *group)
{
    unsigned n = 0;

    for (const struct hold *hold = group->holds; hold; hold = hold->next)
        n += hold->by_rule;
    return n;
}

static int hold_by_rule(struct job *job, struct error *err)
{
    const struct config_hold *rule = &job->group->runner->hold;
    const struct fleet_instance *instance = fleet_find(job->group->fleet, job->instance_id);
    struct ledger_hold row = { .instance_id = job->instance_id,
                               .who = "[runners.hold]",
                               .by_rule = true,
                               .until_ms = now_wall(job->supervisor) +
                                           fault_limit_ms("hold", rule->for_ms) };
    int r;

    if (str_eq(rule->on_failure, "never"))
        return error_set(err, -EPERM, "its instance is not held any more");
    if (!instance || instance->removing)
        return error_set(err, -EALREADY, "its instance is not held: it goes already");
    if (count_by_rule(job->group) >= (uint64_t) rule->max)
        return error_set(err, -EBUSY,
                         "its instance is not held: %u are, which is as many as [runners.hold] "
                         "allows",
                         count_by_rule(job->group));
    describe_job_in(job, &row);
    r = begin(job->group, &row, err);
    if (r == 0)
        log_notice("job %" PRId64 " failed: its instance %s is held, as [runners.hold] says",
                   job->job_id, job->instance_id);
    return r;
}

json_t *hold_answer_worker(struct job *job)
{
    json_t *answer = json_frame("held");
    autobuf struct buf until = BUF_INIT;
    struct error err = { 0 };
    const struct hold *hold = hold_of(job->group, job->instance_id);

    if (!hold && hold_by_rule(job, &err) == 0)
        hold = hold_of(job->group, job->instance_id);
    if (!hold) {
        (void) json_add_str(answer, "message", err.message);
        return answer;
    }
    add_until(job->group, hold, &until);
    (void) json_add_str(answer, "until", buf_str(&until));
    return answer;
}

void hold_tell_worker(const struct job *job)
{
    autojson json_t *frame = json_frame("hold");

    if (frame && job->worker && job->start_sent && job->state < JOB_FINISHED &&
        hold_of(job->group, job->instance_id))
        channel_send(job->worker, frame, FRAME_MAX_OPERATOR);
}

/* Over time. */

static void take_row(void *arg, const struct ledger_hold *row)
{
    (void) add(arg, row);
}

int hold_restore(struct group *group, struct error *err)
{
    int r = ledger_each_hold(group->supervisor->ledger, group->id, take_row, group, err);

    for (struct hold *hold = group->holds, *next; r == 0 && hold; hold = next) {
        next = hold->next;
        if (fleet_hold(group->fleet, hold->instance_id, hold->until_ms))
            continue;
        r = ledger_drop_hold(group->supervisor->ledger, group->id, hold->instance_id, err);
        drop(group, hold);
    }
    return r;
}

void hold_tick(struct group *group)
{
    struct error err = { 0 };

    for (struct hold *hold = group->holds, *next; hold; hold = next) {
        next = hold->next;
        if (hold->until_ms > now_wall(group->supervisor))
            continue;
        log_notice("instance %s of runner '%s' was held long enough", hold->instance_id,
                   group->runner->name);
        if (end(group, hold, &err) < 0)
            supervisor_fatal(group->supervisor, "ending a hold", &err);
    }
}

void hold_on_gone(struct group *group, const char *instance_id)
{
    struct hold *hold = find(group, instance_id);
    autobuf struct buf how = BUF_INIT;
    struct error err = { 0 };

    if (!hold)
        return;
    hold_explain(group, hold, &how);
    log_warning("instance %s of runner '%s' was %s, and is gone: the cloud has it no more",
                instance_id, group->runner->name, buf_str(&how));
    if (ledger_drop_hold(group->supervisor->ledger, group->id, instance_id, &err) < 0)
        supervisor_fatal(group->supervisor, "forgetting a hold", &err);
    drop(group, hold);
}

void hold_done(struct group *group)
{
    while (group->holds)
        drop(group, group->holds);
}
