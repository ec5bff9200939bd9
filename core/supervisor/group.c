/* core/supervisor/group.c - one instance group: carries out what the scaler decides, through the
 * provider, and keeps fleet and ledger true to what the provider lists.
 *
 * group_evaluate() is the whole cycle of autoscaler.md 10.1: hand out slots, plan, remove, list,
 * grow, ask for jobs. It is called on every change and on the tick and starts whatever is due. */
#include "core/supervisor/internal.h"

#include <flotilla/provider.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/group_setup.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define LIST_DEADLINE_MS 60000
#define CHANGE_DEADLINE_MS 120000
#define CONNECT_DEADLINE_MS 60000
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS (5 * 60 * 1000)
#define DECREASE_BATCH 100

static const struct config_autoscaler *settings(const struct group *group)
{
    return &group->runner->autoscaler;
}

static void persist_instance(struct group *group, const struct fleet_instance *instance,
                             enum ledger_life life)
{
    struct ledger_instance row = { .group_id = group->id,
                                   .life = life,
                                   .state = (int) instance->state,
                                   .cause = (int) instance->cause,
                                   .uses = instance->uses,
                                   .first_seen_ms = instance->first_seen_ms,
                                   .ready_ms = instance->ready_ms,
                                   .idle_since_ms = instance->idle_since_ms,
                                   .gone_ms = life == LIFE_GONE ? now_wall(group->supervisor) : 0 };
    struct error err = { 0 };
    int r;

    (void) str_copy(row.id, sizeof(row.id), instance->id);
    (void) str_copy(row.remove_reason, sizeof(row.remove_reason),
                    instance->removing ? fleet_reason_name(instance->remove_reason) : "");
    EFFECT("instance_row", r = ledger_put_instance(group->supervisor->ledger, &row, &err));
    if (r < 0)
        supervisor_fatal(group->supervisor, "storing an instance", &err);
}

void group_mark_removing(struct group *group, const char *id, enum fleet_reason reason)
{
    const struct fleet_instance *instance = fleet_find(group->fleet, id);

    if (!instance || instance->removing)
        return;
    fleet_mark_removing(group->fleet, id, reason);
    instance = fleet_find(group->fleet, id);
    if (!instance)
        return;
    log_info("instance marked for removal: %s of runner '%s', reason %s", id, group->runner->name,
             fleet_reason_name(reason));
    persist_instance(group, instance, LIFE_REMOVING);
    supervisor_emit(group->supervisor, EVENT_INSTANCE_REMOVING, group, id, NULL,
                    fleet_reason_name(reason));
}

/* Lists. */

struct list_turn {
    struct group *group;
    struct {
        int64_t seq;
        enum fleet_reason reason;
    } * lost;
    size_t n_lost;
};

/* Jobs of an instance that went are told after the fleet is done with the list. */
static void note_lost_jobs(struct list_turn *turn, const struct fleet_change *change)
{
    const struct fleet_instance *instance = change->instance;
    void *grown;

    for (uint32_t i = 0; i < instance->n_slots; i++) {
        if (instance->slots[i].seq == 0)
            continue;
        grown = mem_resize(turn->lost, turn->n_lost + 1, sizeof(*turn->lost));
        if (!grown)
            return; /* the job's own connection tells it soon enough */
        turn->lost = grown;
        turn->lost[turn->n_lost].seq = instance->slots[i].seq;
        turn->lost[turn->n_lost++].reason = change->reason;
    }
}

static void on_change(void *arg, const struct fleet_change *change)
{
    struct list_turn *turn = arg;
    struct group *group = turn->group;
    const struct fleet_instance *instance = change->instance;

    switch (change->kind) {
    case CHANGE_APPEARED:
        log_info("instance discovery: %s of runner '%s', state %s", instance->id,
                 group->runner->name, instance_state_name(instance->state));
        persist_instance(group, instance, instance->removing ? LIFE_REMOVING : LIFE_PRESENT);
        supervisor_emit(group->supervisor, EVENT_INSTANCE_APPEARED, group, instance->id, NULL,
                        instance_state_name(instance->state));
        break;
    case CHANGE_STATE:
        log_info("instance update: %s, state %s", instance->id,
                 instance_state_name(instance->state));
        persist_instance(group, instance, instance->removing ? LIFE_REMOVING : LIFE_PRESENT);
        break;
    case CHANGE_GONE:
        log_info("instance pruned: %s of runner '%s', %s", instance->id, group->runner->name,
                 fleet_reason_name(change->reason));
        note_lost_jobs(turn, change);
        persist_instance(group, instance, LIFE_GONE);
        supervisor_emit(group->supervisor, EVENT_INSTANCE_GONE, group, instance->id, NULL,
                        fleet_reason_name(change->reason));
        break;
    case CHANGE_PENDING_EXPIRED:
        log_warning("runner '%s': %u ordered instances never appeared, given up",
                    group->runner->name, change->count);
        break;
    }
}

