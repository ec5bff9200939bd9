/* core/supervisor/metrics_runners.c - the families that GitLab Runner has of each runner: its jobs, its requests, and
 * what GitLab answered (coordinator-protocol.md 6.6). Names, labels and buckets are GitLab Runner's. */
#include <math.h>

#include "core/base/str.h"
#include "core/supervisor/metrics.h"

static void put(struct metrics_page *page, const struct group *group, double number)
{
    struct metrics_labels labels;

    metrics_runner_labels(group, &labels);
    metrics_sample(page, &labels, number);
}

static void fill_limit(struct metrics_page *page, const struct group *group)
{
    put(page, group, (double) group->runner->limit);
}

/* A job as GitLab Runner names where it is; the stage is GitLab Runner's own word. */
static const char *state_of(const struct job *job)
{
    if (job->state >= JOB_FINISHED)
        return "finished";
    return job->state >= JOB_RUNNING ? "running" : "pending";
}

static void put_jobs(struct metrics_page *page, const struct group *group, const struct job *like,
                     unsigned n)
{
    struct metrics_labels labels;

    metrics_runner_labels(group, &labels);
    metrics_label(&labels, "state", like ? state_of(like) : "idle");
    metrics_label(&labels, "stage", like ? like->stage : "");
    metrics_label(&labels, "executor_stage", "");
    metrics_sample(page, &labels, n);
}

static bool alike(const struct job *a, const struct job *b)
{
    return a->group == b->group && str_eq(state_of(a), state_of(b)) && str_eq(a->stage, b->stage);
}

/* The kinds are few: a job that begins one counts those behind it. */
#define KINDS_MAX 64
static void fill_jobs(struct metrics_page *page, const struct group *group)
{
    const struct job *kinds[KINDS_MAX];
    unsigned counts[KINDS_MAX], n = 0, k;

    for (const struct job *job = group->supervisor->jobs; job; job = job->next) {
        if (job->group != group)
            continue;
        for (k = 0; k < n && !alike(kinds[k], job);)
            k++;
        if (k == n && n < KINDS_MAX) {
            kinds[n] = job;
            counts[n++] = 0;
        }
        if (k < n)
            counts[k]++;
    }
    put_jobs(page, group, NULL, 0);
    for (k = 0; k < n; k++)
        put_jobs(page, group, kinds[k], counts[k]);
}

static void fill_jobs_total(struct metrics_page *page, const struct group *group)
{
    put(page, group, (double) group->counts->jobs);
}

static void fill_job_seconds(struct metrics_page *page, const struct group *group)
{
    struct metrics_labels labels;

    metrics_runner_labels_and(group, "mode", "traditional", &labels);
    metrics_sample_histogram(page, &labels, &group->counts->job_seconds);
}

static void fill_queues(struct metrics_page *page, const struct group *group)
{
    for (size_t k = 0; k < COUNT_QUEUES; k++) {
        const struct queue_counts *queue = &group->counts->queues[k];
        struct metrics_labels labels;

        if (metrics_count(&queue->seconds) == 0)
            break;
        metrics_runner_labels_and(group, "project_jobs_running", queue->running, &labels);
        metrics_sample_histogram(page, &labels, &queue->seconds);
    }
}

static void fill_too_long(struct metrics_page *page, const struct group *group)
{
    put(page, group, (double) group->counts->queued_too_long);
}

/* Many series: who wants them says so, as with GitLab Runner. */
static void fill_stages(struct metrics_page *page, const struct group *group)
{
    if (group->runner->autoscaler.flags.set[FF_EXPORT_HIGH_CARDINALITY_METRICS] != 1)
        return;
    for (size_t k = 0; k < COUNT_STAGES && *group->counts->stages[k].stage; k++) {
        const struct stage_counts *stage = &group->counts->stages[k];
        struct metrics_labels labels;

        metrics_runner_labels_and(group, "stage", stage->stage, &labels);
        metrics_sample_histogram(page, &labels, &stage->seconds);
    }
}

