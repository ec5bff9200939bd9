/* core/simulate/engine.c - virtual time: what happens when, and what each event does to cloud, jobs and
 * books. What the daemon would do about it is in cycle.c. */
#include "core/simulate/engine_parts.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/policy.h"
#include "core/fleet/settings.h"

#define LONG_POLL_MS 50000
#define REQUEST_MS 100

void engine_settings_read(const struct config *config, const struct config_runner *runner,
                          struct engine_settings *ret)
{
    *ret = (struct engine_settings) { .name = config->file,
                                      .autoscaler = &runner->autoscaler,
                                      .concurrent = config->concurrent,
                                      .limit = runner->limit,
                                      .check_interval_ms = config->check_interval_ms,
                                      .long_poll_ms = LONG_POLL_MS,
                                      .request_ms = REQUEST_MS,
                                      .cloud = cloud_default };
}

void engine_schedule(struct engine *engine, int64_t at_ms, enum event_kind kind, size_t which)
{
    if (at_ms <= engine->result->end_ms &&
        agenda_add(&engine->agenda, at_ms, (int) kind, which) < 0)
        engine->error = -ENOMEM;
}

void engine_wake_at(struct engine *engine, int64_t at_ms)
{
    engine->wake_ms = MIN(engine->wake_ms, MAX(at_ms, engine->now_ms + 1));
}

/* Events. */

static void pass_gate(struct engine *engine, struct machine *machine)
{
    if (machine->marked || machine->removed_ms != INT64_MAX)
        return;
    if (!machine->passes_gate) {
        fleet_growth_failed(engine->fleet, GROWTH_BOOT, engine->now_ms, 0);
        cycle_mark_removing(engine, machine, REASON_NOT_BOOTED);
        return;
    }
    fleet_mark_ready(engine->fleet, machine->id, engine->now_ms);
    machine->ready = true;
    cycle_show_use(engine, machine);
}

static void take_back(struct engine *engine, struct machine *machine)
{
    if (machine->removed_ms != INT64_MAX)
        return;
    cloud_take(machine, engine->now_ms);
    account_stop_paying(&engine->account, machine);
    cycle_doom_jobs(engine, machine);
    account_use(&engine->account, machine, INSTANCE_USES);
    engine_schedule(engine, engine->now_ms + engine->cloud.model->list_lag_ms, EVENT_LIST_DIFFERS,
                    0);
}

/* The policy that holds from now on, until the next one does. */
static void choose_policy(struct engine *engine)
{
    size_t index;
    int64_t until_ms;

    engine->config.policy = policies_at(engine->policies, engine->now_ms, &index, &until_ms);
    if (until_ms != INT64_MAX)
        engine_schedule(engine, MAX(until_ms, engine->now_ms + 1), EVENT_POLICY, 0);
}

static void change_policy(struct engine *engine)
{
    choose_policy(engine);
    fleet_set_policy(engine->fleet, &engine->config.policy);
}

/* True when the daemon would look what there is to do. */
static bool handle_machine(struct engine *engine, enum event_kind kind, struct machine *machine)
{
    switch (kind) {
    case EVENT_GATE:
        pass_gate(engine, machine);
        return true;
    case EVENT_NOTICE:
        return fleet_drain(engine->fleet, machine->id, REASON_INTERRUPTED, machine->taken_ms);
    case EVENT_TAKEN:
        take_back(engine, machine);
        return true;
    default: /* EVENT_GONE: lists will tell */
        account_use(&engine->account, machine, INSTANCE_USES);
        return false;
    }
}

static bool handle(struct engine *engine, const struct agenda_event *event)
{
    enum event_kind kind = (enum event_kind) event->kind;

    switch (kind) {
    case EVENT_REQUEST_ANSWERED:
        return cycle_on_answer(engine, event->which);
    case EVENT_JOB_ENDS:
        return cycle_job_over(engine, event->which);
    case EVENT_JOB_GIVEN_UP:
        return cycle_give_up(engine, event->which);
    case EVENT_LISTED:
        cycle_on_listed(engine);
        break;
    case EVENT_INCREASED:
        cycle_on_increased(engine);
        break;
    case EVENT_DECREASED:
        cycle_on_decreased(engine);
        break;
    case EVENT_GATE:
    case EVENT_NOTICE:
    case EVENT_TAKEN:
    case EVENT_GONE:
        return handle_machine(engine, kind, engine->cloud.machines[event->which]);
    case EVENT_LIST_DIFFERS:
        engine->list_differs = true;
        break;
    case EVENT_POLICY:
        change_policy(engine);
        break;
    case EVENT_WAKE:
        break;
    }
    return true;
}

/* Time. */