/* No ready gate yet: what the cloud calls running may take jobs (autoscaler.md 9.1). */
static void mark_running_ready(struct group *group)
{
    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(group->fleet, i);

        if (instance->state != INSTANCE_RUNNING || instance->ready || instance->removing)
            continue;
        fleet_mark_ready(group->fleet, instance->id, now_wall(group->supervisor));
        persist_instance(group, instance, LIFE_PRESENT);
        supervisor_emit(group->supervisor, EVENT_INSTANCE_READY, group, instance->id, NULL, "");
    }
}

static int read_list(json_t *reply, struct fleet_listed **ret, size_t *ret_n, struct error *err)
{
    autofree struct fleet_listed *listed = NULL;
    json_t *array = NULL;
    size_t n;
    int r;

    r = json_opt_array(reply, "instances", &array, err);
    if (r < 0)
        return r;
    n = array ? json_object_array_length(array) : 0;
    listed = mem_array(n + 1, sizeof(*listed));
    if (!listed)
        return error_set(err, -ENOMEM, "list: out of memory");
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_object_array_get_idx(array, i);
        int64_t state = 0;

        r = json_need_str(item, "id", &listed[i].id, err);
        if (r == 0)
            r = json_need_i64(item, "state", INSTANCE_CREATING, INSTANCE_RESUMING, &state, err);
        if (r < 0)
            return error_wrap(err, r, "list");
        listed[i].state = (enum instance_state) state;
    }
    *ret = take_ptr(listed);
    *ret_n = n;
    return 0;
}

/* Orders of a former run whose answer was lost are settled by what the complete lists show (R5). */
static void resolve_old_intents(struct group *group);

static void take_list(struct group *group, int code, json_t *reply)
{
    autofree struct fleet_listed *listed = NULL;
    struct list_turn turn = { .group = group };
    struct error err = { 0 };
    bool complete = code == 0;
    size_t n = 0;

    if (read_list(reply, &listed, &n, &err) < 0 ||
        fleet_on_list(group->fleet, now_wall(group->supervisor), listed, n, complete, on_change,
                      &turn, &err) < 0) {
        (void) str_copy(group->list_error, sizeof(group->list_error), err.message);
        log_error("reconcile: runner '%s': %s; the list is ignored", group->runner->name,
                  err.message);
        free(turn.lost);
        return;
    }
    mark_running_ready(group);
    for (size_t i = 0; i < turn.n_lost; i++) {
        struct job *job = job_find(group->supervisor, turn.lost[i].seq);

        if (job)
            job_instance_lost(job, fleet_reason_name(turn.lost[i].reason));
    }
    free(turn.lost);
    if (complete) {
        group->list_error[0] = '\0';
        group->lists_complete++;
        group->listed_once = true;
        if (group->lists_complete == 1)
            resolve_old_intents(group);
    }
}

static void on_listed(void *arg, int code, const char *message, int64_t retry_after_ms,
                      json_t *reply)
{
    struct group *group = arg;
    const struct config_autoscaler *autoscaler = settings(group);

    group->list_busy = false;
    effect_point("provider_list", "after");
    if (reply && (code == 0 || code == FLT_E_PARTIAL)) {
        take_list(group, code, reply);
    } else if (code != FLT_E_CANCELLED) {
        if (!str_eq(group->list_error, message))
            log_error("reconcile: runner '%s': %s", group->runner->name, message);
        (void) str_copy(group->list_error, sizeof(group->list_error), message);
    }
    group->next_list_mono = now_mono(group->supervisor) +
                            MAX(retry_after_ms, fleet_expecting(group->fleet)
                                                    ? autoscaler->update_interval_when_expecting_ms
                                                    : autoscaler->update_interval_ms);
    supervisor_evaluate_soon(group->supervisor);
}

