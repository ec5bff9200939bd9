/* core/supervisor/counts.c - what happens is counted where it happens, or here by the events that the supervisor tells
 * of (supervisor_emit()). */
#include "core/supervisor/counts.h"

#include <errno.h>
#include <flotilla/provider.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/queuing.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define SUM_EVERY_MS 1000

static const double job_bounds[] = { 30, 60, 300, 600, 1800, 3600, 7200, 10800, 18000, 36000 };
/* How long jobs were in a queue, and each of their stages. */
static const double queue_bounds[] = { 1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600 };
static const double api_bounds[] = { 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60 };
static const double wait_bounds[] = { 0.1, 0.5, 1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600 };
static const double instance_bounds[] = { 1, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600 };
static const double readiness_bounds[] = { 0.5, 1, 5, 10, 20, 30, 60, 120, 300, 600 };
static const double life_bounds[] = { 60,    300,   900,   1800,  3600,   7200,
                                      14400, 28800, 43200, 86400, 172800, 604800 };

static const struct {
    const char *name, *method;
} endpoints[] = {
    [ENDPOINT_REQUEST_JOB] = { "request_job", "post" },
    [ENDPOINT_UPDATE_JOB] = { "update_job", "put" },
    [ENDPOINT_PATCH_TRACE] = { "patch_trace", "patch" },
    [ENDPOINT_RESET_TOKEN] = { "reset_token", "post" },
};
static const char *const classes[] = { "unknown", "1xx", "2xx", "3xx", "4xx", "5xx" };
static const char *const phases[] = {
    [PHASE_SLOT] = "slot", [PHASE_WORKER] = "worker", [PHASE_REPORT] = "report"
};
static const char *const input_errors[COUNT_INPUT_ERRORS] = {
    [INPUT_PARSE] = "parse", [INPUT_EVALUATION] = "evaluation"
};
static const char *const errors[COUNT_ERRORS] = {
    "other",     "invalid",     "auth",     "quota", "throttled", "unavailable",
    "not_found", "not_ready",   "partial",  "stale", "unhealthy", "cancelled",
    "timeout",   "unsupported", "internal", "abi",
};

const char *count_endpoint_name(enum count_endpoint endpoint)
{
    return endpoints[endpoint].name;
}

const char *count_endpoint_method(enum count_endpoint endpoint)
{
    return endpoints[endpoint].method;
}

const char *count_class_name(size_t class)
{
    return classes[class];
}

const char *count_phase_name(enum count_phase phase)
{
    return phases[phase];
}

const char *count_error_name(size_t error)
{
    return errors[error];
}

const char *count_input_error_name(enum count_input_error error)
{
    return input_errors[error];
}

/* Calls of the coordinator. */

static void count_status(struct api_counts *api, int status)
{
    for (size_t i = 0; i < COUNT_STATUSES; i++) {
        if (api->statuses[i].n > 0 && api->statuses[i].status != status)
            continue;
        api->statuses[i].status = status;
        api->statuses[i].n++;
        return;
    }
}

static void on_call_ended(void *arg, const struct coordinator_ended *ended)
{
    struct supervisor *supervisor = arg;
    const struct group *group = supervisor_find_group(supervisor, ended->owner);
    size_t class = ended->status >= 100 && ended->status < 600 ? (size_t) ended->status / 100 : 0;

    for (size_t i = 0; i < COUNT_ENDPOINTS; i++) {
        if (!str_eq(ended->endpoint, endpoints[i].name))
            continue;
        supervisor->counts->api_attempts[i] += (uint64_t) ended->attempts;
        if (!group)
            return;
        count_status(&group->counts->api[i], ended->status);
        metrics_observe(&group->counts->api[i].seconds[class], ended->seconds);
    }
}

int counts_start(struct supervisor *supervisor, struct error *err)
{
    struct counts *counts = mem_zero(sizeof(*counts));

    if (!counts)
        return error_set(err, -ENOMEM, "out of memory");
    counts->started_wall_ms = now_wall(supervisor);
    counts->config_loaded = 1;
    supervisor->counts = counts;
    coordinator_client_observe(supervisor->coordinator, on_call_ended, supervisor);
    return 0;
}

void counts_stop(struct supervisor *supervisor)
{
    free(take_ptr(supervisor->counts));
}

