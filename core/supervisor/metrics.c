/* core/supervisor/metrics.c - answers /metrics, and the families of the manager and its process. Those of runners and
 * of their fleets are in metrics_runners.c, metrics_fleets.c and metrics_ours.c; docs/metrics.md names them all. */
#include "core/supervisor/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "core/base/descriptors.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/supervisor/web.h"

#define SMALL_FILE ((size_t) 64 * 1024)

void metrics_runner_labels(const struct group *group, struct metrics_labels *ret)
{
    *ret = (struct metrics_labels) { "" };
    metrics_label(ret, "runner", group->short_token);
    metrics_label(ret, "runner_name", group->runner->name);
    metrics_label(ret, "system_id", group->supervisor->system_id);
}

void metrics_runner_labels_and(const struct group *group, const char *name, const char *value,
                               struct metrics_labels *ret)
{
    metrics_runner_labels(group, ret);
    metrics_label(ret, name, value);
}

void metrics_put_of(struct metrics_page *page, const struct group *group, const char *name,
                    const char *value, double number)
{
    struct metrics_labels labels;

    metrics_runner_labels_and(group, name, value, &labels);
    metrics_sample(page, &labels, number);
}

static void put_with(struct metrics_page *page, const char *name, const char *value, double number)
{
    struct metrics_labels labels = { "" };

    metrics_label(&labels, name, value);
    metrics_sample(page, &labels, number);
}

/* The process. */

static void fill_cpu(struct metrics_page *page, const struct supervisor *supervisor)
{
    struct rusage usage = { 0 };

    (void) supervisor;
    (void) getrusage(RUSAGE_SELF, &usage);
    metrics_sample(page, NULL,
                   (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

/* Pages, the n-th number of /proc/self/statm. */
static void put_pages(struct metrics_page *page, unsigned n)
{
    autobuf struct buf text = BUF_INIT;
    const char *at;
    int64_t pages = 0;

    if (fs_read_file(AT_FDCWD, "/proc/self/statm", SMALL_FILE, &text, NULL) < 0)
        return;
    at = buf_str(&text);
    while (n-- > 0)
        at += strcspn(at, " ") + 1;
    for (; *at >= '0' && *at <= '9'; at++)
        pages = pages * 10 + (*at - '0');
    metrics_sample(page, NULL, (double) pages * (double) sysconf(_SC_PAGESIZE));
}

static void fill_virtual(struct metrics_page *page, const struct supervisor *supervisor)
{
    (void) supervisor;
    put_pages(page, 0);
}

static void fill_resident(struct metrics_page *page, const struct supervisor *supervisor)
{
    (void) supervisor;
    put_pages(page, 1);
}

static void fill_virtual_max(struct metrics_page *page, const struct supervisor *supervisor)
{
    struct rlimit limit = { .rlim_cur = RLIM_INFINITY };

    (void) supervisor;
    (void) getrlimit(RLIMIT_AS, &limit);
    metrics_sample(page, NULL, limit.rlim_cur == RLIM_INFINITY ? -1 : (double) limit.rlim_cur);
}

/* The kernel shows them to root alone, as nobody may look into this process. */
static void fill_descriptors(struct metrics_page *page, const struct supervisor *supervisor)
{
    autoclosedir DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    double n = -1; /* the folder's own */

    (void) supervisor;
    if (!dir)
        return;
    while ((entry = readdir(dir)))
        n += entry->d_name[0] != '.';
    metrics_sample(page, NULL, n);
}

static void fill_max_descriptors(struct metrics_page *page, const struct supervisor *supervisor)
{
    (void) supervisor;
    metrics_sample(page, NULL, (double) descriptors_limit());
}

static void fill_start(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, (double) supervisor->counts->started_wall_ms / 1000);
}

const struct metrics_entry metrics_of_process[] = {
    { METRICS_COUNTER, "process_cpu_seconds", "Total user and system CPU time spent in seconds.",
      .fill = fill_cpu },
    { METRICS_GAUGE, "process_max_fds", "Maximum number of open file descriptors.",
      .fill = fill_max_descriptors },
    { METRICS_GAUGE, "process_open_fds", "Number of open file descriptors.",
      .fill = fill_descriptors },
    { METRICS_GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes.",
      .fill = fill_resident },
    { METRICS_GAUGE, "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds.", .fill = fill_start },
    { METRICS_GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
      .fill = fill_virtual },
    { METRICS_GAUGE, "process_virtual_memory_max_bytes",
      "Maximum amount of virtual memory available in bytes.", .fill = fill_virtual_max },
    { 0 },
};

/* The manager. */

static void fill_version(struct metrics_page *page, const struct supervisor *supervisor)
{
    struct metrics_labels labels = { "" };
    struct utsname system = { 0 };

    (void) supervisor;
    (void) uname(&system);
    metrics_label(&labels, "architecture", system.machine);
    metrics_label(&labels, "name", "flotilla");
    metrics_label(&labels, "os", "linux");
    metrics_label(&labels, "version", FLOTILLA_VERSION);
    metrics_sample(page, &labels, 1);
}

static void fill_concurrent(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, (double) supervisor->config->concurrent);
}

/* As GitLab Runner calls jobs that are sets of scripts. */
static void fill_modes(struct metrics_page *page, const struct supervisor *supervisor)
{
    struct metrics_labels labels = { "" };
    double sum = 0;

    for (size_t i = 0; i < supervisor->n_groups; i++)
        sum += (double) supervisor->groups[i]->counts->jobs;
    metrics_label(&labels, "executor", "instance");
    metrics_label(&labels, "mode", "traditional");
    metrics_sample(page, &labels, sum);
}

static void fill_config_loaded(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, (double) supervisor->counts->config_loaded);
}

