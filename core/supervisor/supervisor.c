/* core/supervisor/supervisor.c - owns the parts, starts and stops them, keeps the time.
 *
 * Start is recovery: the ledger is read, workers of a former run are adopted, then jobs are asked
 * for. What happens on each turn is in group.c (fleet), scheduler.c (requests), job.c and
 * reporter.c (one job). */
#include "core/supervisor/supervisor.h"

#include <errno.h>

#include "core/base/descriptors.h"
#include "core/base/footprint.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/sandbox.h"
#include "core/provider/files.h"
#include "core/supervisor/internal.h"
#include "core/supervisor/journals.h"
#include "core/supervisor/kept_logs.h"
#include "core/supervisor/settle.h"
#include "core/supervisor/spool.h"
#include "core/supervisor/standby.h"
#include "core/supervisor/strangers.h"
#include "core/supervisor/terminals.h"
#include "core/supervisor/turns.h"

#define LOG_TOPIC "supervisor"
#include "core/base/log.h"

/* A new token that is on its way is waited for. */
#define ROTATION_STOP_MS 10000
#define TICK_MS 1000
/* Never at once: libuv 1.44 would come back to the tick in the same turn, without a look at what came meanwhile. */
#define SOON_MS UINT64_C(1)
#define TRIM_AFTER_MS 1000
#define PRUNE_EVERY_MS (3600 * 1000)

static void on_tick(uv_timer_t *timer);

void supervisor_emit(struct supervisor *supervisor, enum supervisor_event_kind kind,
                     const struct group *group, const char *instance, const struct job *job,
                     const char *detail)
{
    struct supervisor_event event = { .kind = kind,
                                      .runner = group ? group->runner->name : "",
                                      .instance = instance ? instance : "",
                                      .job_name = job ? job->name : "",
                                      .job_id = job ? job->job_id : 0,
                                      .slot = job && job->slot > 0 ? (unsigned) job->slot : 0,
                                      .detail = detail ? detail : "" };

    counts_on_event(supervisor, kind, group, instance, job);
    if (supervisor->options.on_event)
        supervisor->options.on_event(supervisor->options.arg, &event);
}

void supervisor_fatal(struct supervisor *supervisor, const char *what, const struct error *err)
{
    const struct supervisor_event event = {
        .kind = EVENT_FATAL, .runner = "", .instance = "", .job_name = "", .detail = ""
    };
    struct error failed = { 0 };
    char name[64];

    log_error("%s: %s. The manager stops here, because nothing may happen that its ledger does not "
              "know; jobs that run go on and are adopted at the next start",
              what, err->message);
    if (err->code == -EUCLEAN) {
        if (ledger_set_aside(supervisor->state_fd, supervisor->clock, name, sizeof(name), &failed) <
            0)
            log_error("%s", failed.message);
        else
            log_error("the damaged ledger is now %s/%s; the next start begins a new one",
                      supervisor->state_dir, name);
    }
    log_flush();
    if (supervisor->options.on_event)
        supervisor->options.on_event(supervisor->options.arg, &event);
    _exit(1);
}

void supervisor_evaluate_soon(struct supervisor *supervisor)
{
    if (supervisor->closing)
        return;
    supervisor->evaluate_wanted = true;
    (void) uv_timer_start(&supervisor->tick, on_tick, SOON_MS, 0);
}

struct group *supervisor_find_group(struct supervisor *supervisor, int64_t group_id)
{
    for (size_t i = 0; i < supervisor->n_groups; i++)
        if (supervisor->groups[i]->id == group_id)
            return supervisor->groups[i];
    return NULL;
}

unsigned supervisor_running_jobs(const struct supervisor *supervisor, const struct group *group)
{
    unsigned n = 0;

    for (const struct job *job = supervisor->jobs; job; job = job->next)
        if (job->state < JOB_FINISHED && (!group || job->group == group))
            n++;
    return n;
}

/* The next thing that time alone brings about, at most a tick away. */
static int64_t next_due(const struct supervisor *supervisor)
{
    int64_t now = now_mono(supervisor), due = TICK_MS, wait_ms;

    if (supervisor->watch.next_look_mono > now)
        due = MIN(due, supervisor->watch.next_look_mono - now);
    if (supervisor->trim_at_mono > now)
        due = MIN(due, supervisor->trim_at_mono - now);
    if (supervisor->journals.n > 0)
        due = MIN(due, MAX(supervisor->journals.write_at_mono - now, (int64_t) 0));
    for (size_t i = 0; i < supervisor->n_groups; i++) {
        const struct group *group = supervisor->groups[i];

        if (!group->usable)
            continue;
        due = MIN(due, group_policy_due_ms(group));
        if (!group->list_busy && group->next_list_mono > now)
            due = MIN(due, group->next_list_mono - now);
        if (!group->polls && group->next_poll_mono > now)
            due = MIN(due, group->next_poll_mono - now);
        if (group_growth_waits(group, &wait_ms))
            due = MIN(due, wait_ms);
    }
    return due;
}