static void fill_queue_size(struct metrics_page *page, const struct group *group)
{
    if (group->counts->queue_size >= 0)
        put(page, group, (double) group->counts->queue_size);
}

static void fill_queue_depth(struct metrics_page *page, const struct group *group)
{
    if (group->counts->queue_depth >= 0)
        put(page, group, (double) group->counts->queue_depth);
}

static void fill_failed(struct metrics_page *page, const struct group *group)
{
    for (size_t k = 0; k < COUNT_REASONS && group->counts->failed[k].n > 0; k++) {
        const struct reason_count *failed = &group->counts->failed[k];
        struct metrics_labels labels = { "" };

        metrics_label(&labels, "failure_reason", failed->reason);
        metrics_label(&labels, "mode", "traditional");
        metrics_label(&labels, "runner", group->short_token);
        metrics_label(&labels, "runner_name", group->runner->name);
        metrics_sample(page, &labels, (double) failed->n);
    }
}

/* Requests. */

static void request_labels(const struct group *group, struct metrics_labels *ret)
{
    *ret = (struct metrics_labels) { "" };
    metrics_label(ret, "runner", group->short_token);
    metrics_label(ret, "system_id", group->supervisor->system_id);
}

static void put_requests(struct metrics_page *page, const struct group *group, double number)
{
    struct metrics_labels labels;

    request_labels(group, &labels);
    metrics_sample(page, &labels, number);
}

static void fill_used(struct metrics_page *page, const struct group *group)
{
    put_requests(page, group, group->n_polls);
}

static void fill_hard_limit(struct metrics_page *page, const struct group *group)
{
    put_requests(page, group, (double) group->runner->request_concurrency);
}

static void fill_adaptive_limit(struct metrics_page *page, const struct group *group)
{
    put_requests(page, group, group->request_pace);
}

/* The smaller one. */
static void fill_used_limit(struct metrics_page *page, const struct group *group)
{
    double most = (double) group->runner->request_concurrency;
    bool adapts = group->runner->autoscaler.flags.set[FF_USE_ADAPTIVE_REQUEST_CONCURRENCY] != 0;

    put_requests(page, group, adapts ? MIN(most, ceil(group->request_pace)) : most);
}

static void endpoint_labels(const struct group *group, size_t endpoint, struct metrics_labels *ret)
{
    request_labels(group, ret);
    metrics_label(ret, "endpoint", count_endpoint_name((enum count_endpoint) endpoint));
    metrics_label(ret, "method", count_endpoint_method((enum count_endpoint) endpoint));
}

static void put_statuses(struct metrics_page *page, const struct group *group, size_t endpoint)
{
    const struct api_counts *api = &group->counts->api[endpoint];

    for (size_t i = 0; i < COUNT_STATUSES && api->statuses[i].n > 0; i++) {
        struct metrics_labels labels;
        char status[16];

        endpoint_labels(group, endpoint, &labels);
        (void) snprintf(status, sizeof(status), "%d", api->statuses[i].status);
        metrics_label(&labels, "status", status);
        metrics_sample(page, &labels, (double) api->statuses[i].n);
    }
}

static void fill_statuses(struct metrics_page *page, const struct group *group)
{
    for (size_t k = 0; k < COUNT_ENDPOINTS; k++)
        put_statuses(page, group, k);
}

static void put_durations(struct metrics_page *page, const struct group *group, size_t endpoint)
{
    for (size_t class = 0; class < COUNT_CLASSES; class ++) {
        const struct metrics_histogram *seconds = &group->counts->api[endpoint].seconds[class];
        struct metrics_labels labels;

        if (metrics_count(seconds) == 0)
            continue;
        endpoint_labels(group, endpoint, &labels);
        metrics_label(&labels, "status_class", count_class_name(class));
        metrics_sample_histogram(page, &labels, seconds);
    }
}