static void fill_config_failed(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, (double) supervisor->counts->config_failed);
}

static void fill_config_saved(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, (double) supervisor->counts->config_saved);
}

static void fill_config_unsaved(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, (double) supervisor->counts->config_unsaved);
}

static void fill_inputs(struct metrics_page *page, const struct supervisor *supervisor)
{
    metrics_sample(page, NULL, (double) supervisor->counts->inputs_used);
}

static void fill_inputs_failed(struct metrics_page *page, const struct supervisor *supervisor)
{
    for (size_t i = 0; i < COUNT_INPUT_ERRORS; i++)
        put_with(page, "error_type", count_input_error_name((enum count_input_error) i),
                 (double) supervisor->counts->inputs_failed[i]);
}

static void fill_errors(struct metrics_page *page, const struct supervisor *supervisor)
{
    (void) supervisor;
    put_with(page, "level", "error", (double) log_count(LOG_LEVEL_ERROR));
    put_with(page, "level", "warning", (double) log_count(LOG_LEVEL_WARNING));
}

static void fill_state(struct metrics_page *page, const struct supervisor *supervisor)
{
    put_with(page, "state", web_process_state(supervisor), 1);
}

static void fill_attempts(struct metrics_page *page, const struct supervisor *supervisor)
{
    static const char *const paths[] = { [ENDPOINT_REQUEST_JOB] = "jobs/request",
                                         [ENDPOINT_UPDATE_JOB] = "jobs/{id}",
                                         [ENDPOINT_PATCH_TRACE] = "jobs/{id}/trace",
                                         [ENDPOINT_RESET_TOKEN] =
                                             "runners/reset_authentication_token" };

    for (size_t i = 0; i < COUNT_ENDPOINTS; i++) {
        struct metrics_labels labels = { "" };

        metrics_label(&labels, "method", count_endpoint_method((enum count_endpoint) i));
        metrics_label(&labels, "path", paths[i]);
        metrics_sample(page, &labels, (double) supervisor->counts->api_attempts[i]);
    }
}

const struct metrics_entry metrics_of_manager[] = {
    { METRICS_GAUGE, "gitlab_runner_version_info",
      "A metric with a constant '1' value labeled by different build stats fields.",
      .fill = fill_version },
    { METRICS_GAUGE, "gitlab_runner_concurrent", "The current value of concurrent setting",
      .fill = fill_concurrent },
    { METRICS_GAUGE, "gitlab_runner_worker_slots_number",
      "Jobs that may run at once, which GitLab Runner calls worker slots",
      .fill = fill_concurrent },
    { METRICS_COUNTER, "gitlab_runner_job_execution_mode", "Jobs by how they are run",
      .fill = fill_modes },
    { METRICS_COUNTER, "gitlab_runner_configuration_loaded",
      "Total number of times the configuration file was loaded by Runner process",
      .fill = fill_config_loaded },
    { METRICS_COUNTER, "gitlab_runner_configuration_loading_error",
      "Total number of times the configuration file was not loaded by Runner process due to errors",
      .fill = fill_config_failed },
    { METRICS_COUNTER, "gitlab_runner_configuration_saved",
      "Total number of times the configuration file was saved by Runner process",
      .fill = fill_config_saved },
    { METRICS_COUNTER, "gitlab_runner_configuration_saving_error",
      "Total number of times the configuration file was not saved by Runner process due to errors",
      .fill = fill_config_unsaved },
    { METRICS_COUNTER, "gitlab_runner_job_inputs_interpolations",
      "Texts of jobs that inputs were put into", .fill = fill_inputs },
    { METRICS_COUNTER, "gitlab_runner_job_inputs_interpolation_failures",
      "Jobs that refer to inputs in a way that cannot be followed", .fill = fill_inputs_failed },
    { METRICS_COUNTER, "gitlab_runner_errors", "The number of caught errors.",
      .fill = fill_errors },
    { METRICS_GAUGE, "gitlab_runner_process_state_info", "What the manager is at.",
      .fill = fill_state },
    { METRICS_COUNTER, "gitlab_runner_api_request_retries",
      "Attempts of requests to GitLab, the first ones too", .fill = fill_attempts },
    { 0 },
};

static void write_entries(struct metrics_page *page, const struct metrics_entry *entries,
                          const struct supervisor *supervisor)
{
    for (; entries->name; entries++) {
        metrics_family(page, entries->kind, entries->name, entries->help);
        if (entries->fill)
            entries->fill(page, supervisor);
        for (size_t i = 0; entries->each && i < supervisor->n_groups; i++)
            entries->each(page, supervisor->groups[i]);
    }
}

void metrics_write(struct metrics_page *page, const struct supervisor *supervisor)
{
    write_entries(page, metrics_of_manager, supervisor);
    write_entries(page, metrics_of_runners, supervisor);
    write_entries(page, metrics_of_fleets, supervisor);
    write_entries(page, metrics_of_ours, supervisor);
    write_entries(page, metrics_of_process, supervisor);
    metrics_end(page);
}

void web_answer_metrics(void *arg, struct web_request *request)
{
    char accept[1000];
    struct metrics_page page = { .openmetrics =
                                     web_header(request, "accept", accept, sizeof(accept)) &&
                                     metrics_wants_openmetrics(accept) };

    metrics_write(&page, arg);
    web_answer(request, 200, page.openmetrics ? METRICS_TYPE_OPENMETRICS : METRICS_TYPE_TEXT,
               &page.out);
}
