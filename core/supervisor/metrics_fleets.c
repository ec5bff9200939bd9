/* core/supervisor/metrics_fleets.c - the families of GitLab Runner's autoscaler: fleeting_provisioner_* of instances,
 * fleeting_taskscaler_* of places for jobs (autoscaler.md 13.2). Names, labels and settings of buckets are GitLab
 * Runner's. */
#include "core/base/str.h"
#include "core/supervisor/metrics.h"

static void put(struct metrics_page *page, const struct group *group, double number)
{
    struct metrics_labels labels;

    metrics_runner_labels(group, &labels);
    metrics_sample(page, &labels, number);
}

static void put_histogram(struct metrics_page *page, const struct group *group,
                          const struct metrics_histogram *histogram)
{
    struct metrics_labels labels;

    metrics_runner_labels(group, &labels);
    metrics_sample_histogram(page, &labels, histogram);
}

static void fill_max_instances(struct metrics_page *page, const struct group *group)
{
    put(page, group, fleet_config_of(group->fleet)->max_instances);
}

/* One that goes is deleting, whatever the cloud says of it yet. */
static void fill_instances(struct metrics_page *page, const struct group *group)
{
    static const char *const names[] = { "creating",  "running",  "suspending",
                                         "suspended", "resuming", "deleting" };
    unsigned counts[INSTANCE_RESUMING + 1] = { 0 };

    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(group->fleet, i);

        if (instance->cause != CAUSE_FOREIGN)
            counts[instance->removing ? INSTANCE_DELETING : instance->state]++;
    }
    metrics_put_of(page, group, "state", "requested", fleet_requested(group->fleet));
    metrics_put_of(page, group, "state", "pending", fleet_pending(group->fleet));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        enum instance_state state = INSTANCE_CREATING;

        (void) instance_state_parse(names[i], &state);
        metrics_put_of(page, group, "state", names[i], counts[state]);
    }
}

static void fill_instance_operations(struct metrics_page *page, const struct group *group)
{
    metrics_put_of(page, group, "operation", "create", (double) group->counts->created);
    metrics_put_of(page, group, "operation", "delete", (double) group->counts->deleted);
}

static void fill_internal_operations(struct metrics_page *page, const struct group *group)
{
    metrics_put_of(page, group, "operation", "reconcile", (double) group->counts->lists);
    metrics_put_of(page, group, "operation", "removal", (double) group->counts->removals);
    metrics_put_of(page, group, "operation", "provision", (double) group->counts->orders);
}

static void fill_missed(struct metrics_page *page, const struct group *group)
{
    put(page, group, (double) group->counts->missed_updates);
}

static void fill_creation(struct metrics_page *page, const struct group *group)
{
    put_histogram(page, group, &group->counts->creation_seconds);
}

static void fill_running(struct metrics_page *page, const struct group *group)
{
    put_histogram(page, group, &group->counts->running_seconds);
}

static void fill_deletion(struct metrics_page *page, const struct group *group)
{
    put_histogram(page, group, &group->counts->deletion_seconds);
}

static void fill_life(struct metrics_page *page, const struct group *group)
{
    put_histogram(page, group, &group->counts->life_seconds);
}

static void fill_tasks(struct metrics_page *page, const struct group *group)
{
    struct fleet_numbers n = { 0 };

    fleet_count(group->fleet, &n);
    metrics_put_of(page, group, "state", "idle", n.idle);
    metrics_put_of(page, group, "state", "pending", n.waiting);
    metrics_put_of(page, group, "state", "acquired", n.acquired);
    metrics_put_of(page, group, "state", "reserved", n.reserved);
    metrics_put_of(page, group, "state", "unavailable", n.unavailable);
    metrics_put_of(page, group, "state", "unhealthy", n.unhealthy);
}

static void fill_task_operations(struct metrics_page *page, const struct group *group)
{
    metrics_put_of(page, group, "operation", "reserve", (double) group->counts->polls);
    metrics_put_of(page, group, "operation", "reserve_available_capacity_failure",
                   (double) group->counts->slot_failures);
}

static void fill_scale_operations(struct metrics_page *page, const struct group *group)
{
    metrics_put_of(page, group, "operation", "up", (double) group->counts->scaled_up);
    metrics_put_of(page, group, "operation", "down", (double) group->counts->scaled_down);
}

/* Those that stay, and those that were ordered. */
static void fill_desired(struct metrics_page *page, const struct group *group)
{
    struct fleet_numbers n = { 0 };

    fleet_count(group->fleet, &n);
    put(page, group, (double) n.instances - n.foreign - n.removing + n.requested + n.pending);
}

static void fill_capacity(struct metrics_page *page, const struct group *group)
{
    put(page, group, fleet_config_of(group->fleet)->capacity);
}

static void fill_max_use(struct metrics_page *page, const struct group *group)
{
    put(page, group, fleet_config_of(group->fleet)->max_use_count);
}

static void fill_readiness(struct metrics_page *page, const struct group *group)
{
    put_histogram(page, group, &group->counts->readiness_seconds);
}

const struct metrics_entry metrics_of_fleets[] = {
    { METRICS_GAUGE, "fleeting_provisioner_max_instances",
      "The maximum number of instances that can be provisioned", .each = fill_max_instances },
    { METRICS_GAUGE, "fleeting_provisioner_instances", "Instances by their states",
      .each = fill_instances },
    { METRICS_COUNTER, "fleeting_provisioner_instance_operations",
      "Instances that were ordered, and that were asked to go", .each = fill_instance_operations },
    { METRICS_COUNTER, "fleeting_provisioner_internal_operations",
      "Lists that were read, removals and orders that were sent",
      .each = fill_internal_operations },
    { METRICS_COUNTER, "fleeting_provisioner_missed_updates",
      "Lists that lacked an instance which then counted as gone", .each = fill_missed },
    { METRICS_HISTOGRAM, "fleeting_provisioner_instance_creation_time_seconds",
      "From the order until the instance was first seen", .each = fill_creation },
    { METRICS_HISTOGRAM, "fleeting_provisioner_instance_is_running_time_seconds",
      "From the order until the instance was first seen running", .each = fill_running },
    { METRICS_HISTOGRAM, "fleeting_provisioner_instance_deletion_time_seconds",
      "From an accepted removal until the instance was gone", .each = fill_deletion },
    { METRICS_HISTOGRAM, "fleeting_provisioner_instance_life_duration_seconds",
      "From the first sight of an instance until it was gone", .each = fill_life },
    { METRICS_GAUGE, "fleeting_taskscaler_tasks", "Places for jobs by their states",
      .each = fill_tasks },
    { METRICS_COUNTER, "fleeting_taskscaler_task_operations",
      "Places that were reserved for a request, and those that could not be",
      .each = fill_task_operations },
    { METRICS_COUNTER, "fleeting_taskscaler_scale_operations",
      "Decisions for more instances, and for fewer", .each = fill_scale_operations },
    { METRICS_GAUGE, "fleeting_taskscaler_desired_instances",
      "Instances that stay and that were ordered", .each = fill_desired },
    { METRICS_GAUGE, "fleeting_taskscaler_max_tasks_per_instance",
      "The capacity_per_instance setting", .each = fill_capacity },
    { METRICS_GAUGE, "fleeting_taskscaler_max_use_count_per_instance", "The max_use_count setting",
      .each = fill_max_use },
    { METRICS_HISTOGRAM, "fleeting_taskscaler_task_instance_readiness_time_seconds",
      "From running until the instance was through its ready gate", .each = fill_readiness },
    { 0 },
};
