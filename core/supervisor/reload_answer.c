/* core/supervisor/reload_answer.c - the difference that a configuration makes, for `flotilla reload`: its
 * settings, and the instances that it would add or remove (docs/design/processes.md "Control socket"). */
#include "core/supervisor/reload.h"

#include "core/base/json.h"
#include "core/base/str.h"

bool reload_is_live(const struct config_change *change)
{
    return change->runner ||
           !(str_eq(change->key, "state_dir") || str_starts(change->key, "session_server"));
}

static void add_removals(json_t *obj, const struct scaler_plan *plan)
{
    json_t *list = json_object_new_array();

    for (size_t i = 0; list && i < plan->n_removals; i++) {
        json_t *item = json_object_new_object();

        (void) json_add_str(item, "id", plan->removals[i].id);
        (void) json_add_str(item, "reason", fleet_reason_name(plan->removals[i].reason));
        (void) json_add_str(item, "reason_text", fleet_reason_text(plan->removals[i].reason));
        (void) json_object_array_add(list, item);
    }
    (void) json_add(obj, "remove", list);
}

static void add_plan(struct reload *reload, const char *runner, const struct scaler_plan *plan)
{
    json_t *obj;

    if (plan->request == 0 && plan->cancel == 0 && plan->n_removals == 0)
        return;
    obj = json_object_new_object();
    if (!obj)
        return;
    (void) json_add_str(obj, "runner", runner);
    (void) json_add_i64(obj, "order", plan->request);
    (void) json_add_i64(obj, "cancel", plan->cancel);
    add_removals(obj, plan);
    (void) json_object_array_add(reload->instances, obj);
}

/* What an entry would ask of a fleet now; false when memory is short. */
static bool read_config(const struct group *group, const struct config_runner *runner,
                        const struct supervisor *supervisor, struct fleet_config *ret)
{
    auto_ptr(policies_free) struct policies *policies = NULL;
    struct fleet_policy policy;
    int64_t until_ms;
    size_t index;

    if (policies_new(&runner->autoscaler, &policies, NULL) < 0)
        return false;
    policy = policies_at(policies, clock_wall_ms(supervisor->timeline.source), &index, &until_ms);
    group_fleet_config(group, &runner->autoscaler, &policy, ret);
    return true;
}

static void plan_group(struct reload *reload, struct group *group,
                       const struct config_runner *runner, bool leaves)
{
    int64_t now = now_wall(reload->supervisor);
    struct scaler_plan plan = { 0 };
    struct fleet_config config;

    if (!group->listed_once || !read_config(group, runner, reload->supervisor, &config))
        return;
    config.drained = leaves || group->drained;
    config.leaving = leaves;
    if (scaler_plan_under(group->fleet, &config, now, (uint64_t) group->id, &plan) == 0)
        add_plan(reload, runner->name, &plan);
    scaler_plan_done(&plan);
}

/* An empty fleet; what its group of the cloud holds already is not known. */
static void plan_new(struct reload *reload, const struct config_runner *runner)
{
    const struct group nobody = { 0 };
    struct scaler_plan plan = { 0 };
    struct fleet *fleet = NULL;
    struct fleet_config config;

    if (read_config(&nobody, runner, reload->supervisor, &config) &&
        fleet_new(&config, &fleet) == 0 &&
        scaler_plan(fleet, now_wall(reload->supervisor), 0, &plan) == 0)
        add_plan(reload, runner->name, &plan);
    scaler_plan_done(&plan);
    fleet_free(fleet);
}

bool reload_names(const struct config *config, const struct group *group)
{
    bool named = false;

    for (size_t i = 0; i < config->n_runners && !named; i++) {
        autofree char *key = config_group_key(&config->runners[i]);

        named = str_eq(key, group->ledger_key) && !group->closing;
    }
    return named;
}

void reload_plan(struct reload *reload)
{
    struct supervisor *supervisor = reload->supervisor;
    const struct config *config = reload->config;

    for (size_t i = 0; i < config->n_runners; i++) {
        struct group *group = groups_find(supervisor, &config->runners[i]);

        if (group)
            plan_group(reload, group, &config->runners[i], false);
        else
            plan_new(reload, &config->runners[i]);
    }
    for (size_t i = 0; i < supervisor->n_groups; i++)
        if (!reload_names(config, supervisor->groups[i]))
            plan_group(reload, supervisor->groups[i], supervisor->groups[i]->runner, true);
}

static json_t *describe_change(const struct config_change *change)
{
    json_t *obj = json_object_new_object();
    autobuf struct buf text = BUF_INIT;

    if (!obj)
        return NULL;
    config_change_text(change, &text);
    (void) json_add_str(obj, "runner", change->runner);
    (void) json_add_str(obj, "key", change->key);
    (void) json_add_str(obj, "before", change->before);
    (void) json_add_str(obj, "after", change->after);
    (void) json_add_bool(obj, "live", reload_is_live(change));
    (void) json_add_str(obj, "text", buf_str(&text));
    return obj;
}

json_t *reload_answer(const struct reload *reload)
{
    json_t *answer = json_frame("reload"), *changes = json_object_new_array();

    for (size_t i = 0; changes && i < reload->changes.count; i++)
        (void) json_object_array_add(changes, describe_change(&reload->changes.items[i]));
    if (!answer) {
        json_object_put(changes);
        return NULL;
    }
    (void) json_add_str(answer, "result",
                        reload->refused              ? "refused"
                        : reload->changes.count == 0 ? "unchanged"
                        : reload->dry_run            ? "possible"
                                                     : "applied");
    (void) json_add(answer, "findings", json_object_get(reload->findings));
    (void) json_add(answer, "changes", changes);
    (void) json_add(answer, "instances", json_object_get(reload->instances));
    return answer;
}
