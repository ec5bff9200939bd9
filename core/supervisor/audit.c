/* core/supervisor/audit.c - compares the clouds with the ledger and the fleet, both ways
 * (`flotilla audit`). Each group is asked for a list of its own, beside those of its cycle: the
 * answer is looked at and nothing is taken in, so that the audit changes nothing.
 *
 * What is under way is no difference: an order that has not been seen yet, an instance that is being
 * removed and has gone, a call that was just made. */
#include "core/supervisor/audit.h"

#include <errno.h>
#include <flotilla/provider.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/group_parts.h"

/* A changing call may take two minutes; what has no answer after three is lost. */
#define INTENT_LATE_MS (3 * 60 * 1000)

struct audit {
    struct supervisor *supervisor;
    audit_done_fn done; /* NULL: nobody waits any more */
    void *arg;
    json_t *runners, *differences, *intents;
    size_t awaited;
};

struct audit_turn { /* the list of one group */
    struct audit *audit;
    int64_t group_id;
};

static void add_difference(struct audit *audit, const char *runner, const char *kind,
                           const char *instance, int64_t job_id, const char *fmt, ...)
    PRINTF_LIKE(6, 7);

static void add_difference(struct audit *audit, const char *runner, const char *kind,
                           const char *instance, int64_t job_id, const char *fmt, ...)
{
    json_t *obj = json_object_new_object();
    autobuf struct buf text = BUF_INIT;
    va_list args;

    if (!obj)
        return;
    va_start(args, fmt);
    buf_vaddf(&text, fmt, args);
    va_end(args);
    (void) json_add_str(obj, "kind", kind);
    (void) json_add_str(obj, "runner", runner);
    (void) json_add_str(obj, "instance", instance);
    if (job_id != 0)
        (void) json_add_i64(obj, "job", job_id);
    (void) json_add_str(obj, "sentence", buf_str(&text));
    (void) json_object_array_add(audit->differences, obj);
}

/* `why` NULL: it was asked. */
static void add_runner(struct audit *audit, const char *name, size_t instances, const char *why)
{
    json_t *obj = json_object_new_object();

    if (!obj)
        return;
    (void) json_add_str(obj, "name", name);
    (void) json_add_bool(obj, "asked", !why);
    if (why)
        (void) json_add_str(obj, "error", why);
    else
        (void) json_add_i64(obj, "instances", (int64_t) instances);
    (void) json_object_array_add(audit->runners, obj);
}

/* Ids in order, so that each is found without looking at all. */
struct id_set {
    const char **ids;
    size_t n;
};

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static bool has_id(const struct id_set *set, const char *id)
{
    return set->n > 0 && bsearch(&id, set->ids, set->n, sizeof(*set->ids), compare_ids) != NULL;
}

/* The cloud against the fleet. */

struct group_look {
    struct audit *audit;
    const struct group *group;
    const char *runner;
    uint32_t ordered; /* that many unknown ones may be what was ordered */
};

static void look_at_unknown(struct group_look *look, const struct fleet_listed *listed)
{
    struct ledger_instance row = { 0 };
    const struct group *group = look->group;
    int known = ledger_find_former(group->supervisor->ledger, group->id, listed->id, &row, NULL);

    if (known == 1 && row.group_id != group->id)
        add_difference(look->audit, look->runner, "foreign", listed->id, 0,
                       "instance %s is in the cloud and belongs to another runner entry by the "
                       "ledger",
                       listed->id);
    else if (known == 1)
        add_difference(look->audit, look->runner, "unknown", listed->id, 0,
                       "instance %s is in the cloud and gone by the ledger", listed->id);
    else if (look->ordered > 0)
        look->ordered--;
    else
        add_difference(look->audit, look->runner, "unknown", listed->id, 0,
                       "instance %s is in the cloud and not in the ledger", listed->id);
}

static const char *origin_of(enum instance_cause cause)
{
    return cause == CAUSE_UNEXPECTED
               ? "nobody here ordered it; it gets jobs as any other"
               : "it was there before this manager and is not trusted; it gets no jobs";
}