static void sum_instances(struct group *group, int64_t passed_ms)
{
    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(group->fleet, i);

        if (instance->cause == CAUSE_FOREIGN)
            continue;
        if (instance_busy(instance) > 0)
            group->counts->busy_ms += passed_ms;
        else
            group->counts->idle_ms += passed_ms;
    }
}

void counts_tick(struct supervisor *supervisor)
{
    struct counts *counts = supervisor->counts;
    int64_t now = now_mono(supervisor), passed_ms = now - counts->summed_mono;

    if (counts->summed_mono > 0 && passed_ms < SUM_EVERY_MS)
        return;
    for (size_t i = 0; counts->summed_mono > 0 && i < supervisor->n_groups; i++)
        sum_instances(supervisor->groups[i], passed_ms);
    counts->summed_mono = now;
}

void counts_note_config(struct supervisor *supervisor, bool loaded)
{
    if (!supervisor->counts)
        return; /* a signal may still come while the last handles close */
    if (loaded)
        supervisor->counts->config_loaded++;
    else
        supervisor->counts->config_failed++;
}

void counts_note_saved(struct supervisor *supervisor, bool saved)
{
    if (saved)
        supervisor->counts->config_saved++;
    else
        supervisor->counts->config_unsaved++;
}

void counts_note_inputs(struct supervisor *supervisor, json_t *frame)
{
    const char *error = "";
    int64_t used = 0;

    (void) json_opt_i64(frame, "inputs_used", 0, INT32_MAX, &used, NULL);
    (void) json_opt_str(frame, "inputs_error", &error, NULL);
    supervisor->counts->inputs_used += (uint64_t) used;
    for (size_t i = 0; i < COUNT_INPUT_ERRORS; i++)
        supervisor->counts->inputs_failed[i] += str_eq(error, input_errors[i]);
}

void counts_note_adoption(struct supervisor *supervisor)
{
    supervisor->counts->jobs_adopted++;
}

/* Groups. */

static void init_buckets(struct metrics_histogram *histogram, const struct config_buckets *own,
                         const struct config_buckets *general, const double *bounds, size_t n)
{
    if (own->n > 0)
        metrics_histogram_init(histogram, own->bounds, own->n);
    else if (general && general->n > 0)
        metrics_histogram_init(histogram, general->bounds, general->n);
    else
        metrics_histogram_init(histogram, bounds, n);
}

static void init_instances(struct group_counts *counts, const struct config_instance_buckets *of)
{
    const struct config_buckets *general = &of->operation_time;
    size_t n = ARRAY_LEN(instance_bounds);

    init_buckets(&counts->creation_seconds, &of->creation_time, general, instance_bounds, n);
    init_buckets(&counts->running_seconds, &of->is_running_time, general, instance_bounds, n);
    init_buckets(&counts->deletion_seconds, &of->deletion_time, general, instance_bounds, n);
    init_buckets(&counts->readiness_seconds, &of->readiness_time, NULL, readiness_bounds,
                 ARRAY_LEN(readiness_bounds));
    init_buckets(&counts->life_seconds, &of->life_duration, NULL, life_bounds,
                 ARRAY_LEN(life_bounds));
}

static void init_jobs(struct group_counts *counts, bool exemplars)
{
    metrics_histogram_init(&counts->job_seconds, job_bounds, ARRAY_LEN(job_bounds));
    for (size_t i = 0; i < COUNT_PHASES; i++)
        metrics_histogram_init(&counts->wait_seconds[i], wait_bounds, ARRAY_LEN(wait_bounds));
    for (size_t i = 0; i < COUNT_QUEUES; i++)
        metrics_histogram_init(&counts->queues[i].seconds, queue_bounds, ARRAY_LEN(queue_bounds));
    for (size_t i = 0; i < COUNT_STAGES; i++)
        metrics_histogram_init(&counts->stages[i].seconds, queue_bounds, ARRAY_LEN(queue_bounds));
    for (size_t i = 0; i < COUNT_ENDPOINTS; i++)
        for (size_t k = 0; k < COUNT_CLASSES; k++)
            metrics_histogram_init(&counts->api[i].seconds[k], api_bounds, ARRAY_LEN(api_bounds));
    if (!exemplars)
        return;
    (void) metrics_histogram_keep_exemplars(&counts->job_seconds);
    for (size_t i = 0; i < COUNT_PHASES; i++)
        (void) metrics_histogram_keep_exemplars(&counts->wait_seconds[i]);
}

