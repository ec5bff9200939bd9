/* core/simulate/cycle.c - what the daemon does about what happened: the cycle of
 * core/supervisor/group.c with the requests of scheduler.c, line by line where that is possible. */
#include "core/simulate/engine_parts.h"

#include <errno.h>

#include "core/base/str.h"

/* Jobs. */

void cycle_show_use(struct engine *engine, struct machine *machine)
{
    enum instance_use use = USE_BOOTING;

    if (machine->use == INSTANCE_USES)
        return;
    if (machine->jobs > 0)
        use = USE_BUSY;
    else if (machine->marked || machine->removed_ms != INT64_MAX)
        use = USE_GOING;
    else if (machine->ready)
        use = USE_IDLE;
    account_use(&engine->account, machine, use);
}

bool cycle_job_over(struct engine *engine, size_t job)
{
    struct job_course *course = &engine->jobs[job];

    if (course->place != JOB_RUNS)
        return false; /* its instance was taken */
    course->place = JOB_OVER;
    fleet_release(engine->fleet, (int64_t) job + 1, engine->now_ms);
    course->machine->jobs--;
    engine->account.busy_slots--;
    engine->in_hand--;
    engine->result->done++;
    cycle_show_use(engine, course->machine);
    return true;
}

bool cycle_give_up(struct engine *engine, size_t job)
{
    if (engine->jobs[job].place != JOB_WAITS)
        return false;
    engine->jobs[job].place = JOB_OVER;
    fleet_stop_waiting(engine->fleet, (int64_t) job + 1);
    engine->account.waiting--;
    engine->in_hand--;
    engine->result->timed_out++;
    return true;
}

/* The workers of its jobs see the connection break, so the daemon looks at once; a list says that it is
 * gone, and the jobs are over. */
void cycle_doom_jobs(struct engine *engine, struct machine *machine)
{
    const struct fleet_instance *instance = fleet_find(engine->fleet, machine->id);

    if (!instance || machine->jobs == 0)
        return;
    for (uint32_t slot = 0; slot < instance->n_slots; slot++)
        if (instance->slots[slot].seq != 0)
            engine->jobs[instance->slots[slot].seq - 1].place = JOB_DOOMED;
    engine->account.busy_slots -= machine->jobs;
    machine->jobs = 0;
    fleet_mark_connection_dead(engine->fleet, machine->id);
    /* A list that still names it takes that back: it says something new. */
    engine->list_differs = true;
    engine->next_list_ms = engine->now_ms;
}

static void lose_jobs(struct engine *engine, const struct fleet_instance *instance)
{
    for (uint32_t slot = 0; slot < instance->n_slots; slot++) {
        if (instance->slots[slot].seq == 0)
            continue;
        engine->jobs[instance->slots[slot].seq - 1].place = JOB_OVER;
        engine->in_hand--;
        engine->result->lost++;
    }
}

static void begin_job(struct engine *engine, size_t job, struct machine *machine)
{
    /* Taken, and no list has said so yet: the job tries to connect until one does. */
    if (machine->removed_ms <= engine->now_ms) {
        engine->jobs[job].place = JOB_DOOMED;
        return;
    }
    engine->jobs[job] = (struct job_course) { JOB_RUNS, machine };
    machine->jobs++;
    engine->account.busy_slots++;
    cycle_show_use(engine, machine);
    engine_schedule(engine, engine->now_ms + engine->workload->jobs[job].duration_ms,
                    EVENT_JOB_ENDS, job);
}

static void hand_out_slots(struct engine *engine)
{
    const struct fleet_instance *instance;
    struct result *result = engine->result;
    uint32_t slot;
    int64_t seq;

    while (fleet_assign_next(engine->fleet, engine->now_ms, &seq, &instance, &slot) == 1) {
        size_t job = (size_t) seq - 1;

        result->waits_ms[result->n_waits++] =
            engine->now_ms - engine->workload->jobs[job].arrival_ms;
        engine->account.waiting--;
        begin_job(engine, job, cloud_find(&engine->cloud, instance->id));
    }
}

/* The request for a job. */

static void answer_at(struct engine *engine, int64_t at_ms)
{
    engine_schedule(engine, at_ms, EVENT_REQUEST_ANSWERED, ++engine->request);
}

