/* core/supervisor/operator.c - what an operator changes over the control socket: `flotilla drain`,
 * `undrain`, `remove`, and by hold.c `hold` and `release`. control.c calls it with a request; each change
 * is in the ledger before it has an effect, so that it holds over a restart. audit.c and explain.c change
 * nothing. */
#include "core/supervisor/operator.h"

#include <errno.h>
#include <inttypes.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/supervisor/hold.h"
#include "core/supervisor/names.h"
#include "core/supervisor/strangers.h"

#define LOG_TOPIC "operator"
#include "core/base/log.h"

#define JOBS_NAMED 5

/* The jobs that hold its slots: how many, and their numbers, "17, 18". */
static unsigned jobs_on(const struct group *group, const struct fleet_instance *instance,
                        struct buf *out)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < instance->n_slots; i++) {
        const struct job *job = instance->slots[i].seq != 0
                                    ? job_find(group->supervisor, instance->slots[i].seq)
                                    : NULL;

        if (!job)
            continue;
        if (n < JOBS_NAMED)
            buf_addf(out, "%s%" PRId64, n > 0 ? ", " : "", job->job_id);
        else if (n == JOBS_NAMED)
            buf_add_str(out, ", …");
        n++;
    }
    return n;
}

int64_t operator_drained_since(const struct group *group, const char *instance_id)
{
    int64_t since = 0;

    (void) ledger_find_drain(group->supervisor->ledger, group->id, instance_id, &since, NULL);
    return since;
}

static void add_since(const struct group *group, int64_t since_ms, struct buf *out)
{
    buf_add_str(out, "for ");
    format_duration(out, MAX(now_wall(group->supervisor) - since_ms, (int64_t) 0) / 1000 * 1000);
}

/* Runners. */

static int drain_runner(struct group *group, struct buf *out, struct error *err)
{
    unsigned running = supervisor_running_jobs(group->supervisor, group);
    int r = 0;

    buf_addf(out, "runner '%s' ", group->runner->name);
    if (group->drained) {
        buf_add_str(out, "is drained already, ");
        add_since(group, operator_drained_since(group, ""), out);
        return 0;
    }
    EFFECT("drain_row", r = ledger_add_drain(group->supervisor->ledger, group->id, "", err));
    if (r < 0)
        return r;
    group->drained = true;
    fleet_set_drained(group->fleet, true);
    scheduler_stop(group);
    buf_add_str(out, "is drained: it asks for no job and keeps nothing idle");
    if (running > 0)
        buf_addf(out, "; %u job%s of it %s to the end", running, str_plural(running),
                 running == 1 ? "goes on" : "go on");
    return 0;
}

static int undrain_runner(struct group *group, struct buf *out, struct error *err)
{
    int r = 0;

    buf_addf(out, "runner '%s' ", group->runner->name);
    if (!group->drained) {
        buf_add_str(out, "is not drained");
        return 0;
    }
    EFFECT("undrain_row", r = ledger_drop_drain(group->supervisor->ledger, group->id, "", err));
    if (r < 0)
        return r;
    group->drained = false;
    fleet_set_drained(group->fleet, group->leaving);
    buf_add_str(out, group->leaving
                         ? "is not drained any more; it left the configuration and asks for no job"
                         : "is not drained any more: it asks for jobs again");
    return 0;
}

/* Instances. */

/* What nobody may change here: it is another's, or goes already. */
static int check_instance(const struct named *named, struct error *err)
{
    const struct fleet_instance *instance = named->instance;
    autobuf struct buf why = BUF_INIT;

    if (instance->cause == CAUSE_FOREIGN)
        return error_set(err, -EPERM,
                         "instance %.80s belongs to another runner entry by the ledger: it gets no "
                         "jobs here and is not removed",
                         instance->id);
    if (!instance->removing)
        return 0;
    fleet_explain_removal(named->group->fleet, instance, &why);
    return error_set(err, -EALREADY, "instance %.80s is being removed already: %s", instance->id,
                     buf_str(&why));
}

static int drain_instance(const struct named *named, struct buf *out, struct error *err)
{
    struct group *group = named->group;
    const char *id = named->instance->id;
    autobuf struct buf jobs = BUF_INIT;
    int64_t since = operator_drained_since(group, id);
    unsigned running = jobs_on(group, named->instance, &jobs);
    int r = check_instance(named, err);

    if (r < 0)
        return r;
    buf_addf(out, "instance %s of runner '%s' ", id, group->runner->name);
    if (named->instance->draining == REASON_DRAINED && since != 0) {
        buf_add_str(out, "is drained already, ");
        add_since(group, since, out);
        buf_add_char(out, ',');
    } else {
        EFFECT("drain_row", r = ledger_add_drain(group->supervisor->ledger, group->id, id, err));
        if (r < 0)
            return r;
        (void) fleet_drain(group->fleet, id, REASON_DRAINED, 0);
        buf_add_str(out, "is drained: it gets no new jobs");
    }
    if (running > 0)
        buf_addf(out, " and goes with job%s %s", str_plural(running), buf_str(&jobs));
    else
        buf_add_str(out, " and goes now");
    return 0;
}