static int call(struct group *group, json_t *request, int64_t deadline_ms, provider_reply_fn fn,
                void *arg)
{
    struct error err = { 0 };
    int r;

    if (!request)
        return -ENOMEM;
    r = provider_client_call(group->provider, request, deadline_ms, fn, arg, &err);
    if (r < 0)
        log_error("runner '%s': the provider cannot be called: %s", group->runner->name,
                  err.message);
    return r;
}

static void start_list(struct group *group)
{
    int64_t now = now_mono(group->supervisor);
    const struct config_autoscaler *autoscaler = settings(group);

    /* Something new to expect must not wait for the slow interval that was set before it. */
    if (fleet_expecting(group->fleet) &&
        group->next_list_mono > now + autoscaler->update_interval_when_expecting_ms)
        group->next_list_mono = now + autoscaler->update_interval_when_expecting_ms;
    if (group->list_busy || group->increase_busy || now < group->next_list_mono)
        return;
    effect_point("provider_list", "before");
    group->list_busy = call(group, json_frame("list"), LIST_DEADLINE_MS, on_listed, group) == 0;
}

/* Growing. */

static void note_growth_failure(struct group *group, const char *message, int64_t retry_after_ms)
{
    group->growth_backoff_ms = group->growth_backoff_ms
                                   ? MIN(group->growth_backoff_ms * 2, BACKOFF_MAX_MS)
                                   : BACKOFF_MIN_MS;
    group->next_increase_mono =
        now_mono(group->supervisor) + MAX(retry_after_ms, group->growth_backoff_ms);
    if (!str_eq(group->growth_error, message))
        log_error("increasing instances: runner '%s': %s; trying again in %" PRId64 " ms",
                  group->runner->name, message, MAX(retry_after_ms, group->growth_backoff_ms));
    (void) str_copy(group->growth_error, sizeof(group->growth_error), message);
}

/* Whether the cloud acted is unknown: the same request is made again under its own id. */
static bool outcome_unknown(int code)
{
    return code == FLT_E_UNAVAILABLE || code == FLT_E_TIMEOUT || code == FLT_E_CANCELLED ||
           code == FLT_E_INTERNAL || code == FLT_E_THROTTLED;
}

static void on_increased(void *arg, int code, const char *message, int64_t retry_after_ms,
                         json_t *reply)
{
    struct group *group = arg;
    struct supervisor *supervisor = group->supervisor;
    struct error err = { 0 };
    int64_t accepted = 0;

    group->increase_busy = false;
    effect_point("provider_increase", "after");
    if (outcome_unknown(code)) {
        if (code != FLT_E_CANCELLED)
            note_growth_failure(group, message, retry_after_ms);
        return;
    }
    if (reply)
        (void) json_opt_i64(reply, "accepted", 0, UINT32_MAX, &accepted, NULL);
    if (accepted > group->increase_n) {
        log_error("increasing instances response: the provider claims %" PRId64
                  " of %u asked for, taken as %u",
                  accepted, group->increase_n, group->increase_n);
        accepted = group->increase_n;
    }
    if (ledger_end_intent(supervisor->ledger, group->increase_id,
                          code == 0 ? INTENT_DONE : INTENT_FAILED, accepted, message, &err) < 0) {
        supervisor_fatal(supervisor, "ending an intent", &err);
        return;
    }
    log_info("increasing instances response: runner '%s', requested %u, accepted %" PRId64,
             group->runner->name, group->increase_n, accepted);
    fleet_on_increase(group->fleet, now_wall(supervisor), group->increase_n, (uint32_t) accepted);
    if (code != 0 || accepted < group->increase_n) {
        note_growth_failure(group, code != 0 ? message : "fewer instances than asked for",
                            retry_after_ms);
    } else {
        group->growth_backoff_ms = 0;
        group->growth_error[0] = '\0';
    }
    if (code == FLT_E_STALE) {
        group->usable = false;
        (void) str_copy(group->provider_error, sizeof(group->provider_error), message);
        log_error("runner '%s': %s; nothing is changed in this group any more", group->runner->name,
                  message);
        group_refuse(group, message);
    }
    group->increase_id[0] = '\0';
    group->next_list_mono = now_mono(supervisor);
    supervisor_evaluate_soon(supervisor);
}