/* Who runs is brought to its end with what is kept for that; nothing new begins (store/ledger.h). */
static void check_disk(struct supervisor *supervisor)
{
    bool was_short = supervisor->disk_short;

    reserve_refill();
    supervisor->disk_short = reserve_is_short();
    if (supervisor->disk_short && !was_short) {
        log_error("the disk that holds %s is full: no job is asked for until 8 MiB are free there; "
                  "jobs that run go on",
                  supervisor->state_dir);
        supervisor_emit(supervisor, EVENT_DISK_FULL, NULL, NULL, NULL, "");
    } else if (was_short && !supervisor->disk_short)
        log_notice("the disk that holds %s has room again", supervisor->state_dir);
}

static void check_jobs(struct supervisor *supervisor)
{
    for (struct job *job = supervisor->jobs; job; job = job->next)
        job_tick(job);
}

static void check_drained(struct supervisor *supervisor)
{
    void (*on_drained)(void *) = supervisor->on_drained;

    if (!supervisor->draining || supervisor->jobs || strangers_awaited(supervisor) || !on_drained)
        return;
    supervisor->on_drained = NULL;
    on_drained(supervisor->drained_arg);
}

static void checkpoint_if_due(struct supervisor *supervisor)
{
    struct error err = { 0 };

    if (supervisor->checkpoint_at_mono == 0 ||
        now_mono(supervisor) < supervisor->checkpoint_at_mono)
        return;
    supervisor->checkpoint_at_mono = 0;
    if (ledger_checkpoint(supervisor->ledger, &err) < 0)
        log_warning("%s, ignoring", err.message);
}

static void prune_if_due(struct supervisor *supervisor)
{
    struct error err = { 0 };

    if (supervisor->stopping || now_mono(supervisor) < supervisor->prune_at_mono)
        return;
    supervisor->prune_at_mono = now_mono(supervisor) + PRUNE_EVERY_MS;
    if (ledger_prune(supervisor->ledger, &err) < 0)
        log_warning("%s, ignoring", err.message);
    journals_prune(supervisor);
    kept_logs_prune(supervisor);
}

void supervisor_trim_soon(struct supervisor *supervisor)
{
    supervisor->trim_at_mono = now_mono(supervisor) + TRIM_AFTER_MS;
}

/* First lists, first requests and their TLS handshakes touch much that is not needed again. */
static void trim_if_due(struct supervisor *supervisor)
{
    if (supervisor->trim_at_mono == 0 || now_mono(supervisor) < supervisor->trim_at_mono)
        return;
    supervisor->trim_at_mono = 0;
    footprint_trim_heap();
    footprint_trim_image();
}

static void continue_stopping(struct supervisor *supervisor);
static void close_providers(struct supervisor *supervisor);

static void on_tick(uv_timer_t *timer)
{
    struct supervisor *supervisor = timer->data;

    if (!supervisor->started) { /* nor will it: some of its parts are not there */
        close_providers(supervisor);
        return;
    }
    supervisor->evaluate_wanted = false;
    check_disk(supervisor);
    kept_logs_trim(supervisor);
    journals_begin_turn(supervisor);
    strangers_tick(supervisor);
    scheduler_check_descriptors(supervisor);
    standby_tick(supervisor);
    check_jobs(supervisor);
    transfers_tick(supervisor);
    for (size_t i = 0; i < supervisor->n_groups; i++)
        group_evaluate(supervisor->groups[i]);
    groups_reap(supervisor);
    journals_end_turn(supervisor);
    reload_tick(supervisor);
    rotation_tick(supervisor);
    checkpoint_if_due(supervisor);
    trim_if_due(supervisor);
    prune_if_due(supervisor);
    control_tick(supervisor);
    web_tick(supervisor);
    counts_tick(supervisor);
    log_flush();
    (void) uv_timer_start(
        &supervisor->tick, on_tick,
        supervisor->evaluate_wanted ? SOON_MS : MAX((uint64_t) next_due(supervisor), SOON_MS), 0);
    if (supervisor->stopping)
        continue_stopping(supervisor);
    else
        check_drained(supervisor);
}