static void look_at_listed(struct group_look *look, const struct fleet_listed *listed)
{
    const struct fleet_instance *instance = fleet_find(look->group->fleet, listed->id);

    if (listed->state == INSTANCE_DELETED || listed->state == INSTANCE_TIMEOUT)
        return;
    if (!instance) {
        look_at_unknown(look, listed);
        return;
    }
    if (instance->cause == CAUSE_FOREIGN)
        add_difference(look->audit, look->runner, "foreign", listed->id, 0,
                       "instance %s is in the cloud and belongs to another runner entry by the "
                       "ledger; it gets no jobs and is not removed",
                       listed->id);
    else if (instance->cause != CAUSE_REQUESTED)
        add_difference(look->audit, look->runner, "unexpected", listed->id, 0,
                       "instance %s is unexpected: %s", listed->id, origin_of(instance->cause));
    if (instance->state != listed->state && !instance->removing)
        add_difference(look->audit, look->runner, "state", listed->id, 0,
                       "instance %s is %s in the cloud and %s in the ledger", listed->id,
                       instance_state_name(listed->state), instance_state_name(instance->state));
}

static void look_for_missing(struct group_look *look, const struct id_set *listed)
{
    const struct fleet *fleet = look->group->fleet;

    for (size_t i = 0; i < fleet_instance_count(fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(fleet, i);

        if (!instance->removing && instance->cause != CAUSE_FOREIGN &&
            !has_id(listed, instance->id))
            add_difference(look->audit, look->runner, "missing", instance->id, 0,
                           "instance %s is in the ledger and not in the cloud", instance->id);
    }
}

static void look_at_jobs(struct group_look *look, const struct id_set *listed)
{
    for (const struct job *job = look->group->supervisor->jobs; job; job = job->next)
        if (job->group == look->group &&
            (job->state == JOB_ASSIGNED || job->state == JOB_RUNNING) &&
            !has_id(listed, job->instance_id))
            add_difference(look->audit, look->runner, "job", job->instance_id, job->job_id,
                           "job %" PRId64 " runs on instance %s, which is not in the cloud",
                           job->job_id, job->instance_id);
}

/* What makes its VMs is not asked: this is what the gate has still to find out. */
static void look_for_doubts(struct group_look *look)
{
    const struct fleet *fleet = look->group->fleet;

    for (size_t i = 0; i < fleet_instance_count(fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(fleet, i);

        if (instance->in_doubt && !instance->removing)
            add_difference(look->audit, look->runner, "vm", instance->id, 0,
                           "instance %s may have a VM that no job has; it gets no jobs until that "
                           "has been looked at",
                           instance->id);
    }
}

/* The ledger against the fleet: what one remembers the other must hold. */

struct row_look {
    struct group_look *look;
    char **ids;
    size_t n;
    int r;
};

static void remember_row(struct row_look *rows, const char *id)
{
    char **grown = mem_resize(rows->ids, rows->n + 1, sizeof(*grown));

    if (grown)
        rows->ids = grown;
    if (!grown || !(grown[rows->n] = mem_strdup(id)))
        rows->r = -ENOMEM;
    else
        rows->n++;
}

static void look_at_row(void *arg, const struct ledger_instance *row)
{
    struct row_look *rows = arg;
    struct group_look *look = rows->look;
    const struct fleet_instance *instance = fleet_find(look->group->fleet, row->id);

    remember_row(rows, row->id);
    if (!instance)
        add_difference(look->audit, look->runner, "ledger", row->id, 0,
                       "instance %s has a row in the ledger and is not in the fleet", row->id);
    else if (row->uses != instance->uses || row->state != (int) instance->state ||
             (row->life == LIFE_REMOVING) != instance->removing)
        add_difference(look->audit, look->runner, "ledger", row->id, 0,
                       "instance %s: the ledger has it as %s, used %" PRId64
                       " time%s%s, the fleet as %s, used %u time%s%s",
                       row->id, instance_state_name((enum instance_state) row->state), row->uses,
                       str_plural((uint64_t) row->uses),
                       row->life == LIFE_REMOVING ? ", being removed" : "",
                       instance_state_name(instance->state), instance->uses,
                       str_plural(instance->uses), instance->removing ? ", being removed" : "");
}

static int look_at_rows(struct group_look *look, struct error *err)
{
    const struct group *group = look->group;
    struct row_look rows = { .look = look };
    int r = ledger_each_instance(group->supervisor->ledger, group->id, look_at_row, &rows, err);
    struct id_set known = { (const char **) rows.ids, rows.n };

    if (r == 0 && rows.r < 0)
        r = error_set(err, rows.r, "out of memory");
    if (rows.n > 0)
        qsort(rows.ids, rows.n, sizeof(*rows.ids), compare_ids);
    for (size_t i = 0; r == 0 && i < fleet_instance_count(group->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(group->fleet, i);

        if (instance->cause != CAUSE_FOREIGN && !has_id(&known, instance->id))
            add_difference(look->audit, look->runner, "ledger", instance->id, 0,
                           "instance %s is in the fleet and has no row in the ledger",
                           instance->id);
    }
    for (size_t i = 0; i < rows.n; i++)
        free(rows.ids[i]);
    free(rows.ids);
    return r;
}

static void look_at_intent(void *arg, const struct ledger_intent *intent)
{
    struct group_look *look = arg;
    int64_t age_ms = now_wall(look->group->supervisor) - intent->created_ms;
    json_t *obj;

    if (intent->state != INTENT_OPEN)
        return;
    obj = json_object_new_object();
    if (obj) {
        (void) json_add_str(obj, "runner", look->runner);
        (void) json_add_str(obj, "request_id", intent->request_id);
        (void) json_add_str(obj, "kind", intent->kind);
        (void) json_add_i64(obj, "count", intent->count);
        (void) json_add_i64(obj, "age_ms", age_ms);
        (void) json_object_array_add(look->audit->intents, obj);
    }
    if (age_ms >= INTENT_LATE_MS)
        add_difference(look->audit, look->runner, "intent", NULL, 0,
                       "the call to %s %" PRId64 " instance%s (%s) has had no answer for %" PRId64
                       " minutes",
                       intent->kind, intent->count, str_plural((uint64_t) intent->count),
                       intent->request_id, age_ms / 60000);
}

static int compare_group(struct audit *audit, const struct group *group, json_t *reply,
                         struct error *err)
{
    struct group_look look = { .audit = audit,
                               .group = group,
                               .runner = group->runner->name,
                               .ordered = fleet_pending(group->fleet) +
                                          (*group->increase_id ? group->increase_n : 0) };
    autofree struct fleet_listed *listed = NULL;
    autofree const char **ids = NULL;
    struct id_set set;
    size_t n = 0;
    int r = group_read_list(reply, &listed, &n, err);

    if (r < 0)
        return r;
    ids = mem_array(n + 1, sizeof(*ids));
    if (!ids)
        return error_set(err, -ENOMEM, "out of memory");
    set = (struct id_set) { ids, n };
    for (size_t i = 0; i < n; i++)
        ids[i] = listed[i].id;
    qsort(ids, n, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < n; i++)
        look_at_listed(&look, &listed[i]);
    look_for_missing(&look, &set);
    look_at_jobs(&look, &set);
    look_for_doubts(&look);
    r = look_at_rows(&look, err);
    if (r == 0)
        r = ledger_each_late_intent(group->supervisor->ledger, group->id, INT64_MAX, look_at_intent,
                                    &look, err);
    if (r == 0)
        add_runner(audit, look.runner, n, NULL);
    return r;
}

/* Instances that no entry of the configuration sees to. */
static void look_at_ownerless(void *arg, const struct ledger_instance *row)
{
    struct audit *audit = arg;

    if (!supervisor_find_group(audit->supervisor, row->group_id))
        add_difference(audit, "", "ownerless", row->id, 0,
                       "instance %s is in the ledger for a runner entry that is not in the "
                       "configuration: nothing sees to it",
                       row->id);
}

static void finish(struct audit *audit)
{
    struct supervisor *supervisor = audit->supervisor;
    autojson json_t *answer = json_frame("audit");
    struct error err = { 0 };

    if (ledger_each_living_instance(supervisor->ledger, look_at_ownerless, audit, &err) < 0)
        add_runner(audit, "", 0, err.message);
    supervisor->audit = NULL;
    (void) json_add_i64(answer, "now_ms", now_wall(supervisor));
    (void) json_add(answer, "runners", audit->runners);
    (void) json_add(answer, "differences", audit->differences);
    (void) json_add(answer, "intents", audit->intents);
    if (audit->done && answer)
        audit->done(audit->arg, answer);
    free(audit);
}

static void end_turn(struct audit *audit)
{
    if (--audit->awaited == 0)
        finish(audit);
}

static void on_audited(void *arg, int code, const char *message, int64_t retry_after_ms,
                       json_t *reply)
{
    autofree struct audit_turn *turn = arg;
    struct audit *audit = turn->audit;
    const struct group *group = supervisor_find_group(audit->supervisor, turn->group_id);
    struct error err = { 0 };

    (void) retry_after_ms;
    if (!group)
        add_runner(audit, "", 0, "a runner entry left the configuration meanwhile");
    else if (code == FLT_E_PARTIAL)
        add_runner(audit, group->runner->name, 0, "the provider's list is not complete");
    else if (code != 0 || !reply)
        add_runner(audit, group->runner->name, 0, message);
    else if (compare_group(audit, group, reply, &err) < 0)
        add_runner(audit, group->runner->name, 0, err.message);
    end_turn(audit);
}

static const char *why_not(const struct group *group)
{
    return *group->provider_error ? group->provider_error
                                  : "its instance group has not answered yet";
}

/* False where there is nobody to be asked. */
static bool ask_group(struct audit *audit, struct group *group)
{
    struct audit_turn *turn = mem_zero(sizeof(*turn));

    if (turn)
        *turn = (struct audit_turn) { audit, group->id };
    if (turn && group->usable && group->listed_once &&
        group_call(group, json_frame("list"), GROUP_LIST_DEADLINE_MS, on_audited, turn) == 0)
        return true;
    free(turn);
    add_runner(audit, group->runner->name, 0, why_not(group));
    return false;
}

int audit_start(struct supervisor *supervisor, audit_done_fn done, void *arg, struct error *err)
{
    struct audit *audit;

    if (supervisor->audit)
        return error_set(err, -EBUSY, "an audit is under way; ask again when it has ended");
    if (supervisor->stopping)
        return error_set(err, -ESHUTDOWN, "the manager is stopping");
    audit = mem_zero(sizeof(*audit));
    if (!audit)
        return error_set(err, -ENOMEM, "audit: out of memory");
    *audit = (struct audit) { .supervisor = supervisor,
                              .done = done,
                              .arg = arg,
                              .runners = json_object_new_array(),
                              .differences = json_object_new_array(),
                              .intents = json_object_new_array(),
                              .awaited = 1 };
    if (!audit->runners || !audit->differences || !audit->intents) {
        json_object_put(audit->runners);
        json_object_put(audit->differences);
        json_object_put(audit->intents);
        free(audit);
        return error_set(err, -ENOMEM, "audit: out of memory");
    }
    supervisor->audit = audit;
    for (size_t i = 0; i < supervisor->n_groups; i++)
        audit->awaited += ask_group(audit, supervisor->groups[i]);
    end_turn(audit); /* no answer comes before its call has returned */
    return 0;
}

void audit_forget(struct supervisor *supervisor, const void *arg)
{
    if (supervisor->audit && supervisor->audit->arg == arg)
        supervisor->audit->done = NULL;
}