static bool begin_intent(struct group *group, const char *kind, uint32_t n, json_t *ids,
                         char request_id[UUID_SIZE])
{
    struct ledger_intent intent = { .group_id = group->id,
                                    .epoch = group->epoch,
                                    .count = n,
                                    .ids = ids ? json_text(ids) : NULL,
                                    .created_ms = now_wall(group->supervisor) };
    struct error err = { 0 };

    rng_uuid(group->supervisor->rng, request_id);
    (void) str_copy(intent.request_id, sizeof(intent.request_id), request_id);
    (void) str_copy(intent.kind, sizeof(intent.kind), kind);
    if (ledger_add_intent(group->supervisor->ledger, &intent, &err) == 0)
        return true;
    supervisor_fatal(group->supervisor, "storing an intent", &err);
    return false;
}

static json_t *change_request(struct group *group, const char *type, const char *request_id)
{
    json_t *request = json_frame(type);

    if (request) {
        (void) json_add_str(request, "request_id", request_id);
        (void) json_add_i64(request, "epoch", group->epoch);
    }
    return request;
}

static void start_increase(struct group *group)
{
    json_t *request;

    if (group->increase_busy || group->list_busy || !group->listed_once ||
        now_mono(group->supervisor) < group->next_increase_mono)
        return;
    if (!*group->increase_id) {
        group->increase_n = fleet_requested(group->fleet);
        if (group->increase_n == 0 ||
            !begin_intent(group, "increase", group->increase_n, NULL, group->increase_id))
            return;
        log_info("increasing instances: runner '%s', amount %u", group->runner->name,
                 group->increase_n);
    }
    request = change_request(group, "increase", group->increase_id);
    if (request)
        (void) json_add_i64(request, "n", group->increase_n);
    effect_point("provider_increase", "before");
    group->increase_busy = call(group, request, CHANGE_DEADLINE_MS, on_increased, group) == 0;
}

static void count_old_intent(void *arg, const struct ledger_intent *intent)
{
    struct group *group = arg;

    if (str_eq(intent->kind, "increase"))
        fleet_restore_pending(group->fleet, (uint32_t) intent->count,
                              now_wall(group->supervisor) - group_pending_limit_ms() +
                                  group_intent_grace_ms(group));
}

void group_restore_intents(struct group *group)
{
    struct error err = { 0 };

    if (ledger_each_open_intent(group->supervisor->ledger, group->id, count_old_intent, group,
                                &err) < 0)
        supervisor_fatal(group->supervisor, "reading intents", &err);
}

struct intent_ids {
    char (*ids)[UUID_SIZE];
    size_t n;
};

static void collect_intent(void *arg, const struct ledger_intent *intent)
{
    struct intent_ids *list = arg;
    void *grown = mem_resize(list->ids, list->n + 1, sizeof(*list->ids));

    if (!grown)
        return;
    list->ids = grown;
    (void) str_copy(list->ids[list->n++], UUID_SIZE, intent->request_id);
}

static void resolve_old_intents(struct group *group)
{
    struct intent_ids list = { 0 };
    struct error err = { 0 };
    int r =
        ledger_each_open_intent(group->supervisor->ledger, group->id, collect_intent, &list, &err);

    for (size_t i = 0; r == 0 && i < list.n; i++)
        if (!str_eq(list.ids[i], group->increase_id))
            r = ledger_end_intent(group->supervisor->ledger, list.ids[i], INTENT_RESOLVED, 0,
                                  "settled by listing after a restart", &err);
    free(list.ids);
    if (r < 0)
        supervisor_fatal(group->supervisor, "settling intents", &err);
}

/* Shrinking. */

struct decrease_turn {
    struct group *group;
    char request_id[UUID_SIZE];
};