/* GitLab gives the job that came first. */
static void give_job(struct engine *engine)
{
    engine->parked = false;
    engine->jobs[engine->n_asked].place = JOB_GIVEN;
    engine->asked_job = engine->n_asked++;
    answer_at(engine, engine->now_ms + engine->settings->request_ms);
}

bool cycle_on_arrival(struct engine *engine)
{
    engine->jobs[engine->n_arrived++].place = JOB_AT_GITLAB;
    engine->account.waiting++;
    if (engine->parked)
        give_job(engine);
    return true;
}

bool cycle_on_answer(struct engine *engine, uint64_t request)
{
    const struct engine_settings *settings = engine->settings;

    if (request != engine->request)
        return false; /* a job came before the long poll ended */
    engine->asking = engine->parked = false;
    if (engine->asked_job == NO_JOB) {
        fleet_unreserve(engine->fleet);
        engine->next_request_ms = engine->request_since_ms + settings->check_interval_ms;
        return true;
    }
    engine->next_request_ms = engine->now_ms;
    engine->in_hand++;
    engine->jobs[engine->asked_job].place = JOB_WAITS;
    if (fleet_wait(engine->fleet, (int64_t) engine->asked_job + 1, true) < 0)
        engine->error = -ENOMEM;
    engine_schedule(engine, engine->now_ms + settings->autoscaler->instance_acquire_timeout_ms,
                    EVENT_JOB_GIVEN_UP, engine->asked_job);
    return true;
}

static bool refused(struct engine *engine)
{
    const struct engine_settings *settings = engine->settings;

    return !engine->listed_once || engine->in_hand >= settings->concurrent ||
           (settings->limit > 0 && engine->in_hand >= settings->limit) ||
           !fleet_growth_allows_job(engine->fleet, engine->now_ms, false, NULL) ||
           !fleet_reserve(engine->fleet, engine->now_ms, NULL);
}

/* The answer that was on its way is none any more. */
static void withdraw(struct engine *engine)
{
    engine->request++;
    engine->asking = engine->parked = false;
    fleet_unreserve(engine->fleet);
    engine->next_request_ms = engine->request_since_ms + engine->settings->check_interval_ms;
}

static void ask_for_job(struct engine *engine)
{
    const struct engine_settings *settings = engine->settings;

    if (engine->parked && !fleet_growth_allows_job(engine->fleet, engine->now_ms, true, NULL))
        withdraw(engine);
    if (engine->asking)
        return;
    if (engine->now_ms < engine->next_request_ms) {
        engine_wake_at(engine, engine->next_request_ms);
        return;
    }
    if (refused(engine))
        return;
    engine->asking = true;
    engine->asked_job = NO_JOB;
    engine->request_since_ms = engine->now_ms;
    if (engine->n_asked < engine->n_arrived) {
        give_job(engine);
        return;
    }
    engine->parked = settings->long_poll_ms > 0;
    answer_at(engine, engine->now_ms + MAX(settings->long_poll_ms, settings->request_ms));
}

/* Lists. */

static void on_change(void *arg, const struct fleet_change *change)
{
    struct engine *engine = arg;
    const struct fleet_instance *instance = change->instance;

    if (change->kind == CHANGE_PENDING_EXPIRED)
        return;
    if (change->kind == CHANGE_GONE) {
        lose_jobs(engine, instance);
        engine->result->removals[change->reason] += !instance->removing;
        return;
    }
    if (instance->state == INSTANCE_RUNNING && !instance->ready) {
        size_t number = cloud_number(&engine->cloud, instance->id);

        engine_schedule(engine, engine->now_ms + engine->cloud.machines[number]->gate_ms,
                        EVENT_GATE, number);
    }
}

static int64_t list_interval(const struct engine *engine)
{
    const struct config_autoscaler *autoscaler = engine->settings->autoscaler;

    return fleet_expecting(engine->fleet) ? autoscaler->update_interval_when_expecting_ms
                                          : autoscaler->update_interval_ms;
}