static void fill_durations(struct metrics_page *page, const struct group *group)
{
    for (size_t k = 0; k < COUNT_ENDPOINTS; k++)
        put_durations(page, group, k);
}

static void fill_processing_failures(struct metrics_page *page, const struct group *group)
{
    const struct group_counts *counts = group->counts;

    metrics_put_of(page, group, "failure_type", "no_free_executor", (double) counts->slot_failures);
    metrics_put_of(page, group, "failure_type", "job_failure", (double) counts->jobs_failed);
    metrics_put_of(page, group, "failure_type", "other", (double) counts->jobs_broken);
}

static void fill_feeds(struct metrics_page *page, const struct group *group)
{
    put(page, group, (double) group->counts->polls);
}

static void fill_health_failures(struct metrics_page *page, const struct group *group)
{
    put(page, group, (double) group->counts->polls_refused);
}

const struct metrics_entry metrics_of_runners[] = {
    { METRICS_GAUGE, "gitlab_runner_limit", "The current value of limit setting",
      .each = fill_limit },
    { METRICS_GAUGE, "gitlab_runner_jobs", "The current number of running builds",
      .each = fill_jobs },
    { METRICS_COUNTER_OF_TAKEN, "gitlab_runner_jobs", "Total number of handled jobs",
      .each = fill_jobs_total },
    { METRICS_HISTOGRAM, "gitlab_runner_job_duration_seconds", "Histogram of job durations",
      .each = fill_job_seconds },
    { METRICS_HISTOGRAM, "gitlab_runner_job_stage_duration_seconds",
      "Histogram of each job stage duration", .each = fill_stages },
    { METRICS_HISTOGRAM, "gitlab_runner_job_queue_duration_seconds",
      "A histogram representing job queue duration.", .each = fill_queues },
    { METRICS_GAUGE, "gitlab_runner_job_queue_size",
      "Jobs that waited at GitLab with the latest one", .each = fill_queue_size },
    { METRICS_GAUGE, "gitlab_runner_job_queue_depth",
      "How deep in its queue GitLab found the latest job", .each = fill_queue_depth },
    { METRICS_COUNTER, "gitlab_runner_acceptable_job_queuing_duration_exceeded",
      "Counts how often jobs exceed the configured queuing time threshold", .each = fill_too_long },
    { METRICS_COUNTER, "gitlab_runner_failed_jobs", "Total number of failed jobs",
      .each = fill_failed },
    { METRICS_GAUGE, "gitlab_runner_request_concurrency",
      "The current number of concurrent requests for a new job", .each = fill_used },
    { METRICS_GAUGE, "gitlab_runner_request_concurrency_hard_limit",
      "The request_concurrency setting", .each = fill_hard_limit },
    { METRICS_GAUGE, "gitlab_runner_request_concurrency_adaptive_limit",
      "Requests that the answers so far allow", .each = fill_adaptive_limit },
    { METRICS_GAUGE, "gitlab_runner_request_concurrency_used_limit",
      "Requests for a new job that there may be at once", .each = fill_used_limit },
    { METRICS_COUNTER, "gitlab_runner_api_request_statuses",
      "The total number of api requests, partitioned by runner, system_id, endpoint and status.",
      .each = fill_statuses },
    { METRICS_HISTOGRAM, "gitlab_runner_api_request_duration_seconds",
      "Latency histogram of api requests, partitioned by runner, system_id, endpoint and status "
      "class.",
      .each = fill_durations },
    { METRICS_COUNTER, "gitlab_runner_worker_feeds", "Requests for a new job", .each = fill_feeds },
    { METRICS_COUNTER, "gitlab_runner_worker_processing_failures",
      "Jobs that failed, and requests that no instance was there for",
      .each = fill_processing_failures },
    { METRICS_COUNTER, "gitlab_runner_worker_health_check_failures",
      "How often requests paused because GitLab refused the token", .each = fill_health_failures },
    { 0 },
};