static void on_decreased(void *arg, int code, const char *message, int64_t retry_after_ms,
                         json_t *reply)
{
    autofree struct decrease_turn *turn = arg;
    struct group *group = turn->group;
    struct supervisor *supervisor = group->supervisor;
    struct error err = { 0 };
    json_t *accepted = NULL;
    size_t n = 0;

    group->decrease_busy = false;
    effect_point("provider_decrease", "after");
    if (reply)
        (void) json_opt_array(reply, "accepted", &accepted, NULL);
    for (size_t i = 0; accepted && i < json_object_array_length(accepted); i++, n++)
        fleet_on_removal_accepted(group->fleet,
                                  json_object_get_string(json_object_array_get_idx(accepted, i)),
                                  now_wall(supervisor));
    if (code != 0) {
        if (code != FLT_E_CANCELLED)
            log_error("decreasing instances: runner '%s': %s, retrying", group->runner->name,
                      message);
        group->next_decrease_mono = now_mono(supervisor) + MAX(retry_after_ms, BACKOFF_MIN_MS);
    }
    /* Removal is by id and may be repeated, so a lost answer needs no settling. */
    if (ledger_end_intent(supervisor->ledger, turn->request_id,
                          code == 0 ? INTENT_DONE : INTENT_FAILED, (int64_t) n, message,
                          &err) < 0) {
        supervisor_fatal(supervisor, "ending an intent", &err);
        return;
    }
    group->next_list_mono = now_mono(supervisor);
    supervisor_evaluate_soon(supervisor);
}

static void start_decrease(struct group *group)
{
    const char *ids[DECREASE_BATCH];
    struct decrease_turn *turn;
    json_t *array, *request;
    size_t n;

    if (group->decrease_busy || now_mono(group->supervisor) < group->next_decrease_mono)
        return;
    n = fleet_removable(group->fleet, now_wall(group->supervisor),
                        settings(group)->deletion_retry_interval_ms, ids, ARRAY_LEN(ids));
    if (n == 0)
        return;
    turn = mem_zero(sizeof(*turn));
    array = json_object_new_array();
    for (size_t i = 0; array && i < n; i++)
        (void) json_object_array_add(array, json_object_new_string(ids[i]));
    if (!turn || !array) {
        json_object_put(array);
        free(turn);
        return;
    }
    turn->group = group;
    if (!begin_intent(group, "decrease", (uint32_t) n, array, turn->request_id)) {
        json_object_put(array);
        free(turn);
        return;
    }
    log_info("decreasing instances: runner '%s', amount %zu", group->runner->name, n);
    request = change_request(group, "decrease", turn->request_id);
    if (request)
        (void) json_add(request, "ids", array);
    effect_point("provider_decrease", "before");
    group->decrease_busy = call(group, request, CHANGE_DEADLINE_MS, on_decreased, turn) == 0;
    if (!group->decrease_busy)
        free(turn);
}

/* Connecting a job to its instance. */

struct connect_turn {
    struct group *group;
    int64_t seq;
    uv_timer_t timer;
};

static void on_connect_info(void *arg, int code, const char *message, int64_t retry_after_ms,
                            json_t *reply);

static void ask_connect_info(struct connect_turn *turn, const char *instance_id)
{
    json_t *request = json_frame("connect_info");

    if (request)
        (void) json_add_str(request, "instance", instance_id);
    effect_point("provider_connect_info", "before");
    if (call(turn->group, request, CONNECT_DEADLINE_MS, on_connect_info, turn) < 0)
        on_connect_info(turn, FLT_E_INTERNAL, "the provider cannot be called", 0, NULL);
}

static void on_turn_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_turn(struct connect_turn *turn)
{
    uv_close((uv_handle_t *) &turn->timer, on_turn_closed);
}

static void on_connect_retry(uv_timer_t *timer)
{
    struct connect_turn *turn = timer->data;
    struct job *job = job_find(turn->group->supervisor, turn->seq);

    if (job && job->state < JOB_FINISHED && !turn->group->supervisor->stopping)
        ask_connect_info(turn, job->instance_id);
    else
        end_turn(turn);
}