void cycle_on_listed(struct engine *engine)
{
    struct fleet_listed *listed;
    size_t n;

    engine->list_busy = false;
    cloud_list(&engine->cloud, engine->now_ms, &listed, &n);
    if (fleet_on_list(engine->fleet, engine->now_ms, listed, n, true, on_change, engine, NULL) < 0)
        engine->error = -ENOMEM;
    engine->listed_once = true;
    engine->lists = MIN(engine->lists + 1, 2U);
    engine->next_list_ms = engine->now_ms + list_interval(engine);
    /* The same list once more says more: what is missed twice is gone. */
    if (engine->lists < 2 || fleet_instance_count(engine->fleet) != n)
        engine->list_differs = true;
}

void cycle_skip_lists(struct engine *engine)
{
    int64_t call_ms = engine->cloud.model->call_ms, step = engine->list_interval_ms + call_ms;
    int64_t answer_ms;

    if (engine->list_busy || engine->increase_busy || engine->list_differs ||
        engine->settings->every_list || engine->next_list_ms >= engine->now_ms)
        return;
    engine->next_list_ms += (engine->now_ms - engine->next_list_ms + step - 1) / step * step;
    answer_ms = engine->next_list_ms - step + call_ms;
    if (answer_ms < engine->now_ms || call_ms == 0)
        return;
    /* The last one is under way, and may say what happens now. */
    engine->list_busy = true;
    engine_schedule(engine, answer_ms, EVENT_LISTED, 0);
}

static void start_list(struct engine *engine)
{
    int64_t call_ms = engine->cloud.model->call_ms;

    engine->list_interval_ms = list_interval(engine);
    /* Something new to expect must not wait for the slow interval that was set before it. */
    engine->next_list_ms = MIN(engine->next_list_ms, engine->now_ms + engine->list_interval_ms);
    if (engine->list_busy || engine->increase_busy)
        return;
    if (engine->now_ms < engine->next_list_ms) {
        if (engine->list_differs || engine->settings->every_list)
            engine_wake_at(engine, engine->next_list_ms);
        return;
    }
    if (!engine->list_differs && !engine->settings->every_list && call_ms == 0)
        return;
    engine->list_busy = true;
    engine->list_differs = false;
    engine_schedule(engine, engine->now_ms + call_ms, EVENT_LISTED, 0);
}

/* Growing. */

static void begin_machine(struct engine *engine, size_t number)
{
    const struct cloud_model *model = engine->cloud.model;
    struct machine *machine = engine->cloud.machines[number];

    machine->use = INSTANCE_USES;
    account_use(&engine->account, machine, USE_BOOTING);
    engine->account.paid++;
    engine_schedule(engine, machine->ordered_ms + model->list_lag_ms, EVENT_LIST_DIFFERS, number);
    engine_schedule(engine, machine->running_ms + model->list_lag_ms, EVENT_LIST_DIFFERS, number);
    if (machine->taken_ms == INT64_MAX)
        return;
    engine_schedule(engine, machine->taken_ms, EVENT_TAKEN, number);
    if (model->notice_ms > 0)
        engine_schedule(engine, MAX(machine->taken_ms - model->notice_ms, engine->now_ms),
                        EVENT_NOTICE, number);
}

void cycle_on_increased(struct engine *engine)
{
    size_t before = engine->cloud.n;
    int64_t accepted = cloud_order(&engine->cloud, engine->now_ms, engine->increase_n);

    engine->increase_busy = false;
    if (accepted < 0) {
        engine->error = (int) accepted;
        return;
    }
    fleet_on_increase(engine->fleet, engine->now_ms, engine->increase_n, (uint32_t) accepted);
    engine->result->orders++;
    engine->result->created += (uint64_t) accepted;
    if (accepted < engine->increase_n) {
        engine->result->failed_orders++;
        fleet_growth_failed(engine->fleet, GROWTH_CAPACITY, engine->now_ms, 0);
    } else {
        fleet_growth_succeeded(engine->fleet);
    }
    for (size_t i = before; i < engine->cloud.n; i++)
        begin_machine(engine, i);
    /* What has not appeared by then is given up at the next list. */
    engine_schedule(engine, engine->now_ms + engine->config.pending_limit_ms, EVENT_LIST_DIFFERS,
                    0);
    engine->next_list_ms = engine->now_ms;
}