int counts_open_group(struct group *group, struct error *err)
{
    group->counts = mem_zero(sizeof(*group->counts));
    if (!group->counts)
        return error_set(err, -ENOMEM, "out of memory");
    group->counts->config = config_ref(group->config);
    group->counts->queue_size = group->counts->queue_depth = -1;
    init_jobs(group->counts, group->config->web.exemplars);
    init_instances(group->counts, &group->runner->autoscaler.buckets);
    return 0;
}

void counts_close_group(struct group *group)
{
    struct group_counts *counts = take_ptr(group->counts);

    if (!counts)
        return;
    metrics_histogram_done(&counts->job_seconds);
    for (size_t i = 0; i < COUNT_PHASES; i++)
        metrics_histogram_done(&counts->wait_seconds[i]);
    config_free(counts->config);
    free(counts);
}

void counts_note_answer(struct group *group, int code)
{
    if (code < 0)
        group->counts
            ->errors[code <= FLT_E_INVALID && code >= FLT_E_LAST ? FLT_E_INVALID + 1 - code : 0]++;
}

void counts_note_plan(struct group *group, const struct scaler_plan *plan)
{
    group->counts->scaled_up += plan->request > 0;
    group->counts->scaled_down += plan->n_removals > 0;
}

void counts_note_list(struct group *group)
{
    group->counts->lists++;
}

void counts_note_increase(struct group *group, uint32_t accepted)
{
    group->counts->orders++;
    group->counts->created += accepted;
}

void counts_note_decrease(struct group *group, size_t n)
{
    group->counts->removals++;
    group->counts->deleted += n;
}

void counts_note_poll(struct group *group, bool made)
{
    if (made)
        group->counts->polls++;
    else
        group->counts->slot_failures++;
}

void counts_note_refusal(struct group *group)
{
    group->counts->polls_refused++;
}

void counts_note_open(struct group *group)
{
    group->counts->opens++;
}

static void count_too_long(struct group *group, double waited_s, const char *running)
{
    struct error err = { 0 };
    int r = queuing_exceeded(group->queuing, group_clock_on_the_wall_ms(group), waited_s, running,
                             &err);

    if (r >= 0) {
        group->counts->queued_too_long += (uint64_t) r;
    } else if (!group->queuing_told) {
        group->queuing_told = true;
        log_warning("runner '%s': %s; such jobs are not counted", group->runner->name, err.message);
    }
}

/* The queue that it waited in at GitLab. */
void counts_note_payload(struct group *group, json_t *payload)
{
    const char *running = "";
    json_t *info = NULL, *waited = NULL;
    double seconds = -1;

    (void) json_opt_object(payload, "job_info", &info, NULL);
    if (!info)
        return;
    (void) json_opt_str(info, "project_jobs_running_on_instance_runners_count", &running, NULL);
    (void) json_opt_i64(info, "queue_size", 0, INT64_MAX, &group->counts->queue_size, NULL);
    (void) json_opt_i64(info, "queue_depth", 0, INT64_MAX, &group->counts->queue_depth, NULL);
    if (json_object_object_get_ex(info, "time_in_queue_seconds", &waited))
        seconds = json_object_get_double(waited);
    if (seconds >= 0)
        count_too_long(group, seconds, running);
    for (size_t i = 0; seconds >= 0 && i < COUNT_QUEUES; i++) {
        struct queue_counts *queue = &group->counts->queues[i];
        bool unused = metrics_count(&queue->seconds) == 0;

        if (!unused && !str_eq(queue->running, running))
            continue;
        if (unused && str_copy(queue->running, sizeof(queue->running), running) < 0)
            return;
        metrics_observe(&queue->seconds, seconds);
        return;
    }
}

/* Events. */

static double seconds_since(const struct supervisor *supervisor, int64_t ms)
{
    return (double) MAX(now_wall(supervisor) - ms, INT64_C(0)) / 1000;
}

static void observe_wait(const struct job *job, enum count_phase phase, int64_t since_ms)
{
    if (since_ms > 0)
        metrics_observe_job(&job->group->counts->wait_seconds[phase],
                            seconds_since(job->supervisor, since_ms), job->job_id,
                            now_wall(job->supervisor));
}

static void count_failure(struct group_counts *counts, const char *reason)
{
    for (size_t i = 0; i < COUNT_REASONS; i++) {
        struct reason_count *count = &counts->failed[i];

        if (count->n > 0 && !str_eq(count->reason, reason))
            continue;
        (void) str_cut(count->reason, sizeof(count->reason), reason);
        count->n++;
        return;
    }
}

