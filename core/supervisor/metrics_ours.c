/* core/supervisor/metrics_ours.c - what operators of GitLab Runner's autoscaler ask for and have not: flotilla_*. */
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/supervisor/metrics.h"
#include "core/supervisor/turns.h"

/* An instance that was told to go and is listed this long after is nobody's any more. */
#define LEAKED_AFTER_MS (INT64_C(10) * 60 * 1000)

static void put(struct metrics_page *page, const struct group *group, double number)
{
    struct metrics_labels labels;

    metrics_runner_labels(group, &labels);
    metrics_sample(page, &labels, number);
}

static void fill_oldest(struct metrics_page *page, const struct group *group)
{
    int64_t now = now_wall(group->supervisor), oldest_ms = 0;

    for (const struct job *job = group->supervisor->jobs; job; job = job->next)
        if (job->group == group && job->state < JOB_ASSIGNED && job->received_ms > 0)
            oldest_ms = MAX(oldest_ms, now - job->received_ms);
    put(page, group, (double) oldest_ms / 1000);
}

static void fill_waits(struct metrics_page *page, const struct group *group)
{
    for (size_t i = 0; i < COUNT_PHASES; i++) {
        struct metrics_labels labels;

        metrics_runner_labels_and(group, "phase", count_phase_name((enum count_phase) i), &labels);
        metrics_sample_histogram(page, &labels, &group->counts->wait_seconds[i]);
    }
}

static void fill_removals(struct metrics_page *page, const struct group *group)
{
    for (size_t i = 1; i < FLEET_REASONS; i++)
        if (group->counts->removed[i] > 0)
            metrics_put_of(page, group, "reason", fleet_reason_name((enum fleet_reason) i),
                           (double) group->counts->removed[i]);
}

static bool is_leaked(const struct fleet_instance *instance, int64_t now)
{
    return instance->cause != CAUSE_FOREIGN && instance->removal_accepted &&
           instance->removal_accepted_ms > 0 &&
           now - instance->removal_accepted_ms > LEAKED_AFTER_MS;
}

static void fill_leaked(struct metrics_page *page, const struct group *group)
{
    int64_t now = now_wall(group->supervisor);
    unsigned n = 0;

    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++)
        n += is_leaked(fleet_instance_at(group->fleet, i), now);
    put(page, group, n);
}

static void fill_foreign(struct metrics_page *page, const struct group *group)
{
    struct fleet_numbers n = { 0 };

    fleet_count(group->fleet, &n);
    put(page, group, n.foreign);
}

static void fill_restarts(struct metrics_page *page, const struct group *group)
{
    put(page, group, group->counts->opens > 0 ? (double) group->counts->opens - 1 : 0);
}

static void fill_faulted(struct metrics_page *page, const struct group *group)
{
    put(page, group, !group->usable || !str_empty(group->provider_error));
}

static void fill_growth(struct metrics_page *page, const struct group *group)
{
    put(page, group, fleet_growth_paused(group->fleet, now_wall(group->supervisor), NULL, NULL));
}

static void fill_provider_errors(struct metrics_page *page, const struct group *group)
{
    for (size_t i = 0; i < COUNT_ERRORS; i++)
        if (group->counts->errors[i] > 0)
            metrics_put_of(page, group, "kind", count_error_name(i),
                           (double) group->counts->errors[i]);
}

/* In whatever currency the price is told. */
static void fill_cost(struct metrics_page *page, const struct group *group)
{
    const struct fleet_config *config = fleet_config_of(group->fleet);
    struct fleet_numbers n = { 0 };

    if (config->price_micros_hour <= 0)
        return;
    fleet_count(group->fleet, &n);
    put(page, group, (double) config->price_micros_hour / 1e6 * (n.instances - n.foreign));
}

static void fill_idle(struct metrics_page *page, const struct group *group)
{
    metrics_put_of(page, group, "state", "idle", (double) group->counts->idle_ms / 1000);
    metrics_put_of(page, group, "state", "busy", (double) group->counts->busy_ms / 1000);
}

/* The manager. */