static int start_groups(struct supervisor *supervisor, struct error *err)
{
    const struct config *config = supervisor->config;
    int r = 0;

    for (size_t i = 0; i < config->n_runners && r == 0; i++)
        r = groups_add(supervisor, &config->runners[i], err);
    return r;
}

static void tell_file_rules(void)
{
    autobuf struct buf text = BUF_INIT;

    if (files_describe(&text))
        log_info("%s", buf_str(&text));
    else
        log_notice("%s", buf_str(&text));
}

static int start_spawner(struct supervisor *supervisor, struct error *err)
{
    const struct spawner_options options = { .self_exe = supervisor->options.self_exe,
                                             .filter_calls = supervisor->config->worker_seccomp };
    const struct spawner_events events = { .on_spawned = worker_on_spawned,
                                           .on_exited = worker_on_exited,
                                           .arg = supervisor };
    autobuf struct buf sandbox = BUF_INIT;

    if (sandbox_describe(options.filter_calls, &sandbox))
        log_info("%s", buf_str(&sandbox));
    else
        log_notice("%s", buf_str(&sandbox));
    tell_file_rules();
    return spawner_start(supervisor->loop, &options, &events, &supervisor->spawner, err);
}

static int start_parts(struct supervisor *supervisor, struct error *err)
{
    int r;

    r = turns_start(supervisor->loop, &supervisor->turns, err);
    if (r == 0)
        r = state_dir_open(supervisor, err);
    if (r == 0)
        r = start_spawner(supervisor, err);
    if (r == 0)
        r = state_dir_load(supervisor, err);
    if (r == 0)
        r = settle_start(supervisor, &supervisor->settle, err);
    if (r == 0)
        r = coordinator_client_new(supervisor->loop, &supervisor->coordinator, err);
    if (r == 0)
        r = counts_start(supervisor, err);
    if (r == 0)
        r = terminals_start(supervisor, err);
    if (r == 0)
        r = start_groups(supervisor, err);
    if (r == 0)
        rotation_load(supervisor);
    if (r == 0)
        r = adopt_all(supervisor, err);
    if (r == 0)
        r = control_start(supervisor, err);
    if (r == 0)
        r = web_start(supervisor, err);
    return r;
}

static void free_jobs(struct supervisor *supervisor)
{
    while (supervisor->jobs)
        job_free(supervisor->jobs);
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct supervisor *supervisor = handle->data;
    void (*on_stopped)(void *) = supervisor->on_stopped;
    void *arg = supervisor->stopped_arg;

    free(supervisor->state_dir);
    free(supervisor->control_path);
    config_free(supervisor->config);
    free(supervisor);
    if (on_stopped)
        on_stopped(arg);
}

/* Everything but the providers, which are gone already. */
void supervisor_finish_stopping(struct supervisor *supervisor)
{
    struct error err = { 0 };

    web_stop(supervisor);
    counts_stop(supervisor);
    control_stop(supervisor);
    turns_stop(supervisor->turns);
    settle_stop(supervisor->settle);
    terminals_stop(supervisor);
    free_jobs(supervisor);
    transfers_close(supervisor);
    rotation_done(supervisor);
    coordinator_client_free(supervisor->coordinator);
    spawner_stop(supervisor->spawner);
    journals_done(supervisor);
    groups_free(supervisor);
    adopt_done(supervisor);
    strangers_done(supervisor);
    kept_logs_done(supervisor);
    if (supervisor->ledger && ledger_checkpoint(supervisor->ledger, &err) < 0)
        log_warning("%s, ignoring", err.message);
    ledger_close(supervisor->ledger);
    if (supervisor->spool_dir_fd >= 0)
        (void) close(supervisor->spool_dir_fd);
    if (supervisor->lock_fd >= 0)
        (void) close(supervisor->lock_fd);
    if (supervisor->state_fd >= 0)
        (void) close(supervisor->state_fd);
    uv_close((uv_handle_t *) &supervisor->tick, on_tick_closed);
}

int supervisor_start(uv_loop_t *loop, const struct supervisor_options *options,
                     struct supervisor **ret, struct error *err)
{
    struct supervisor *supervisor = mem_zero(sizeof(*supervisor));
    int r;