static int undrain_instance(const struct named *named, struct buf *out, struct error *err)
{
    struct group *group = named->group;
    const struct fleet_instance *instance = named->instance;
    int r = check_instance(named, err);

    if (r < 0)
        return r;
    EFFECT("undrain_row",
           r = ledger_drop_drain(group->supervisor->ledger, group->id, instance->id, err));
    if (r < 0)
        return r;
    if (fleet_undrain(group->fleet, instance->id))
        buf_addf(out, "instance %s of runner '%s' is not drained any more: it takes jobs again",
                 instance->id, group->runner->name);
    else if (instance->draining != REASON_NONE)
        return error_set(err, -EPERM, "instance %.80s is not drained by an operator: %s",
                         instance->id, fleet_reason_text(instance->draining));
    else
        buf_addf(out, "instance %s of runner '%s' is not drained", instance->id,
                 group->runner->name);
    return 0;
}

/* Its jobs hear the cause; once their workers are done with it, the instance goes as any other. */
static void end_jobs_on(const struct named *named)
{
    for (struct job *job = named->group->supervisor->jobs, *next; job; job = next) {
        next = job->next;
        if (job->group == named->group && job->state >= JOB_ASSIGNED &&
            str_eq(job->instance_id, named->instance->id))
            job_instance_lost(job, fleet_reason_text(REASON_BY_HAND));
    }
}

static int check_removal(const struct named *named, bool force, struct error *err)
{
    const struct group *group = named->group;
    autobuf struct buf jobs = BUF_INIT;
    unsigned running = jobs_on(group, named->instance, &jobs);
    int r;

    if (group->stale)
        return error_set(err, -EPERM, "runner '%.60s': %.180s", group->runner->name,
                         group->provider_error);
    if (strangers_awaited(group->supervisor))
        return error_set(err, -EBUSY,
                         "jobs that run are awaited whose rows were lost with the ledger; until "
                         "they are back nothing is removed");
    if (running > 0 && !force)
        return error_set(
            err, -EBUSY,
            "job%s %s %s on instance %.80s; --force ends %s as a system failure, `flotilla "
            "drain` lets %s end first",
            str_plural(running), buf_str(&jobs), running == 1 ? "runs" : "run", named->instance->id,
            running == 1 ? "it" : "them", running == 1 ? "it" : "them");
    r = check_instance(named, err);
    /* What goes with its last job anyway may go at once. */
    return r == -EALREADY && running > 0 ? 0 : r;
}

static int remove_instance(const struct named *named, bool force, struct buf *out,
                           struct error *err)
{
    struct group *group = named->group;
    autobuf struct buf jobs = BUF_INIT;
    unsigned running = jobs_on(group, named->instance, &jobs);
    int r = check_removal(named, force, err);

    if (r == 0 && named->instance->held_until_ms != 0)
        r = error_set(err, -EBUSY,
                      "instance %.80s is held; `flotilla release %.80s` gives it back first",
                      named->instance->id, named->instance->id);
    if (r < 0)
        return r;
    EFFECT("remove_by_hand", group_mark_removing(group, named->instance->id, REASON_BY_HAND));
    end_jobs_on(named);
    buf_addf(out, "instance %s of runner '%s' is being removed", named->instance->id,
             group->runner->name);
    if (running > 0)
        buf_addf(out, "; job%s %s %s as a system failure", str_plural(running), buf_str(&jobs),
                 running == 1 ? "ends" : "end");
    return 0;
}

/* Requests. */

enum verb { VERB_DRAIN, VERB_UNDRAIN, VERB_REMOVE, VERB_HOLD, VERB_RELEASE };

static int find_named(struct supervisor *supervisor, enum verb verb,
                      const struct operator_name *name, struct hold_place *ret, struct error *err)
{
    if (verb == VERB_HOLD || verb == VERB_RELEASE)
        return hold_find(supervisor, name, ret, err);
    return name_find(supervisor, name, &ret->named, err);
}