static void on_connect_info(void *arg, int code, const char *message, int64_t retry_after_ms,
                            json_t *reply)
{
    struct connect_turn *turn = arg;
    struct group *group = turn->group;
    struct job *job = job_find(group->supervisor, turn->seq);
    autobuf struct buf line = BUF_INIT;
    autojson json_t *connect = NULL;
    bool late;

    effect_point("provider_connect_info", "after");
    if (!job || job->state >= JOB_FINISHED || code == FLT_E_CANCELLED) {
        end_turn(turn);
        return;
    }
    late = now_mono(group->supervisor) - job->connect_since_mono >=
           settings(group)->connector.timeout_ms;
    if (code != 0 && code != FLT_E_NOT_FOUND && code != FLT_E_UNHEALTHY && !late &&
        !job->cancel_told && !job->abort_told && !*job->lost_reason) {
        (void) uv_timer_start(&turn->timer, on_connect_retry,
                              (uint64_t) MAX(retry_after_ms, BACKOFF_MIN_MS), 0);
        return;
    }
    job->connecting = false;
    end_turn(turn);
    if (job->cancel_told || job->abort_told) {
        job_finish(job, "failed", "job_canceled", 0, "Job failed: canceled");
        return;
    }
    if (code == 0 && !*job->lost_reason)
        connect = group_build_connect(group, reply);
    if (connect) {
        worker_start(job, connect);
        return;
    }
    buf_addf(&line, "Job failed (system failure): instance %s: %s", job->instance_id,
             *job->lost_reason ? job->lost_reason : message);
    group_mark_removing(group, job->instance_id, REASON_UNHEALTHY);
    job_finish(job, "failed", "runner_system_failure", 0, buf_str(&line));
}

void group_connect_info(struct group *group, struct job *job)
{
    struct connect_turn *turn = mem_zero(sizeof(*turn));

    if (!turn) {
        job_finish(job, "failed", "runner_system_failure", 0,
                   "Job failed (system failure): the manager is out of memory");
        return;
    }
    turn->group = group;
    turn->seq = job->seq;
    turn->timer.data = turn;
    (void) uv_timer_init(group->supervisor->loop, &turn->timer);
    job->connecting = true;
    ask_connect_info(turn, job->instance_id);
}

/* The cycle. */

static void hand_out_slots(struct group *group)
{
    const struct fleet_instance *instance;
    uint32_t slot;
    int64_t seq;

    while (fleet_assign_next(group->fleet, now_wall(group->supervisor), &seq, &instance, &slot) ==
           1) {
        struct job *job = job_find(group->supervisor, seq);

        if (job)
            job_assigned(job, instance, slot);
        else
            fleet_release(group->fleet, seq, now_wall(group->supervisor));
    }
}

static void carry_out_plan(struct group *group)
{
    struct scaler_plan plan = { 0 };
    uint32_t unsent;

    if (scaler_plan(group->fleet, now_wall(group->supervisor), (uint64_t) group->id, &plan) < 0) {
        log_error("runner '%s': planning failed: out of memory, retrying", group->runner->name);
        return;
    }
    if (plan.request > 0) {
        char text[512];

        scaler_explain(&plan, text, sizeof(text));
        log_info("required scaling change: runner '%s': %s", group->runner->name, text);
        fleet_request(group->fleet, plan.request);
    }
    /* An order that was sent cannot be taken back. */
    unsent = fleet_requested(group->fleet);
    unsent -= *group->increase_id ? MIN(unsent, group->increase_n) : 0;
    if (plan.cancel > 0 && unsent > 0)
        fleet_cancel_requests(group->fleet, MIN(plan.cancel, unsent));
    for (size_t i = 0; i < plan.n_removals; i++)
        group_mark_removing(group, plan.removals[i].id, plan.removals[i].reason);
    scaler_plan_done(&group->last_plan);
    group->last_plan = plan;
    group->last_plan_ms = now_wall(group->supervisor);
}

static void mark_all_removing(struct group *group)
{
    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++)
        group_mark_removing(group, fleet_instance_at(group->fleet, i)->id, REASON_SHUTDOWN);
}

/* A provider that is still opening is waited for: what a killed manager left is in the fleet. */
static bool cannot_delete(const struct group *group)
{
    return !group->provider || (!group->usable && *group->provider_error);
}

bool group_deleting_all_done(const struct group *group)
{
    return cannot_delete(group) || (fleet_instance_count(group->fleet) == 0 &&
                                    !group->increase_busy && fleet_pending(group->fleet) == 0);
}

void group_evaluate(struct group *group)
{
    struct supervisor *supervisor = group->supervisor;

    if (!group->usable || !provider_client_is_open(group->provider))
        return;
    if (supervisor->stopping) {
        if (!supervisor->delete_instances)
            return;
        fleet_cancel_requests(group->fleet, fleet_requested(group->fleet));
        mark_all_removing(group);
        start_decrease(group);
        start_list(group);
        return;
    }
    if (group->listed_once) {
        hand_out_slots(group);
        carry_out_plan(group);
    }
    start_decrease(group);
    start_list(group);
    start_increase(group);
    scheduler_poll(group);
}
