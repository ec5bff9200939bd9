/* checks.c - whether the group is one that flotilla can rule over: looked at when it is opened. What cannot work is
 * refused, what will cost jobs one day is warned of; each with what to do. */

#include "gcp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sdk/lib/json.h"

#define GROUP "gcloud compute instance-groups managed "

static int64_t number_at(struct json_object *object, const char *path)
{
    int64_t number = 0;

    (void) flt_json_opt_i64(object, path, INT64_MIN, INT64_MAX, &number, NULL);
    return number;
}

static bool is_set(struct json_object *object, const char *path)
{
    struct json_object *value = flt_json_find(object, path);

    if (json_object_is_type(value, json_type_array))
        return json_object_array_length(value) > 0;
    return json_object_is_type(value, json_type_object) && json_object_object_length(value) > 0;
}

static bool is_text(struct json_object *object, const char *path, const char *text)
{
    return strcmp(gcp_text(object, path), text) == 0;
}

/* "NAME --zone Z --project P", behind each command of gcloud. */
static const char *place_of(struct flt_group *g, char ret[GCP_PATH_SIZE])
{
    const struct gcp_options *o = &g->options;

    (void) snprintf(ret, GCP_PATH_SIZE, "%s --%s %s --project %s", o->name,
                    o->zone ? "zone" : "region", o->zone ? o->zone : o->region, o->project);
    return ret;
}

static int32_t refuse_impossible(struct flt_group *g, struct json_object *group)
{
    const char *name = g->options.name;
    char at[GCP_PATH_SIZE];

    (void) place_of(g, at);
    if (*gcp_text(group, "status.autoscaler"))
        return gcp_fail(g, FLT_E_INVALID, 0,
                        "group '%s' has an autoscaler, which changes its size behind flotilla's "
                        "back: " GROUP "stop-autoscaling %s",
                        name, at);
    if (is_set(group, "statefulPolicy.preservedState"))
        return gcp_fail(g, FLT_E_INVALID, 0,
                        "group '%s' is stateful: what jobs left on a disk comes back with the "
                        "instance's name. Make a group without a stateful policy, or take its "
                        "disks and addresses out of it: " GROUP
                        "update %s --remove-stateful-disks DEVICE,...",
                        name, at);
    if (number_at(group, "targetStoppedSize") > 0)
        return gcp_fail(g, FLT_E_INVALID, 0,
                        "group '%s' keeps stopped instances, which flotilla would remove one by "
                        "one: " GROUP "update %s --stopped-size 0",
                        name, at);
    return FLT_OK;
}

static bool heals(struct json_object *group)
{
    const char *action = gcp_text(group, "instanceLifecyclePolicy.onFailedHealthCheck");

    if (!*action || strcmp(action, "DEFAULT_ACTION") == 0)
        action = gcp_text(group, "instanceLifecyclePolicy.defaultActionOnFailure");
    return is_set(group, "autoHealingPolicies") && strcmp(action, "DO_NOTHING") != 0;
}

static void warn_of_repairs(struct flt_group *g, struct json_object *group, const char *at)
{
    if (heals(group))
        gcp_log(g, FLT_LOG_WARNING,
                "autohealing replaces instances of group '%s' whose health check fails, busy or "
                "not: " GROUP "update %s --clear-autohealing",
                g->options.name, at);
}

static void warn_of_updates(struct flt_group *g, struct json_object *group, const char *at)
{
    if (is_text(group, "updatePolicy.type", "PROACTIVE"))
        gcp_log(g, FLT_LOG_WARNING,
                "group '%s' replaces instances when its template changes, busy or not: " GROUP
                "update %s --update-policy-type opportunistic",
                g->options.name, at);
    if (g->options.region && !is_text(group, "updatePolicy.instanceRedistributionType", "NONE"))
        gcp_log(g, FLT_LOG_WARNING,
                "group '%s' may take busy instances to even out its zones: " GROUP
                "update %s --instance-redistribution-type none",
                g->options.name, at);
}

static void note_sizes(struct flt_group *g, struct json_object *group, const char *at)
{
    int64_t size = number_at(group, "targetSize");

    if (is_text(group, "standbyPolicy.mode", "SCALE_OUT_POOL"))
        gcp_log(
            g, FLT_LOG_WARNING,
            "group '%s' takes suspended and stopped instances back into service by itself: " GROUP
            "update %s --standby-policy-mode manual",
            g->options.name, at);
    if (size > 0)
        gcp_log(g, FLT_LOG_INFO, "group '%s' has a target size of %" PRIi64 " already",
                g->options.name, size);
}

int32_t checks_at_open(struct flt_group *g, struct json_object *group)
{
    char at[GCP_PATH_SIZE];
    int32_t code = refuse_impossible(g, group);

    if (code != FLT_OK)
        return code;
    (void) place_of(g, at);
    warn_of_updates(g, group, at);
    warn_of_repairs(g, group, at);
    note_sizes(g, group, at);
    return FLT_OK;
}