static void fill_adoptions(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, (double) supervisor->counts->jobs_adopted);
}

static void fill_stalls(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample_histogram(page, NULL, turns_histogram(supervisor->turns));
}

static void fill_ledger(struct metrics_page *page, const struct supervisor *supervisor)
{
    static const char *const files[] = { "ledger.db", "ledger.db-wal" };
    struct stat st;
    double sum = 0;

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (fstatat(supervisor->state_fd, files[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
            sum += (double) st.st_size;
    metrics_sample(page, NULL, sum);
}

/* Of the jobs that are open; what else lies there is swept at a start. */
static void fill_spool(struct metrics_page *page, const struct supervisor *supervisor)
{
    double sum = 0;

    for (const struct job *job = supervisor->jobs; job; job = job->next)
        sum += (double) MAX(job->report.sent, job->log_size);
    metrics_sample(page, NULL, sum);
}

static void fill_disk(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, supervisor->disk_short);
}

static void fill_ledger_lost(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, !str_empty(supervisor->ledger_problem));
}

static void fill_build(struct metrics_page *page, const struct supervisor *supervisor)
{
    struct metrics_labels labels = { "" };

    (void) supervisor;
    metrics_label(&labels, "version", FLOTILLA_VERSION);
    metrics_label(&labels, "compiler", __VERSION__);
    metrics_sample(page, &labels, 1);
}

const struct metrics_entry metrics_of_ours[] = {
    { METRICS_GAUGE, "flotilla_oldest_waiting_job_seconds",
      "Age of the oldest job that waits for an instance; 0 = none waits", .each = fill_oldest },
    { METRICS_HISTOGRAM, "flotilla_job_wait_seconds",
      "What jobs wait for: a place (slot), their worker (worker), and after their end until GitLab "
      "has it (report)",
      .each = fill_waits },
    { METRICS_COUNTER, "flotilla_instance_removals", "Instances marked for removal, by reason",
      .each = fill_removals },
    { METRICS_GAUGE, "flotilla_leaked_instances",
      "Instances that are still listed 10 minutes after their removal was accepted",
      .each = fill_leaked },
    { METRICS_GAUGE, "flotilla_foreign_instances",
      "Instances that the ledger knows as another runner's", .each = fill_foreign },
    { METRICS_COUNTER, "flotilla_plugin_restarts", "How often the plugin was opened anew",
      .each = fill_restarts },
    { METRICS_GAUGE, "flotilla_plugin_faulted", "1 while the plugin cannot be used",
      .each = fill_faulted },
    { METRICS_GAUGE, "flotilla_growth_paused", "1 while orders wait after a failure",
      .each = fill_growth },
    { METRICS_COUNTER, "flotilla_provider_errors", "Answers of the plugin that failed, by kind",
      .each = fill_provider_errors },
    { METRICS_GAUGE, "flotilla_cost_rate_per_hour",
      "What all instances cost an hour, where the price is known", .each = fill_cost },
    { METRICS_COUNTER, "flotilla_instance_seconds", "Time of all instances together, idle and busy",
      .each = fill_idle },
    { METRICS_COUNTER, "flotilla_jobs_adopted", "Jobs of a former run that went on",
      .fill = fill_adoptions },
    { METRICS_HISTOGRAM, "flotilla_loop_turn_seconds",
      "How long a turn of the event loop took, during which nobody else is served",
      .fill = fill_stalls },
    { METRICS_GAUGE, "flotilla_ledger_bytes", "Size of the ledger", .fill = fill_ledger },
    { METRICS_GAUGE, "flotilla_spool_bytes", "Logs of open jobs, as far as they were read",
      .fill = fill_spool },
    { METRICS_GAUGE, "flotilla_disk_full", "1 while the disk of the state directory is full",
      .fill = fill_disk },
    { METRICS_GAUGE, "flotilla_ledger_lost",
      "1 when the ledger was damaged and begun anew at this start", .fill = fill_ledger_lost },
    { METRICS_GAUGE, "flotilla_build_info", "A constant 1, labeled by the build",
      .fill = fill_build },
    { 0 },
};