static int carry_out(struct supervisor *supervisor, enum verb verb, json_t *request,
                     struct named *ret, struct buf *out, struct error *err)
{
    struct operator_name name;
    struct hold_place place = { 0 };
    bool force = false;
    int r = name_of_request(request, true, &name, err);

    if (r == 0)
        r = json_opt_bool(request, "force", &force, err);
    if (r == 0 && supervisor->stopping)
        r = error_set(err, -ESHUTDOWN, "the manager is stopping and changes nothing any more");
    if (r == 0)
        r = find_named(supervisor, verb, &name, &place, err);
    if (r != 0)
        return r;
    *ret = place.named;
    switch (verb) {
    case VERB_HOLD:
        return hold_by_hand(&place, request, out, err);
    case VERB_RELEASE:
        return hold_release(ret, out, err);
    case VERB_DRAIN:
        return ret->instance ? drain_instance(ret, out, err) : drain_runner(ret->group, out, err);
    case VERB_UNDRAIN:
        return ret->instance ? undrain_instance(ret, out, err)
                             : undrain_runner(ret->group, out, err);
    case VERB_REMOVE:
        break;
    }
    if (!ret->instance)
        return error_set(err, -EINVAL,
                         "'%.80s' is a runner; only an instance can be removed, and `flotilla "
                         "drain` lets go of all that a runner has",
                         ret->group->runner->name);
    return remove_instance(ret, force, out, err);
}

static json_t *change(struct supervisor *supervisor, enum verb verb, json_t *request)
{
    autobuf struct buf sentence = BUF_INIT;
    struct named named = { 0 };
    struct error err = { 0 };
    int r = carry_out(supervisor, verb, request, &named, &sentence, &err);
    bool done = r == 0 && named.group;
    json_t *answer = json_frame(done ? "done" : "error");

    if (!done) {
        (void) json_add_str(answer, "message", err.message);
        return answer;
    }
    log_notice("an operator's command: %s", buf_str(&sentence));
    (void) json_add_str(answer, "runner", named.group->runner->name);
    if (named.instance)
        (void) json_add_str(answer, "instance", named.instance->id);
    (void) json_add_str(answer, "sentence", buf_str(&sentence));
    supervisor_evaluate_soon(supervisor);
    return answer;
}

json_t *operator_drain(struct supervisor *supervisor, json_t *request)
{
    return change(supervisor, VERB_DRAIN, request);
}

json_t *operator_undrain(struct supervisor *supervisor, json_t *request)
{
    return change(supervisor, VERB_UNDRAIN, request);
}

json_t *operator_remove(struct supervisor *supervisor, json_t *request)
{
    return change(supervisor, VERB_REMOVE, request);
}

json_t *operator_hold(struct supervisor *supervisor, json_t *request)
{
    return change(supervisor, VERB_HOLD, request);
}

json_t *operator_release(struct supervisor *supervisor, json_t *request)
{
    return change(supervisor, VERB_RELEASE, request);
}

/* After a restart, and for instances that come back. */

int operator_restore(struct group *group, struct error *err)
{
    struct ledger *ledger = group->supervisor->ledger;
    int64_t since = 0;
    int r = ledger_find_drain(ledger, group->id, "", &since, err);

    group->drained = r == 1;
    fleet_set_drained(group->fleet, group->drained);
    if (group->drained)
        log_notice("runner '%s' is drained by an operator: it asks for no job until `flotilla "
                   "undrain`",
                   group->runner->name);
    for (size_t i = 0; r >= 0 && i < fleet_instance_count(group->fleet); i++) {
        const char *id = fleet_instance_at(group->fleet, i)->id;

        r = ledger_find_drain(ledger, group->id, id, &since, err);
        if (r == 1)
            (void) fleet_drain(group->fleet, id, REASON_DRAINED, 0);
    }
    return MIN(r, 0);
}

void operator_on_appeared(struct group *group, const struct fleet_instance *instance)
{
    struct error err = { 0 };

    if (operator_drained_since(group, instance->id) == 0)
        return;
    if (!instance->anew)
        (void) fleet_drain(group->fleet, instance->id, REASON_DRAINED, 0);
    else if (ledger_drop_drain(group->supervisor->ledger, group->id, instance->id, &err) < 0)
        supervisor_fatal(group->supervisor, "forgetting a drain", &err);
}

void operator_on_adopted(struct job *job)
{
    const struct fleet_instance *instance = fleet_find(job->group->fleet, job->instance_id);

    if (instance && instance->removing && instance->remove_reason == REASON_BY_HAND)
        job_instance_lost(job, fleet_reason_text(REASON_BY_HAND));
}