    if (!supervisor)
        return error_set(err, -ENOMEM, "supervisor: out of memory");
    supervisor->loop = loop;
    supervisor->options = *options;
    supervisor->config = config_ref(options->config);
    supervisor->clock = &clock_system;
    supervisor->rng = &rng_system;
    supervisor->state_fd = supervisor->spool_dir_fd = supervisor->lock_fd = -1;
    (void) descriptors_raise_limit(); /* fewer jobs, if that fails */
    (void) uv_timer_init(loop, &supervisor->tick);
    supervisor->tick.data = supervisor;
    r = start_parts(supervisor, err);
    if (r < 0) {
        supervisor_stop(supervisor, STOP_KEEPS_INSTANCES, NULL, NULL);
        return r;
    }
    supervisor->started = true;
    spool_sweep(supervisor);
    reload_begin(supervisor);
    supervisor_evaluate_soon(supervisor);
    supervisor_trim_soon(supervisor);
    *ret = supervisor;
    return 0;
}

void supervisor_drain(struct supervisor *supervisor, void (*on_drained)(void *arg), void *arg)
{
    supervisor->draining = true;
    supervisor->on_drained = on_drained;
    supervisor->drained_arg = arg;
    for (size_t i = 0; i < supervisor->n_groups; i++)
        scheduler_stop(supervisor->groups[i]);
    supervisor_evaluate_soon(supervisor);
}

bool supervisor_is_responsible(const struct supervisor *supervisor)
{
    bool responsible = supervisor->jobs || supervisor->strangers;

    for (size_t i = 0; i < supervisor->n_groups; i++)
        responsible |= fleet_instance_count(supervisor->groups[i]->fleet) > 0;
    return responsible;
}

void supervisor_abort_jobs(struct supervisor *supervisor)
{
    for (struct job *job = supervisor->jobs, *next; job; job = next) {
        next = job->next;
        job_stop(job, true);
    }
}

void supervisor_interrupt_jobs(struct supervisor *supervisor, const char *signal)
{
    supervisor->interrupt = signal;
    supervisor_abort_jobs(supervisor);
}

static void close_providers(struct supervisor *supervisor)
{
    supervisor->closing = true;
    (void) uv_timer_stop(&supervisor->tick);
    groups_close(supervisor);
    if (supervisor->providers_closing == 0)
        supervisor_finish_stopping(supervisor);
}

/* Deleting at shutdown goes on until nothing is left, at most retries × interval of the settings
 * (autoscaler.md 10.4, 11.3). */
static void continue_stopping(struct supervisor *supervisor)
{
    int64_t limit = 0;
    bool deleting = false;

    for (size_t i = 0; i < supervisor->n_groups; i++) {
        const struct config_autoscaler *autoscaler = &supervisor->groups[i]->runner->autoscaler;

        if (!group_is_deleting(supervisor->groups[i]))
            continue;
        deleting = true;
        limit = MAX(limit, autoscaler->shutdown_deletion_retries *
                               autoscaler->shutdown_deletion_interval_ms);
    }
    if (rotation_is_asking(supervisor))
        limit = MAX(limit, (int64_t) ROTATION_STOP_MS);
    if ((deleting || rotation_is_asking(supervisor)) &&
        now_mono(supervisor) - supervisor->stop_since_mono < limit)
        return;
    for (size_t i = 0; deleting && i < supervisor->n_groups; i++)
        if (group_is_deleting(supervisor->groups[i]))
            group_log_left(supervisor->groups[i]);
    close_providers(supervisor);
}

static void warn_about_leaving(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->n_groups; i++) {
        const struct group *group = supervisor->groups[i];

        if (supervisor->stop == STOP_KEEPS_INSTANCES && group->leaving && group->usable &&
            fleet_instance_count(group->fleet) > 0)
            log_warning("runner '%s' has left the configuration and %zu of its instances are still "
                        "there: the next start does not know them unless its entry is put back",
                        group->runner->name, fleet_instance_count(group->fleet));
    }
}

void supervisor_stop(struct supervisor *supervisor, enum supervisor_stop how,
                     void (*on_stopped)(void *arg), void *arg)
{
    if (supervisor->stopping)
        return;
    supervisor->stopping = true;
    supervisor->stop = how;
    supervisor->on_stopped = on_stopped;
    supervisor->stopped_arg = arg;
    supervisor->stop_since_mono = now_mono(supervisor);
    warn_about_leaving(supervisor);
    for (size_t i = 0; i < supervisor->n_groups; i++) {
        scheduler_stop(supervisor->groups[i]);
        if (supervisor->groups[i]->provider)
            group_log_stopping(supervisor->groups[i]);
    }
    supervisor_evaluate_soon(supervisor);
}