static int64_t next_ms(const struct engine *engine)
{
    int64_t next = MIN(agenda_next_ms(&engine->agenda), engine->wake_ms);

    if (engine->n_arrived < engine->workload->n)
        next = MIN(next, engine->workload->jobs[engine->n_arrived].arrival_ms);
    return next;
}

/* Everything of one moment happens before the daemon looks. */
static bool handle_moment(struct engine *engine)
{
    bool look = engine->now_ms >= engine->wake_ms;

    while (engine->n_arrived < engine->workload->n &&
           engine->workload->jobs[engine->n_arrived].arrival_ms <= engine->now_ms)
        look |= cycle_on_arrival(engine);
    while (agenda_next_ms(&engine->agenda) <= engine->now_ms && engine->error == 0) {
        struct agenda_event event = agenda_take(&engine->agenda);

        look |= handle(engine, &event);
    }
    return look;
}

static void run(struct engine *engine)
{
    cycle_turn(engine);
    while (engine->error == 0) {
        int64_t next = next_ms(engine);

        if (next >= engine->result->end_ms)
            break;
        account_advance(&engine->account, next);
        engine->now_ms = next;
        cycle_skip_lists(engine);
        if (handle_moment(engine))
            cycle_turn(engine);
    }
    engine->now_ms = engine->result->end_ms;
    account_advance(&engine->account, engine->now_ms);
}

/* What is left: instances that are paid for, jobs that are not over. */
static void close_books(struct engine *engine)
{
    struct result *result = engine->result;

    for (size_t i = 0; i < engine->cloud.n; i++)
        if (engine->cloud.machines[i]->removed_ms == INT64_MAX)
            account_stop_paying(&engine->account, engine->cloud.machines[i]);
    result->arrived = engine->n_arrived;
    for (size_t i = 0; i < engine->n_arrived; i++) {
        result->waiting += engine->jobs[i].place < JOB_RUNS;
        result->running += engine->jobs[i].place == JOB_RUNS || engine->jobs[i].place == JOB_DOOMED;
    }
    result_sort_waits(result);
}

/* The cloud says what it charges as a provider would; what the configuration names comes before. */
static void read_settings(struct engine *engine)
{
    const struct engine_settings *settings = engine->settings;
    const struct fleet_provider provider = {
        .price_micros_hour = settings->cloud.price_micros_hour,
        .minimum_billed_ms = settings->cloud.billed_unit_ms,
        .minimum_life_ms = settings->cloud.billed_minimum_ms,
        .recycle_ms = settings->cloud.recycle_ms,
    };

    fleet_settings_read(settings->autoscaler, &engine->config.policy, &provider, &engine->config);
    engine->config.heartbeat_interval_ms = 0; /* instances of a model are well */
    engine->result->price_micros_hour = engine->config.price_micros_hour;
}

static int begin(struct engine *engine, struct error *err)
{
    const struct engine_settings *settings = engine->settings;
    size_t n = engine->workload->n;
    int r = policies_new(settings->autoscaler, &engine->policies, err);

    if (r < 0)
        return r;
    engine->now_ms = engine->workload->begin_ms;
    choose_policy(engine);
    read_settings(engine);
    cloud_init(&engine->cloud, &settings->cloud, settings->seed);
    account_init(&engine->account, engine->result, &engine->config);
    engine->jobs = mem_array(n, sizeof(*engine->jobs));
    engine->result->waits_ms = mem_array(n, sizeof(*engine->result->waits_ms));
    engine->result->name = mem_strdup(settings->name);
    if (!engine->jobs || !engine->result->waits_ms || !engine->result->name ||
        fleet_new(&engine->config, &engine->fleet) < 0)
        return error_set(err, -ENOMEM, "simulating: out of memory");
    engine->list_differs = true;
    engine->next_list_ms = engine->next_request_ms = engine->now_ms;
    return 0;
}

int engine_run(const struct engine_settings *settings, const struct workload *workload,
               struct result *ret, struct error *err)
{
    struct result result = { .begin_ms = workload->begin_ms, .end_ms = workload->end_ms };
    struct engine engine = { .settings = settings, .workload = workload, .result = &result };
    int r = begin(&engine, err);

    if (r == 0) {
        run(&engine);
        r = engine.error;
        if (r < 0)
            (void) error_set(err, r, "simulating: out of memory");
    }
    if (r == 0)
        close_books(&engine);
    fleet_free(engine.fleet);
    policies_free(engine.policies);
    cloud_done(&engine.cloud);
    agenda_done(&engine.agenda);
    free(engine.jobs);
    if (r < 0)
        result_done(&result);
    else
        *ret = result;
    return r;
}