/* The histogram of a stage, which may be the first of its kind; NULL: there is no room. */
static struct metrics_histogram *find_stage(struct group_counts *counts, const char *stage)
{
    for (size_t i = 0; i < COUNT_STAGES; i++) {
        struct stage_counts *count = &counts->stages[i];

        if (str_eq(count->stage, stage) ||
            (!*count->stage && str_copy(count->stage, sizeof(count->stage), stage) == 0))
            return &count->seconds;
    }
    return NULL;
}

/* Of a job that a former run began, the stage at that time is not counted: nobody saw it begin. */
static void observe_stage(const struct job *job)
{
    struct group_counts *counts = job->group->counts;
    struct metrics_histogram *seconds =
        counts && *job->stage && job->stage_since_mono > 0 ? find_stage(counts, job->stage) : NULL;

    if (seconds)
        metrics_observe(seconds,
                        (double) (now_mono(job->supervisor) - job->stage_since_mono) / 1000);
}

void counts_note_stage(struct job *job)
{
    observe_stage(job);
    job->stage_since_mono = now_mono(job->supervisor);
}

static void count_finished(const struct job *job)
{
    struct group_counts *counts = job->group->counts;

    observe_stage(job);
    if (job->received_ms > 0)
        metrics_observe_job(&counts->job_seconds, seconds_since(job->supervisor, job->received_ms),
                            job->job_id, now_wall(job->supervisor));
    if (!str_eq(job->result_state, "failed"))
        return;
    count_failure(counts, job->failure_reason);
    if (str_eq(job->failure_reason, "script_failure"))
        counts->jobs_failed++;
    else
        counts->jobs_broken++;
}

static void observe_times(struct metrics_histogram *histogram, int64_t from_ms, int64_t to_ms)
{
    if (from_ms > 0 && to_ms >= from_ms)
        metrics_observe(histogram, (double) (to_ms - from_ms) / 1000);
}

static void count_gone(struct group_counts *counts, const struct fleet_instance *instance,
                       int64_t now)
{
    if (instance->cause == CAUSE_FOREIGN)
        return;
    if (!instance->removing)
        counts->missed_updates += instance->misses;
    observe_times(&counts->life_seconds, instance->first_seen_ms, now);
    observe_times(&counts->deletion_seconds, instance->removal_accepted_ms, now);
}

static void count_instance(struct supervisor *supervisor, enum supervisor_event_kind kind,
                           const struct group *group, const struct fleet_instance *instance)
{
    struct group_counts *counts = group->counts;
    int64_t now = now_wall(supervisor);

    if (kind == EVENT_INSTANCE_APPEARED)
        observe_times(&counts->creation_seconds, instance->ordered_ms, now);
    if (kind == EVENT_INSTANCE_READY) {
        observe_times(&counts->running_seconds, instance->ordered_ms, instance->running_ms);
        observe_times(&counts->readiness_seconds, instance->running_ms, now);
    }
    if (kind == EVENT_INSTANCE_REMOVING)
        counts->removed[instance->remove_reason]++;
    if (kind == EVENT_INSTANCE_GONE)
        count_gone(counts, instance, now);
}

static void count_job(enum supervisor_event_kind kind, const struct job *job)
{
    if (kind == EVENT_JOB_RECEIVED)
        job->group->counts->jobs++;
    if (kind == EVENT_JOB_ASSIGNED)
        observe_wait(job, PHASE_SLOT, job->received_ms);
    if (kind == EVENT_JOB_RUNNING)
        observe_wait(job, PHASE_WORKER, job->assigned_ms);
    if (kind == EVENT_JOB_FINISHED)
        count_finished(job);
    if (kind == EVENT_JOB_CLOSED)
        observe_wait(job, PHASE_REPORT, job->finished_ms);
}

void counts_on_event(struct supervisor *supervisor, enum supervisor_event_kind kind,
                     const struct group *group, const char *instance, const struct job *job)
{
    const struct fleet_instance *found;

    if (!group || !group->counts)
        return;
    if (job) {
        count_job(kind, job);
        return;
    }
    found = !str_empty(instance) ? fleet_find(group->fleet, instance) : NULL;
    if (found)
        count_instance(supervisor, kind, group, found);
}