static void start_increase(struct engine *engine)
{
    int64_t until_ms = 0;

    engine->increase_n =
        engine->increase_busy ? engine->increase_n : fleet_requested(engine->fleet);
    if (engine->increase_busy || engine->list_busy || !engine->listed_once ||
        engine->increase_n == 0)
        return;
    if (fleet_growth_paused(engine->fleet, engine->now_ms, NULL, &until_ms)) {
        engine_wake_at(engine, until_ms);
        return;
    }
    engine->increase_busy = true;
    engine_schedule(engine, engine->now_ms + engine->cloud.model->call_ms, EVENT_INCREASED, 0);
}

/* Shrinking. */

void cycle_mark_removing(struct engine *engine, struct machine *machine, enum fleet_reason reason)
{
    if (machine->marked)
        return;
    fleet_mark_removing(engine->fleet, machine->id, reason, engine->now_ms);
    machine->marked = true;
    engine->result->removals[reason]++;
    cycle_show_use(engine, machine);
}

static void remove_machine(struct engine *engine, size_t number)
{
    const struct cloud_model *model = engine->cloud.model;
    struct machine *machine = engine->cloud.machines[number];

    fleet_on_removal_accepted(engine->fleet, machine->id, engine->now_ms);
    if (machine->removed_ms != INT64_MAX)
        return;
    cloud_remove(machine, engine->now_ms);
    account_stop_paying(&engine->account, machine);
    engine_schedule(engine, machine->gone_ms, EVENT_GONE, number);
    engine_schedule(engine, engine->now_ms + model->list_lag_ms, EVENT_LIST_DIFFERS, number);
    engine_schedule(engine, machine->gone_ms + model->list_lag_ms, EVENT_LIST_DIFFERS, number);
    /* Where lists lag behind, the word is given again. */
    engine_schedule(engine,
                    engine->now_ms + engine->settings->autoscaler->deletion_retry_interval_ms,
                    EVENT_WAKE, number);
}

void cycle_on_decreased(struct engine *engine)
{
    engine->decrease_busy = false;
    for (size_t i = 0; i < engine->n_removing; i++)
        remove_machine(engine, engine->removing[i]);
    engine->next_list_ms = engine->now_ms;
}

static void start_decrease(struct engine *engine)
{
    const char *ids[REMOVED_AT_ONCE];
    size_t n;

    if (engine->decrease_busy)
        return;
    n = fleet_removable(engine->fleet, engine->now_ms,
                        engine->settings->autoscaler->deletion_retry_interval_ms, ids,
                        ARRAY_LEN(ids));
    for (size_t i = 0; i < n; i++)
        engine->removing[i] = cloud_number(&engine->cloud, ids[i]);
    engine->n_removing = n;
    engine->decrease_busy = n > 0;
    if (n > 0)
        engine_schedule(engine, engine->now_ms + engine->cloud.model->call_ms, EVENT_DECREASED, 0);
}

/* The plan. */

static void carry_out_plan(struct engine *engine)
{
    const struct engine_settings *settings = engine->settings;
    struct scaler_plan plan = { 0 };

    if (scaler_plan(engine->fleet, engine->now_ms, settings->seed, &plan) < 0) {
        engine->error = -ENOMEM;
        return;
    }
    engine->result->decisions++;
    if (settings->on_plan)
        settings->on_plan(settings->on_plan_arg, engine->now_ms, &plan);
    scaler_order(engine->fleet, &plan, engine->increase_busy ? engine->increase_n : 0,
                 engine->now_ms);
    for (size_t i = 0; i < plan.n_removals; i++)
        cycle_mark_removing(engine, cloud_find(&engine->cloud, plan.removals[i].id),
                            plan.removals[i].reason);
    if (plan.next_ms != INT64_MAX)
        engine_wake_at(engine, plan.next_ms);
    scaler_plan_done(&plan);
}

void cycle_turn(struct engine *engine)
{
    engine->wake_ms = INT64_MAX;
    if (engine->listed_once) {
        hand_out_slots(engine);
        carry_out_plan(engine);
    }
    start_decrease(engine);
    start_list(engine);
    start_increase(engine);
    ask_for_job(engine);
}
